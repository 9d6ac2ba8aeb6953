"""Figures as picture files, drawn by a Chrome or Chromium where one is found.

PNG is for the screen, with the heading. SVG and PDF are for print: no heading, for a caption says it there, and in
the size in which they are set, so that texts have 7 to 7.5 points: one column of 8.5 cm, or both, 17.5 cm, for
figures that are wide by nature. All are light.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kaleido
import plotly.graph_objects as go
from kaleido.errors import ChromeNotFoundError

from search.analysis import look
from search.analysis.parallel_coordinates import thickened

IMAGE_SECONDS = 60  # how long a browser may take for one picture

COLUMN, PAGE = 8.5, 17.5  # centimetres
_WIDE = {"parallel-coordinates", "slices", "timeline", "class-accuracy", "contour", "coverage", "confusion-matrix"}
_COLUMN_PIXELS = 420  # drawn so wide and set in one column, the font of 13 pixels has 7.5 points
_PIXELS_PER_CENTIMETRE = 96 / 2.54

log = logging.getLogger(__name__)


def write_pictures(figures: Mapping[str, go.Figure], folder: Path) -> None:
    """Each figure as NAME.png, NAME.svg and NAME.pdf, all by one browser; without it none, and the log says so."""
    pictures = [
        {"fig": fig, "path": folder / f"{name}.{opts['format']}", "opts": opts}
        for name, figure in figures.items()
        for fig, opts in _versions(name, figure)
    ]
    try:
        kaleido.write_fig_from_object_sync(
            pictures, cancel_on_error=True, kopts={"mathjax": False, "timeout": IMAGE_SECONDS}
        )
    except ChromeNotFoundError:
        log.info("no Chrome or Chromium was found: figures are written as HTML only")


def _versions(name: str, figure: go.Figure) -> Iterator[tuple[go.Figure, dict[str, Any]]]:
    """What is drawn of one figure, each with kaleido's options."""
    if name == "parallel-coordinates":
        figure = thickened(figure)
    height = figure.layout.height or look.HEIGHT
    yield figure, {"format": "png", "scale": 2, "width": look.WIDTH, "height": height}
    bare, _ = look.captioned(figure)
    centimetres = PAGE if name in _WIDE else COLUMN
    width = _COLUMN_PIXELS * centimetres / COLUMN
    height = figure.layout.height or (0.5 if name in _WIDE else 0.8) * width
    scale = centimetres * _PIXELS_PER_CENTIMETRE / width
    for form in ("svg", "pdf"):
        yield bare, {"format": form, "scale": scale, "width": width, "height": height}
