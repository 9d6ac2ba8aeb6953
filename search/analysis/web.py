"""Web pages that need nothing beside them, and whose policy lets nothing but their own scripts run."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from search.analysis import look


def page(template: str, facts: Mapping[str, Any], figures: Mapping[str, go.Figure]) -> str:
    """The page that a template of `templates/` makes of the facts, in which every text is escaped."""
    scripts = [get_plotlyjs(), _text("report.js")] if figures else []
    ours = {
        "style": Markup(_text("report.css")),  # noqa: S704 - files of ours
        "scripts": [Markup(script) for script in scripts],  # noqa: S704 - as above
        "policy": policy(scripts),
        "figures": [_embedded(name, figure) for name, figure in figures.items()],
        "dark": htmlsafe_json_dumps(look.DARK),
    }
    return _environment().get_template(template).render(facts, **ours)


def _embedded(name: str, figure: go.Figure) -> dict[str, Any]:
    """What a template needs of a figure; its JSON is data, which `report.js` reads."""
    bare, caption = look.captioned(figure)
    data = htmlsafe_json_dumps(json.loads(bare.to_json()))
    return {"name": name, "caption": caption, "height": look.HEIGHT, "data": data}


def policy(scripts: list[str]) -> str:
    """What a browser may do with a page: run these scripts, show pictures that they make, and nothing else.

    Plotly compiles the shaders of parallel coordinates with `Function`, hence `unsafe-eval`, and styles its own
    elements.
    """
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts]
    allowed = " ".join([*hashes, "'unsafe-eval'"]) if scripts else "'none'"
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
