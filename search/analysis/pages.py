"""Figures as web pages that need no network."""

from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go


def write_pages(figures: Mapping[str, go.Figure], folder: Path) -> None:
    """Each figure as NAME.html, with parallel-coordinate lines a whole pixel wide."""
    for name, figure in figures.items():
        path = folder / f"{name}.html"
        figure.write_html(path, include_plotlyjs=True, config={"displaylogo": False, "plotGlPixelRatio": 1})
