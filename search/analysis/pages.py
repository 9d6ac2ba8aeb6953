"""Figures as web pages that need no network, and as parts of a page, light or dark as the reader prefers."""

import html
import json
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from search.analysis import look

# plotly's own switches; parallel-coordinate lines are a whole pixel wide.
_CONFIG = {"displaylogo": False, "responsive": True, "plotGlPixelRatio": 1}

# A figure is drawn once, in the reader's colours from the start, when it comes near the window; when they change,
# the colours alone are exchanged, so that what was brushed or zoomed stays. On paper it is light.
_SCRIPT = """
(() => {
  const dark = LIGHT_TO_DARK;
  const light = Object.fromEntries(Object.entries(dark).map(([from, to]) => [to, from]));
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const recoloured = (value, colours) => {
    if (typeof value === "string") return colours[value] ?? value;
    if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
    if (Array.isArray(value)) return value.map(each => recoloured(each, colours));
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, recoloured(each, colours)]));
  };
  const style = (value, colours) => typeof value === "string"
    ? value.replace(/#[0-9a-f]{6}/g, colour => colours[colour] ?? colour) : value;
  const themed = (figure, colours) => {
    const layout = recoloured(figure.layout, colours);
    if (layout.title) layout.title.text = style(layout.title.text, colours);
    return [recoloured(figure.data, colours), layout];
  };
  const paint = (place, isDark) => {
    if (place.dataset.dark === String(isDark)) return;
    place.dataset.dark = isDark;
    Plotly.react(place, ...themed(place, isDark ? dark : light));
  };
  const draw = place => {
    const figure = JSON.parse(place.querySelector("script").textContent);
    place.replaceChildren();
    place.dataset.dark = prefersDark.matches;
    const [data, layout] = prefersDark.matches ? themed(figure, dark) : [figure.data, figure.layout];
    Plotly.newPlot(place, data, layout, CONFIG);
  };
  const near = new IntersectionObserver(entries => entries.filter(entry => entry.isIntersecting).forEach(entry => {
    near.unobserve(entry.target);
    draw(entry.target);
  }), {rootMargin: "600px"});
  const waiting = () => document.querySelectorAll(".figure:not([data-dark])");
  const drawn = () => document.querySelectorAll(".figure[data-dark]");
  prefersDark.addEventListener("change", () => drawn().forEach(place => paint(place, prefersDark.matches)));
  addEventListener("beforeprint", () => {
    waiting().forEach(draw);
    drawn().forEach(place => paint(place, false));
  });
  addEventListener("afterprint", () => drawn().forEach(place => paint(place, prefersDark.matches)));
  document.addEventListener("DOMContentLoaded", () => waiting().forEach(place => near.observe(place)));
})();
"""

# plotly draws the axes of parallel coordinates black, whatever the page.
_AXES = f"""
@media screen and (prefers-color-scheme: dark) {{
  .parcoords .axis .domain, .parcoords .axis line {{ stroke: {look.DARK[look.MUTED]} !important; }}
}}
"""

_STYLE = f"""
:root {{ color-scheme: light dark; }}
body {{ margin: 0; background: {look.PAPER}; }}
.figure {{ height: 100vh; }}
@media screen and (prefers-color-scheme: dark) {{ body {{ background: {look.DARK[look.PAPER]}; }} }}
"""


def scripts() -> str:
    """What the head of a page must hold, once, for `division`s to be drawn: plotly.js, a script and a style.

    The page says `color-scheme: light dark` and colours its own background by `prefers-color-scheme`.
    """
    script = _SCRIPT.replace("LIGHT_TO_DARK", json.dumps(look.DARK)).replace("CONFIG", json.dumps(_CONFIG))
    return f"<script>{get_plotlyjs()}</script>\n<script>{script}</script>\n<style>{_AXES}</style>"


def division(figure: go.Figure) -> str:
    """A figure as a part of a page whose head has `scripts`: a `div` of the class `figure`, without plotly.js.

    The page's style gives it its size; a figure with a height of its own brings that along.
    """
    height = figure.layout.height
    style = f' style="height: {int(height)}px"' if height else ""
    # no text in it can end the script element or be taken for markup
    text = str(figure.to_json()).replace("<", "\\u003c")
    return f'<div class="figure"{style}><script type="application/json">{text}</script></div>'


def write_pages(figures: Mapping[str, go.Figure], folder: Path) -> None:
    """Each figure as NAME.html."""
    head = scripts()
    for name, figure in figures.items():
        title = html.escape(name.replace("-", " "))
        (folder / f"{name}.html").write_text(
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
            f"<style>{_STYLE}</style>\n{head}\n</head>\n<body>\n{division(figure)}\n</body>\n</html>\n"
        )
