"""The sections of a campaign's file, each validated by itself, so that no slip hides another."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search.errors import Problem
from search.study import messages
from search.study.campaign import CampaignSections, Layer, PresetSection, StepSection
from search.study.messages import Finding
from search.study.yaml_source import KeyPath, Located, dotted

_ENTRIES: dict[str, type[Layer]] = {"steps": StepSection, "presets": PresetSection}


def sound_sections(tree: Located) -> tuple[dict[str, Any], list[Problem]]:
    """The sections found sound, of the steps and presets those that are; and what is wrong with the others."""
    parts: dict[str, Any] = {"steps": {}, "presets": {}}
    findings: list[Finding] = []
    data, fields = tree.plain(), CampaignSections.model_fields
    findings += [((key,), messages.unknown(key, fields)) for key in data if key not in fields]
    for key, field in fields.items():
        if key not in data:
            findings += [((key,), messages.missing(field))] if field.is_required() else []
        elif key in _ENTRIES and isinstance(data[key], dict) and data[key]:
            found = {name: _sound((key, name), value, _ENTRIES[key]) for name, value in data[key].items()}
            parts[key] = {name: section for name, (section, _) in found.items() if section is not None}
            findings += [finding for _, more in found.values() for finding in more]
        else:
            section, more = _sound((key,), data[key], field.rebuild_annotation())
            findings += more
            parts |= {} if section is None else {key: section}
    return parts, [Problem(tree.line_of(path), dotted(path), message) for path, message in findings]


def _sound(path: KeyPath, value: Any, annotation: Any) -> tuple[Any, list[Finding]]:
    """The value, validated as JSON is, or None and all that is wrong with it."""
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True), []
    except ValidationError as error:
        return None, list(_explained(error, path))


def _explained(error: ValidationError, path: KeyPath) -> Iterator[Finding]:
    for each in error.errors(include_url=False):
        at = (*path, *each["loc"])
        yield at, messages.about(each, str(at[-1]), _section_at(at[:-1]).model_fields)


def _section_at(path: KeyPath) -> type[Layer]:
    match path:
        case ("steps", _):
            return StepSection
        case ("presets", _):
            return PresetSection
        case ("presets", _, "steps", _):
            return Layer
        case _:
            return CampaignSections
