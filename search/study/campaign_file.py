"""Campaign files: found by name or path, a preset laid over, and validated whole with the studies they name."""

from pathlib import Path

from search import catalog
from search.errors import CampaignFileError, Problem, StudyFileError, UnknownName
from search.study import campaign, messages
from search.study.campaign import Campaign, Layer, PresetSection, Step, StepSection
from search.study.campaign_check import Given, check, value_at
from search.study.campaign_sections import sound_sections
from search.study.definition import StudyDefinition
from search.study.files import Sections, load_study, named_file, overlaid, read_file, read_study, study_file
from search.study.yaml_source import KeyPath, Located, dotted


def load_campaign(name_or_path: str, *, preset: str | None = None, root: str | None = None) -> Campaign:
    """The campaign of a file, validated with all of its studies.

    name_or_path: `clsfer`, a campaign that ships with the service, or the path of a `.campaign.yaml` file.
    preset: the overlay to lay over it; the campaign is then named `NAME-PRESET`.
    root: the folder of every step's data set, in place of those in the files.

    Raises UnknownName if there is no such campaign, file or preset, CampaignFileError with all that is wrong.
    """
    path = campaign_file(name_or_path)
    try:
        sections, problems = read_file(path)
    except StudyFileError as error:
        raise CampaignFileError([error]) from error
    reading = _Reading(path, sections, problems, preset, root)
    files = [
        *([StudyFileError(str(path), reading.problems)] if reading.problems else []),
        *reading.studies.values(),
    ]
    if files:
        raise CampaignFileError(files)
    return Campaign(
        name=reading.name,
        question=reading.parts["question"],
        values={name: each.value for name, each in reading.start.items()},
        steps=tuple(reading.steps),
        file=str(path),
        source=name_or_path,
        preset=preset,
    )


def campaign_file(name_or_path: str) -> Path:
    """The file of a campaign. Raises UnknownName."""
    return named_file("campaign", name_or_path, catalog.campaign_path, such_as="clsfer")


class _Reading:
    """One pass over a campaign's file.

    parts: the sections found sound. start: what is fixed from the start. steps: those found sound.
    problems: with the file itself; studies: with the studies that it names, by their path.
    """

    def __init__(
        self, path: Path, sections: Sections, problems: list[Problem], preset: str | None, root: str | None
    ) -> None:
        self.path, self.tree, self.problems, self.root = path, Located(1, sections), problems, root
        self.studies: dict[str, StudyFileError] = {}
        self.steps: list[Step] = []
        self.parts, found = sound_sections(self.tree)
        self.problems += found
        self.preset = self._preset(preset)
        self.name = _with_preset(self.parts.get("name", "campaign"), preset)
        self.start = self._start()
        given = self.start
        for number, (name, section) in enumerate(self.parts["steps"].items(), start=1):
            given = given | self._step(number, name, section, given)

    def note(self, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self.tree.line_of(path), dotted(path), message))

    def _preset(self, name: str | None) -> tuple[KeyPath, PresetSection] | None:
        if name is None:
            return None
        there = self.tree.plain().get("presets")
        if not isinstance(there, dict) or name not in there:
            names = ", ".join(there) if isinstance(there, dict) else ""
            raise UnknownName(f"{self.path} has no preset {name!r}; there are: {names or 'none'}.")
        preset, steps = self.parts["presets"].get(name, PresetSection()), self.tree.plain().get("steps")
        for step in preset.steps:
            if isinstance(steps, dict) and step not in steps:
                self.note(("presets", name, "steps", step), messages.unknown(step, steps, "step"))
        return ("presets", name), preset

    def _start(self) -> dict[str, Given]:
        start = {name: Given(value, ("values", name)) for name, value in self.parts.get("values", {}).items()}
        if self.preset:
            path, preset = self.preset
            start |= {name: Given(value, (*path, "values", name)) for name, value in preset.values.items()}
        return start

    def _layers(self, name: str, section: StepSection) -> list[tuple[KeyPath, Layer]]:
        """What lies over a step's study, and where it stands, the lowest first."""
        whole = Layer(**{key: self.parts[key] for key in Layer.model_fields if key in self.parts})
        layers: list[tuple[KeyPath, Layer]] = [((), whole), (("steps", name), section)]
        if self.preset:
            path, preset = self.preset
            layers += [(path, preset), ((*path, "steps", name), preset.steps.get(name, Layer()))]
        return layers

    def _step(self, number: int, name: str, section: StepSection, given: dict[str, Given]) -> dict[str, Given]:
        """Checks one step; what it hands on."""
        path: KeyPath = ("steps", name)
        layers = self._layers(name, section)
        base = self._study(name, section, layers)
        if base is None:
            return {}
        for at, _ in layers:
            over = value_at(self.tree, (*at, "overrides"))
            base = overlaid(base, over.value if over and isinstance(over.value, dict) else {})
        sections = Located(1, base).plain()
        if self.root is not None and isinstance(sections.get("dataset"), dict):
            sections["dataset"]["root"] = self.root
        step = Step(
            number=number,
            name=name,
            study=campaign.study_name(self.name, number, name),
            source=section.study,
            carry=section.carry,
            sections=sections,
            file=str(self.path),
            line=self.tree.line_of(path),
        )
        study, problems = check(step, self.tree, [(*at, "overrides") for at, _ in layers], given)
        self.problems += problems
        self.steps.append(step)
        return self._handed_on(path, section, study) if study else {}

    def _study(self, name: str, section: StepSection, layers: list[tuple[KeyPath, Layer]]) -> Sections | None:
        """The sections of a step's study with its preset; None, and a problem noted, where it is not sound."""
        says = [(at, layer.preset) for at, layer in layers if "preset" in layer.model_fields_set]
        at, preset = says[-1] if says else ((), None)
        is_path = section.study.endswith((".yaml", ".yml"))
        source = str(self.path.parent / section.study) if is_path else section.study
        try:
            file = study_file(source)
        except UnknownName as error:
            self.note(("steps", name, "study"), str(error).rstrip("."))
            return None
        try:
            load_study(str(file), preset=preset)
        except UnknownName as error:
            self.note((*at, "preset"), f"step {name}: {str(error).rstrip('.')}")
            return None
        except StudyFileError as error:
            self.studies[f"{file} {preset}"] = error
            return None
        return read_study(file, preset)[0]

    def _handed_on(self, path: KeyPath, section: StepSection, study: StudyDefinition) -> dict[str, Given]:
        handed_on = {}
        for i, name in enumerate(section.carry):
            at = (*path, "carry", i)
            if name not in study.space:
                self.note(at, messages.unknown(name, study.space, "parameter of the step's space"))
                continue
            handed_on[name] = Given(study.space[name].ends()[0][1], at)
        return handed_on


def _with_preset(name: str, preset: str | None) -> str:
    if preset is None:
        return name
    stem, at, version = name.partition("@")
    return f"{stem}-{preset}{at}{version}"
