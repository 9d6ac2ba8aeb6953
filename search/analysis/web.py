"""Web pages that need nothing beside them, and whose policy lets nothing but their own scripts run."""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from search.analysis import look, pages


def page(template: str, facts: Mapping[str, Any], figures: Mapping[str, go.Figure]) -> str:
    """The page that a template of `templates/` makes of the facts, in which every text is escaped."""
    scripts = f"{pages.scripts()}\n<script>{_text('print.js')}</script>" if figures else ""
    ours = {
        "style": Markup(_text("report.css")),  # noqa: S704 - a file of ours
        "scripts": Markup(scripts),  # noqa: S704 - plotly's and ours
        "policy": policy(scripts),
        "figures": [
            figure | {"division": Markup(figure["division"])}  # noqa: S704 - escaped by `pages`
            for figure in named(figures)
        ],
    }
    return _environment().get_template(template).render(facts, **ours)


def named(figures: Mapping[str, go.Figure]) -> list[dict[str, str]]:
    """What a page needs of each figure: its name, title and caption, and its division without a heading."""
    found = []
    for name, figure in figures.items():
        bare, caption = look.captioned(figure)
        title = name.replace("-", " ").capitalize()
        found.append({"name": name, "title": title, "caption": caption, "division": pages.division(bare)})
    return found


def policy(scripts: str) -> str:
    """What a browser may do with a page: run these script elements, show pictures that they make, nothing else.

    Plotly compiles the shaders of parallel coordinates with `Function`, hence `unsafe-eval`, and styles its own
    elements.
    """
    digests = [
        hashlib.sha256(text.encode()).digest() for text in re.findall("<script>(.*?)</script>", scripts, re.S)
    ]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    allowed = " ".join([*hashes, "'unsafe-eval'"]) if hashes else "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _text(name: str) -> str:
    return (files("search.analysis") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("search.analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
