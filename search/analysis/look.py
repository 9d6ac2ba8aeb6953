"""How every figure looks: the one place for colours, fonts, sizes and the plotly template.

The colours can be told apart on white paper, and by people who see red and green alike: Viridis
(https://bids.github.io/colormap), turned so that the best is the darkest, and the palette of Okabe and Ito
(https://jfly.uni-koeln.de/color). Grey means one thing: a trial that is not complete.
"""

import html
import textwrap
from typing import Any

import plotly.graph_objects as go
from plotly.colors import sequential

INK = "#1f2328"
MUTED = "#656d76"
GREY = "#c4c7cb"
EMPTY = "#eeeff1"

WORST_TO_BEST: list[str] = sequential.Viridis[8::-1]  # its lightest yellow can't be seen on white
BEST = "#d55e00"
MEDIAN = "#0072b2"
OTHERS = "#93c2e0"

WIDTH, HEIGHT = 1100, 620  # pixels of a picture; on a page a figure fills the room there is

_SYMBOLS = {
    "best": "star",
    "complete": "circle",
    "pruned": "x",
    "running": "triangle-right",
    "waiting": "circle-open",
    "failed": "diamond-open",
}
_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_TITLE_WIDTH, _TITLE_LINES = 68, 3  # characters that fit on a card of the dashboard, lines
_BASELINE, _LINE = 28, 21  # pixels from the edge to the first line of a heading, and between lines
_AXIS = {
    "showgrid": False,
    "zeroline": False,
    "showline": True,
    "linecolor": MUTED,
    "ticks": "outside",
    "tickcolor": MUTED,
    "ticklen": 4,
    "title": {"standoff": 12},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": _FONT, "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 80, "r": 40, "b": 60},
        "title": {
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "pad": {"l": 24, "t": _BASELINE},
            "font": {"size": 16},
        },
        "hoverlabel": {"align": "left", "font": {"family": _FONT}},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)


def escaped(text: str) -> str:
    """Text as plotly shows it letter by letter: no markup, no formulas, no templates."""
    return html.escape(text).replace("$", "&#36;").replace("%", "&#37;")


def colour_bar(label: str) -> dict[str, Any]:
    """The bar that says which colour is which value."""
    return {
        "title": {"text": escaped(label), "side": "right"},
        "thickness": 14,
        "outlinewidth": 0,
        "len": 1,
        "x": 1.04,
    }


def mark(state: str, *, on_colour: bool = False) -> dict[str, Any]:
    """The mark of a trial in that state, or of the `best`; with an edge where it lies on a coloured field."""
    colours = {"best": BEST, "complete": "white" if on_colour else OTHERS}
    edge = {"width": int(on_colour), "color": INK if state == "complete" else "white"}
    return {
        "symbol": _SYMBOLS[state],
        "size": {"best": 14, "complete": 6}.get(state, 8),
        "color": colours.get(state, INK if on_colour else MUTED),
        "line": edge,
    }


def dress(figure: go.Figure, title: str, subtitle: str, *, above: int) -> None:
    """Gives a figure its look and its heading, with `above` pixels between that and the plotting area.

    A figure without anything in it says so.
    """
    lines = textwrap.wrap(title, _TITLE_WIDTH, max_lines=_TITLE_LINES, placeholder=" …", break_on_hyphens=False)
    heading = "<br>".join(f"<b>{escaped(line)}</b>" for line in lines)
    small = f'<span style="font-size:13px;color:{MUTED}">{escaped(subtitle)}</span>'
    figure.update_layout(
        template=TEMPLATE,
        title={"text": f"{heading}<br>{small}"},
        margin={"t": _BASELINE + _LINE * len(lines) + above},
    )
    if not figure.data:
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        figure.add_annotation(text="Nothing to show yet.", showarrow=False, font={"size": 15, "color": MUTED})
