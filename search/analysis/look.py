"""How every figure looks: the one place for colours, fonts, sizes and the plotly template.

The colours can be told apart on white paper, and by people who see red and green alike: Viridis
(https://bids.github.io/colormap), whose end that stands out most from the page is the best, and the palette of
Okabe and Ito (https://jfly.uni-koeln.de/color). Shapes say again what colours say. Grey means one thing: a trial
that is not complete.

Figures are drawn for a light page; `DARK` holds what each colour becomes on a dark one.
"""

import html
import re
import textwrap
from typing import Any

import plotly.graph_objects as go
from plotly.colors import sequential

PAPER = "#ffffff"
INK = "#1f2328"
MUTED = "#656d76"
GREY = "#c4c7cb"
EMPTY = "#eeeff1"

WORST_TO_BEST: list[str] = sequential.Viridis[8::-1]  # its lightest yellow can't be seen on white
NONE_TO_ALL = ["#f5f8fb", "#c6dbef", "#6baed6", "#2171b5", "#08306b"]
BEST = "#d55e00"
MEDIAN = "#0072b2"
OTHERS = "#93c2e0"
INFEASIBLE = "#b2182b"
SERIES = (MEDIAN, BEST, "#009e73", "#cc79a7", "#e69f00", "#57606a")  # of things side by side
SERIES_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon")
OUTCOMES = {
    "complete": MEDIAN,
    "pruned": GREY,
    "running": SERIES[4],
    "interrupted": SERIES[3],
    "diverged or failed": INFEASIBLE,
}

DARK = {
    PAPER: "#0d1117",
    INK: "#e6edf3",
    MUTED: "#9198a1",
    GREY: "#4d545d",
    EMPTY: "#1c2129",
    BEST: "#f0883e",
    MEDIAN: "#58a6ff",
    OTHERS: "#386a95",
    INFEASIBLE: "#ff7b72",
    **dict(zip(SERIES[2:], ("#3ddbac", "#d67ab1", "#ffd866", "#6e7681"), strict=True)),
    **dict(zip(WORST_TO_BEST, sequential.Viridis[1:], strict=True)),
    **dict(zip(NONE_TO_ALL, ("#161c26", "#153a63", "#1f6cb4", "#63b0ea", "#d3e9fb"), strict=True)),
}

CROWD = 200  # points in one plot that are told apart by their marks

WIDTH, HEIGHT = 1100, 620  # pixels of a picture; on a page a figure fills the room there is
LEFT, RIGHT, BELOW = 80, 40, 60  # pixels around the plotting area

_SYMBOLS = {
    "best": "star",
    "complete": "circle",
    "pruned": "x",
    "infeasible": "x-thin",
    "running": "triangle-right",
    "waiting": "circle-open",
    "failed": "diamond-open",
}
_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_TITLE_WIDTH, _TITLE_LINES = 68, 3  # characters that fit on a card of the dashboard, lines
_CAPTION_WIDTH = 100
_KEPT = "\N{NO-BREAK SPACE}"  # where no line ends
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
    "automargin": True,
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": _FONT, "size": 13, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "margin": {"l": LEFT, "r": RIGHT, "b": BELOW},
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


def wrapped(text: str, width: int, lines: int = 2) -> str:
    """Escaped text in at most so many lines of at most `width` characters; parentheses stay together."""
    kept = re.sub(r"\([^()]*\)", lambda found: found[0].replace(" ", _KEPT), text)
    wrapped = textwrap.wrap(kept, width, max_lines=lines, placeholder="…")
    return "<br>".join(escaped(line.replace(_KEPT, " ")) for line in wrapped)


def colour_bar(label: str) -> dict[str, Any]:
    """The bar that says which colour is which value."""
    return {
        "title": {"text": wrapped(label, 40), "side": "right"},
        "thickness": 14,
        "outlinewidth": 0,
        "len": 1,
        "x": 1.04,
    }


def mark(state: str, *, on_colour: bool = False, crowded: bool = False) -> dict[str, Any]:
    """The mark of a trial in that state, or of the `best`; with an edge where it lies on a coloured field.

    crowded: whether so many lie there that they must be small.
    """
    if state == "infeasible":
        return {"symbol": _SYMBOLS[state], "size": 7, "line": {"width": 1.5, "color": INFEASIBLE}}
    small = crowded and state != "best"
    colours = {"best": BEST, "complete": "white" if on_colour else OTHERS}
    edge = {"width": (0.5 if small else 1) * on_colour, "color": INK if state == "complete" else "white"}
    return {
        "symbol": _SYMBOLS[state],
        "size": 4 if small else {"best": 14, "complete": 6}.get(state, 8),
        "color": colours.get(state, INK if on_colour else MUTED),
        "line": edge,
    }


def dress(figure: go.Figure, title: str, caption: str, *, above: int) -> None:
    """Gives a figure its look and its heading, with `above` pixels between that and the plotting area.

    caption: what is shown, in plain text. A figure without anything in it says so.
    """
    heading = textwrap.wrap(title, _TITLE_WIDTH, max_lines=_TITLE_LINES, placeholder=" …", break_on_hyphens=False)
    small = textwrap.wrap(caption, _CAPTION_WIDTH, break_on_hyphens=False)
    lines = [f"<b>{escaped(line)}</b>" for line in heading]
    lines += [f'<span style="font-size:13px;color:{MUTED}">{escaped(line)}</span>' for line in small]
    figure.update_layout(
        template=TEMPLATE,
        title={"text": "<br>".join(lines)},
        margin={"t": _BASELINE + _LINE * (len(lines) - 1) + above},
        meta={"caption": caption, "above": above},
    )
    if not figure.data:
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        figure.add_annotation(text="Nothing to show yet.", showarrow=False, font={"size": 15, "color": MUTED})


def captioned(figure: go.Figure) -> tuple[go.Figure, str]:
    """A copy without its heading, for where text around it says what it shows, and what to say, as plain text."""
    bare = go.Figure(figure)
    bare.update_layout(title={"text": ""}, margin={"t": max(figure.layout.meta["above"] - 8, 20)})
    return bare, figure.layout.meta["caption"]
