"""What is wrong with a value, and what is allowed instead: pydantic's errors in our words."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from search.study.definition import PRUNERS
from search.study.space import GRID_EXAMPLE
from search.study.yaml_source import KeyPath

Finding = tuple[KeyPath, str]


def explained(error: ValidationError, path: KeyPath, known: dict[str, FieldInfo]) -> Iterator[Finding]:
    """The findings within the section at `path`, whose fields are `known`."""
    # These two are unions, and pydantic puts the tag of the member before the key.
    tagged = path[:1] in (("space",), ("pruner",))
    for each in error.errors(include_url=False):
        inside = each["loc"][1:] if tagged else each["loc"]
        yield (*path, *inside), about(each, str(inside[-1]) if inside else "", known)


def about(error: ErrorDetails, key: str, known: dict[str, FieldInfo]) -> str:
    """One sentence without its full stop about `key` of a section whose fields are `known`."""
    if error["type"] == "extra_forbidden":
        return unknown(key, known)
    if error["type"] == "missing":
        return missing(known[key]) if key in known else "missing"
    return message(error)


def message(error: ErrorDetails) -> str:
    """One sentence without its full stop: the value as written, and what it should be."""
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "union_tag_not_found" if "name" in error["msg"]:
            return f"give its name: {', '.join(PRUNERS)}"
        case "union_tag_not_found":
            return f"give choices, or low and high, or grid: '{GRID_EXAMPLE}'"
        case "union_tag_invalid":
            return f"no pruner is named {_shown(_name(error['input']))}; there are: {', '.join(PRUNERS)}"
        case "string_pattern_mismatch":
            return f"{_shown(error['input'])} is no name: use up to 64 letters, digits, _ and -, then perhaps @2"
        case "too_short":
            return "needs at least one entry"
        case _:
            text = re.sub(r"^\w+ should", f"{_shown(error['input'])} should", error["msg"])
            return text.replace("a valid array", "a list").replace("an object", "a mapping of keys to values")


def unknown(key: str, allowed: Iterable[str], kind: str = "key") -> str:
    """That `key` is none of those allowed, which it lists, and the one that was perhaps meant."""
    allowed = list(allowed)
    close = difflib.get_close_matches(key, allowed, n=1)
    suggestion = f"; did you mean {close[0]!r}?" if close else ";"
    return f"unknown {kind} {key!r}{suggestion} allowed: {', '.join(allowed)}"


def missing(field: FieldInfo) -> str:
    """That a key is missing, and what it would say."""
    description = field.description or "it is required"
    return f"missing; {description[0].lower()}{description[1:].rstrip('.')}"


def _name(section: Any) -> Any:
    return section.get("name") if isinstance(section, dict) else section


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
