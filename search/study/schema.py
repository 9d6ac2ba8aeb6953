"""The editors' schema and the reference page of study files: `python -m search.study.schema` writes both."""

import copy
import json
from pathlib import Path
from typing import Any

from search import plugin_folder
from search.study.definition import StudyDefinition

SCHEMA_FILE = plugin_folder("studies") / "study.schema.json"
REFERENCE_FILE = Path(__file__).parents[2] / "docs" / "study-files.md"

Schema = dict[str, Any]

_TITLES = {
    "DatasetSection": "dataset",
    "ModelSection": "model",
    "Knobs": "training",
    "Choices": "space.NAME, as choices",
    "Range": "space.NAME, as a range",
    "Grid": "space.NAME, as a grid",
    "Hyperband": "pruner, hyperband",
    "Median": "pruner, median",
    "NoPruner": "pruner, none",
    "Budget": "budget",
    "Confirm": "confirm",
}

_KINDS: dict[str, str] = {"object": "mapping", "array": "list", "string": "text"}

_PAGE = """# Study files

<!-- Written by `python -m search.study.schema`; a test compares. -->

A study is one YAML file: `studies/NAME.yaml`, or a file anywhere, given by its path. `search check STUDY`
says all that is wrong with one, each problem with its line, its key, and what is allowed; `search launch
STUDY` runs it.

```yaml
# yaml-language-server: $schema=study.schema.json
name: my_study
question: Does a deeper encoder help once each depth has its own learning rate?
dataset: {name: synthetic_faces, image_size: 48}
model: {name: clsfer, width: 16, depths: [1, 1, 1, 1]}
objective: accuracy
training: {epochs: 10, batch_size: 64}
space:
  depth: {role: scientific, choices: [1, 2, 4]}
  lr: {role: nuisance, low: 1e-4, high: 1e-2, log: true}
sampler: tpe
pruner: {name: median, warmup_epochs: 3}
budget: {trials: 24}
presets:
  quick:
    training: {epochs: 5}
    budget: {trials: 4}
```

**The space** names training knobs (below) and arguments of the model (the keyword arguments of `build` in
`models/NAME.py`; an unknown one is answered with the list). A parameter is `scientific`, what the study asks
about, or `nuisance`, tuned so that the comparison is fair; all else is fixed under `training` and `model`. It
takes one of three forms: `choices`; `low` and `high`; or `grid`, evenly spaced points. The grid sampler needs
choices, grids, or ranges of whole numbers, and a budget of at least as many trials as there are cells; it
visits them in an order shuffled by the seed. The other samplers draw from choices and ranges.

**Presets** are overlays, chosen with `--preset`. Sections merge key by key, lists and single values are
replaced, and so is each parameter of the space as a whole. A `dataset`, `model` or `pruner` of another `name`
replaces the whole section, so that nothing of the old one is left in it. What comes out is validated like any
study, and its name ends in the preset's: `my_study-quick`.

**Identity.** The resolved definition, every default filled in, is hashed; a name stands for one hash for
good. To change a study that was launched, launch it as `--name my_study@2`. Only `dataset.root`, `confirm`, the
order of keys and comments may change freely: launched again with more seeds, a study runs those that are missing.

**YAML.** Numbers are those of YAML 1.2: `1e-3` is a number. Only `true` and `false` are booleans. A key given
twice is an error. Anchors, aliases and `<<` work.
"""


def schema() -> Schema:
    """The JSON Schema (draft 2020-12) of study files, presets included."""
    whole = StudyDefinition.model_json_schema()
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    whole["title"] = "Study"
    definitions, sections = whole["$defs"], whole["properties"]
    overlays = {key: _overlay(section, definitions) for key, section in sections.items() if key != "name"}
    sections["presets"] = {
        "type": "object",
        "description": "Overlays by name, such as quick: the keys that each changes.",
        "additionalProperties": {"type": "object", "additionalProperties": False, "properties": overlays},
    }
    return whole


def _overlay(section: Schema, definitions: Schema) -> Schema:
    """What a preset may say of a section: any of its keys, none required. Parameters are replaced whole."""
    references = [section, *section.get("oneOf", [])]
    inline = [copy.deepcopy(definitions[each["$ref"].split("/")[-1]]) for each in references if "$ref" in each]
    for each in inline:
        each.pop("required", None)
    return {"anyOf": inline} if inline else section


def schema_text() -> str:
    """The file `studies/study.schema.json`."""
    return json.dumps(schema(), indent=2) + "\n"


def reference() -> str:
    """The page `docs/study-files.md`."""
    whole = schema()
    tables = [_table("Keys of a study", whole)]
    tables += [_table(f"`{title}`", whole["$defs"][name]) for name, title in _TITLES.items()]
    return "\n".join([_PAGE, *tables])


def _table(title: str, section: Schema) -> str:
    required = section.get("required", [])
    rows = [
        f"| `{key}` | {_allowed(each)} | {_default(key, each, required)} | {each.get('description', '')} |"
        for key, each in section["properties"].items()
    ]
    introduction = [] if section["title"] == "Study" else [section["description"], ""]
    return "\n".join(
        [f"## {title}", "", *introduction, "| key | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    )


def _default(key: str, each: Schema, required: list[str]) -> str:
    if key in required:
        return "required"
    default = each.get("default", {})
    return "optional" if isinstance(default, dict) else f"`{json.dumps(default)}`"


def _allowed(each: Schema) -> str:
    """The values a key takes, in words."""
    if "const" in each or "enum" in each:
        return ", ".join(f"`{value}`" for value in each.get("enum", [each.get("const")]))
    if "anyOf" in each:
        return " or ".join(_allowed(member) for member in each["anyOf"])
    if "type" not in each:
        return "mapping"
    kind = str(_KINDS.get(each["type"], each["type"]))
    words = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}
    return ", ".join([kind, *(f"{word} {each[bound]:.10g}" for bound, word in words.items() if bound in each)])


def write() -> None:
    """Writes both files."""
    SCHEMA_FILE.write_text(schema_text())
    REFERENCE_FILE.write_text(reference())


if __name__ == "__main__":
    write()
