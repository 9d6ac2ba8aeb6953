"""Study files: found by name or path, a preset laid over, everything wrong with them told at once."""

from collections.abc import Callable
from pathlib import Path

from search import catalog
from search.errors import Problem, StudyFileError, UnknownName
from search.study import yaml_source
from search.study.definition import StudyDefinition
from search.study.validation import validate
from search.study.yaml_source import Located, dotted

Sections = dict[str, Located]

# An overlay that names another of these replaces the section: the keys below belong to something else.
_NAMED = ("dataset", "model", "pruner")


def load_study(name_or_path: str, *, preset: str | None = None, root: str | None = None) -> StudyDefinition:
    """The study of a file, resolved against the models and data sets there are.

    name_or_path: `clsfer_lr`, a study that ships with the service, or the path of a `.yaml` file.
    preset: the overlay to lay over it; the study is then named `NAME-PRESET`.
    root: the data set's folder, in place of the one in the file.

    Raises UnknownName if there is no such study, file or preset, StudyFileError with all that is wrong in it.
    """
    path = study_file(name_or_path)
    sections, problems = read_study(path, preset)
    if preset is not None:
        sections |= _named_after(sections.get("name"), preset)
    dataset = sections.get("dataset")
    if root is not None and dataset and isinstance(dataset.value, dict):
        sections["dataset"] = Located(dataset.line, dataset.value | {"root": Located(dataset.line, root)})
    tree = Located(1, sections)
    study, findings = validate(tree.plain())
    problems += [Problem(tree.line_of(key), dotted(key), message) for key, message in findings]
    if study is None or problems:
        raise StudyFileError(str(path), problems)
    return study


def preset_names(name_or_path: str) -> list[str]:
    """The presets of a study file, in its order. Raises as `load_study` does, but looks at nothing else."""
    sections, _ = read_file(study_file(name_or_path))
    return list(_presets(sections.get("presets"), []))


def study_file(name_or_path: str) -> Path:
    """The file of a study. Raises UnknownName."""
    path = named_file("study", name_or_path, catalog.study_path, such_as="clsfer_lr")
    if path.name.endswith(catalog.CAMPAIGN_SUFFIX):
        raise UnknownName(f"{path} is no study but a campaign: `search campaign launch {path}` runs it.")
    return path


def named_file(kind: str, name_or_path: str, shipped: Callable[[str], Path], *, such_as: str) -> Path:
    """The YAML file of that path, or what `shipped` finds by name. Raises UnknownName."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        return shipped(name_or_path)
    if not path.exists():
        raise UnknownName(f"there is no {kind} file {path}; give the path of one, or a name such as {such_as}.")
    return path


def read_study(path: Path, preset: str | None) -> tuple[Sections, list[Problem]]:
    """The sections of a study file with a preset laid over them, and what is wrong with single keys.

    Raises UnknownName where there is no such preset, StudyFileError where there is no mapping to speak of.
    """
    sections, problems = read_file(path)
    presets = _presets(sections.pop("presets", None), problems)
    if preset is None:
        return sections, problems
    if preset not in presets:
        raise UnknownName(f"{path} has no preset {preset!r}; there are: {', '.join(presets) or 'none'}.")
    return overlaid(sections, presets[preset]), problems


def overlaid(base: Sections, overlay: Sections) -> Sections:
    """A study's sections with those of `overlay` merged into them, key by key."""
    return base | {key: _merged(key, base.get(key), above) for key, above in overlay.items()}


def read_file(path: Path) -> tuple[Sections, list[Problem]]:
    """The mapping of a YAML file, and what is wrong with single keys. Raises StudyFileError."""
    return yaml_source.read(read_text(path), str(path))


def read_text(path: Path) -> str:
    """What a YAML file holds. Raises StudyFileError where it can't be read or is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StudyFileError(str(path), [Problem(1, "file", f"can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise StudyFileError(str(path), [Problem(line, "file", "is not UTF-8 text")]) from error


def _presets(entry: Located | None, problems: list[Problem]) -> dict[str, Sections]:
    """The overlays by name; notes those that are none."""
    if entry is None:
        return {}
    if not isinstance(entry.value, dict):
        problems.append(Problem(entry.line, "presets", "should be a mapping of names to the keys each changes"))
        return {}
    presets = {}
    for name, overlay in entry.value.items():
        sections = overlay.value if isinstance(overlay.value, dict) else {}
        presets[name] = sections
        if not sections:
            problems.append(Problem(overlay.line, f"presets.{name}", "should be a mapping of the keys it changes"))
        problems += [
            Problem(sections[key].line, f"presets.{name}.{key}", "is not for a preset to change")
            for key in ("name", "presets")
            if key in sections
        ]
    return presets


def _named_after(name: Located | None, preset: str) -> Sections:
    if not (name and isinstance(name.value, str)):
        return {}
    stem, at, version = name.value.partition("@")
    return {"name": Located(name.line, f"{stem}-{preset}{at}{version}")}


def _merged(key: str, below: Located | None, above: Located) -> Located:
    """Sections merge key by key, and nothing below their keys does: a search parameter is replaced whole."""
    if not (below and isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    names = [section.get("name") for section in (below.value, above.value)]
    if key in _NAMED and names[1] and not (names[0] and names[0].value == names[1].value):
        return above
    return Located(above.line, below.value | above.value)
