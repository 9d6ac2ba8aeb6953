"""Pages in Markdown, in which every text is shown letter by letter unless it is Markdown of our own."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from search.analysis.evidence import Table
from search.analysis.note import literal


def page(template: str, facts: Mapping[str, Any]) -> str:
    """The page that a template of `templates/` makes of the facts."""
    return _environment().get_template(template).render(facts)


def table(it: Table) -> Markup:
    """A table and its notes."""
    rule = ["---:" if numeric else "---" for numeric in it.numeric]
    lines = [map(literal, it.columns), rule, *(map(literal, row) for row in it.rows)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return Markup("\n\n".join([rows, *map(literal, it.notes)]))  # noqa: S704 - escaped above


def fenced(code: str, language: str = "") -> Markup:
    """A block of code, which ends where the code does."""
    longest = max(map(len, re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}{language}\n{code.rstrip()}\n{fence}")  # noqa: S704 - nothing ends it early


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - `finalize` escapes
        loader=PackageLoader("search.analysis"),
        finalize=lambda value: value if isinstance(value, Markup) else literal(str(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fenced"] = fenced
    environment.globals["table"] = table
    return environment
