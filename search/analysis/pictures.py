"""Figures as picture files, drawn by a Chrome or Chromium where one is found."""

import logging
from collections.abc import Mapping
from pathlib import Path

import kaleido
import plotly.graph_objects as go
from kaleido.errors import ChromeNotFoundError

from search.analysis import look
from search.analysis.parallel_coordinates import thickened

IMAGE_SECONDS = 60  # how long a browser may take for one picture

log = logging.getLogger(__name__)


def write_pictures(figures: Mapping[str, go.Figure], folder: Path) -> None:
    """Each figure as NAME.png and NAME.svg, all by one browser; nothing, with a word in the log, without one."""
    size = {"width": look.WIDTH, "height": look.HEIGHT}
    pictures = [
        {
            "fig": thickened(figure) if name == "parallel-coordinates" else figure,
            "path": folder / f"{name}.{form}",
            "opts": {"format": form, "scale": scale, **size},
        }
        for name, figure in figures.items()
        for form, scale in (("png", 2), ("svg", 1))
    ]
    try:
        kaleido.write_fig_from_object_sync(
            pictures, cancel_on_error=True, kopts={"mathjax": False, "timeout": IMAGE_SECONDS}
        )
    except ChromeNotFoundError:
        log.info("no Chrome or Chromium was found: figures are written as HTML only")
