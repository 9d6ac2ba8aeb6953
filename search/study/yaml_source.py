"""YAML text as plain values that remember their lines.

Numbers and booleans follow YAML 1.2: `1e-3` is a number, `no` and `on` are text. Infinities, dates, octals and
tags of any kind are not part of a study file.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from search.errors import Problem, StudyFileError

KeyPath = tuple[str | int, ...]
Scalar = int | float | str | bool | None

# More values than any study has; a few lines of nested aliases can stand for billions.
_MOST_VALUES = 10_000
_DEEPEST = 20

_TAG = "tag:yaml.org,2002:"
_SCALARS: dict[str, Callable[[str], Scalar]] = {
    f"{_TAG}null": lambda text: None,
    f"{_TAG}bool": lambda text: text.lower() == "true",
    f"{_TAG}int": int,
    f"{_TAG}float": float,
    f"{_TAG}str": str,
}


@dataclass(frozen=True)
class Located:
    """A value and the line it stands on, counted from 1; a value of a mapping stands on the line of its key."""

    line: int
    value: "Scalar | list[Located] | dict[str, Located]"

    def plain(self) -> Any:
        """The value as JSON has it: without the lines."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value

    def line_of(self, path: KeyPath) -> int:
        """The line of the value at `path`, or of the deepest value on the way that is there."""
        if path and isinstance(self.value, dict) and path[0] in self.value:
            return self.value[str(path[0])].line_of(path[1:])
        if path and isinstance(self.value, list) and isinstance(path[0], int) and path[0] < len(self.value):
            return self.value[path[0]].line_of(path[1:])
        return self.line


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _kind, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^{_pattern}$"), _first)


def dotted(path: KeyPath) -> str:
    """A key path as messages write it; the file itself is `file`."""
    return ".".join(map(str, path)) or "file"


def read(text: str, file: str) -> tuple[dict[str, Located], list[Problem]]:
    """The mapping that `text` holds, and what is wrong with single keys in it.

    Raises StudyFileError, naming `file`, where there is no mapping to speak of.
    """
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_yaml(file, mark.line + 1 if mark else 1, error.problem or "unreadable") from error
    except yaml.reader.ReaderError as error:
        raise _not_yaml(file, text.count("\n", 0, error.position) + 1, "a control character") from error
    except RecursionError as error:
        raise _not_yaml(file, 1, "it is nested too deeply") from error
    if not isinstance(node, yaml.MappingNode):
        found = "empty" if node is None else f"a {'list' if isinstance(node, yaml.SequenceNode) else 'text'}"
        advice = "it should be a mapping such as 'question: ...'"
        raise StudyFileError(file, [Problem(1, "file", f"is {found}; {advice}")])
    reader = _Reader()
    content = reader.read(node, 1, ()).value
    return content if isinstance(content, dict) else {}, reader.problems


def _not_yaml(file: str, line: int, reason: str) -> StudyFileError:
    return StudyFileError(file, [Problem(line, "file", f"is not YAML: {reason}")])


class _Reader:
    """Turns one document's nodes into located values, noting what it can't take."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []
        self._count = 0

    def read(self, node: yaml.Node, line: int, path: KeyPath) -> Located:
        self._count += 1
        if node in self._open:
            return self._refuse(line, path, "an alias to the value it stands in")
        if len(self._open) > _DEEPEST:
            return self._refuse(line, path, "nested too deeply")
        if self._count > _MOST_VALUES:
            if self._count == _MOST_VALUES + 1:
                self._refuse(line, path, f"the file holds more than {_MOST_VALUES} values")
            return Located(line, None)
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return Located(line, self._mapping(node, path))
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                entries = enumerate(node.value)
                return Located(
                    line, [self.read(entry, entry.start_mark.line + 1, (*path, i)) for i, entry in entries]
                )
            return self._scalar(node, line, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Located]:
        own: dict[str, Located] = {}
        merged: dict[str, Located] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{_TAG}merge":
                merged = self._merged(value_node, line, path) | merged
            elif not isinstance(key_node, yaml.ScalarNode):
                self._refuse(line, path, "a key must be a word, not a list or a mapping")
            else:
                key = key_node.value
                value = self.read(value_node, line, (*path, key))
                if key in own:
                    self._refuse(line, (*path, key), f"given twice; the first is on line {own[key].line}")
                own[key] = value
        return merged | own

    def _merged(self, node: yaml.Node, line: int, path: KeyPath) -> dict[str, Located]:
        merged: dict[str, Located] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self.read(source, line, path).value
            if isinstance(value, dict):
                merged = value | merged
            else:
                self._refuse(line, path, "'<<' merges mappings only")
        return merged

    def _scalar(self, node: yaml.Node, line: int, path: KeyPath) -> Located:
        if node.tag not in _SCALARS or not isinstance(node, yaml.ScalarNode):
            return self._refuse(line, path, f"the tag {node.tag!r} has no place in a study file")
        try:
            value = _SCALARS[node.tag](node.value)
        except ValueError:
            return self._refuse(line, path, f"{node.value[:40]!r} is not a number")
        if isinstance(value, float) and not math.isfinite(value):
            return self._refuse(line, path, f"{node.value[:40]!r} is not a finite number")
        return Located(line, value)

    def _refuse(self, line: int, path: KeyPath, message: str) -> Located:
        self.problems.append(Problem(line, dotted(path), message))
        return Located(line, None)
