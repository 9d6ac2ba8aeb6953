"""Mapping files: found by name or path, everything wrong with them told at once, with lines."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from search import catalog
from search.errors import Problem, StudyFileError
from search.history.mapping import ChoicesColumn, Mapping, RangeColumn
from search.study import messages
from search.study.files import named_file, read_text
from search.study.messages import Finding
from search.study.yaml_source import KeyPath, Located, dotted, read

_FORMS: dict[str, type[BaseModel]] = {"choices": ChoicesColumn, "range": RangeColumn}


def load_mapping(name_or_path: str) -> Mapping:
    """The mapping of a file.

    name_or_path: one that ships with the service, or the path of a `.yaml` file.

    Raises UnknownName where there is no such file, StudyFileError with all that is wrong in it.
    """
    path = named_file("mapping", name_or_path, catalog.mapping_path, such_as="001_lr_model_accuracy")
    sections, problems = read(read_text(path), str(path))
    tree = Located(1, sections)
    mapping, findings = _validated(tree.plain())
    problems += [Problem(tree.line_of(key), dotted(key), message) for key, message in findings]
    if mapping is None or problems:
        raise StudyFileError(str(path), problems)
    return mapping


def _validated(plain: Any) -> tuple[Mapping | None, list[Finding]]:
    try:
        mapping = Mapping.model_validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        return None, list(_explained(error))
    return mapping, list(_used_twice(mapping))


def _explained(error: ValidationError) -> Iterator[Finding]:
    for each in error.errors(include_url=False):
        path: KeyPath = each["loc"]
        model: type[BaseModel] = Mapping
        if path[:1] == ("parameters",) and len(path) > 2:
            model = _FORMS[str(path[2])]
            path = (*path[:2], *path[3:])  # pydantic puts the form before the key
        elif len(path) > 1:
            model = _section(str(path[0]))
        key = str(path[-1]) if path else ""
        if each["type"] == "extra_forbidden":
            yield path, messages.unknown(key, model.model_fields)
        elif each["type"] == "missing" and key in model.model_fields:
            yield path, messages.missing(model.model_fields[key])
        elif each["type"] in ("union_tag_not_found", "union_tag_invalid"):
            yield path, "give choices, or low and high"
        else:
            yield path, messages.message(each)


def _section(key: str) -> type[BaseModel]:
    """The model of the section's values, be it one or one for each name."""
    annotation: Any = Mapping.model_fields[key].annotation
    members: Iterable[Any] = (annotation, *getattr(annotation, "__args__", ()))
    return next((each for each in members if isinstance(each, type) and issubclass(each, BaseModel)), Mapping)


def _used_twice(mapping: Mapping) -> Iterator[Finding]:
    """One column can't be two parameters, nor a parameter what was measured."""
    used: dict[str, str] = {mapping.objective.column: "objective"}
    columns = [(f"parameters.{name}", each.column or name) for name, each in mapping.parameters.items()]
    columns += [(f"metrics.{name}", each.column) for name, each in mapping.metrics.items()]
    for use, column in columns:
        if column in used:
            yield tuple(use.split(".", 1)), f"column {column!r} is the one of {used[column]}, too"
        used[column] = use
