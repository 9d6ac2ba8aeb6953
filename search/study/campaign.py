"""A campaign: a chain of studies, in which what one finds out is fixed in those that follow.

A diary of tuning, written down before it is kept. The shapes of the file are here, and a campaign once it is read;
`search.study.campaign_file` reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from search.errors import Problem, StudyFileError
from search.study.definition import StudyDefinition
from search.study.messages import Finding
from search.study.space import refuse_nesting
from search.study.validation import validate
from search.study.yaml_source import Scalar, dotted
from search.training.recipe import Knobs

# Fresh runs take the study's seed counted on, at most 1,000 of them. The winner of one step would otherwise meet
# the next one's candidates with the very runs that it won by.
_SEEDS = 1001

Values = dict[str, Annotated[Scalar, BeforeValidator(refuse_nesting)]]


def _sections(overrides: dict[str, Any]) -> dict[str, Any]:
    for key in ("name", "presets"):
        if key in overrides:
            raise ValueError(f"{key} is not for a campaign to change")
    return overrides


class Layer(BaseModel):
    """What may be said of every step at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str | None = Field(None, description="Which preset of the studies is laid over them; null is none.")
    overrides: Annotated[dict[str, Any], AfterValidator(_sections)] = Field(
        {}, description="Sections of a study that are laid over it, as those of a preset are."
    )


class StepSection(Layer):
    """One step of a campaign."""

    study: str = Field(description="A name from `studies/`, or a path beside the campaign's file.")
    carry: tuple[str, ...] = Field(description="Which parameters of its space are fixed in the following steps.")


class PresetSection(Layer):
    """A preset of a campaign."""

    values: Values = Field({}, description="Values to start with, in place of the file's.")
    steps: dict[str, Layer] = Field({}, description="What is changed in single steps, by their names.")


class CampaignSections(Layer):
    """The file."""

    name: str = Field(description="Its name; those of its studies in the store begin with it.")
    question: str = Field(min_length=1, description="What the campaign is to find out, in words.")
    values: Values = Field(
        {}, description="Knobs and arguments of the model that every step has until one has found a better value."
    )
    steps: dict[str, StepSection] = Field(min_length=1, description="The studies by step, in their order.")
    presets: dict[str, PresetSection] = Field({}, description="Overlays by name, such as quick.")


@dataclass(frozen=True)
class Step:
    """One study of a campaign.

    number: from 1. name: of the step in the file.
    study: the name that it has in the store, such as `clsfer-quick-2-eps`.
    source: what the file says of where it comes from: a shipped name, or a path.
    carry: names of the parameters that are fixed in what follows.
    sections: of the study, as plain data, before any value is carried into it.
    file, line: where the campaign speaks of it.
    """

    number: int
    name: str
    study: str
    source: str
    carry: tuple[str, ...]
    sections: dict[str, Any]
    file: str
    line: int

    def definition(self, values: Mapping[str, Scalar]) -> StudyDefinition:
        """The study with `values` fixed in it, apart from those that it searches.

        Raises StudyFileError where a value does not suit it.
        """
        study, findings = self.validated(values)
        if study is None:
            key = f"steps.{self.name}"
            problems = [Problem(self.line, key, f"{dotted(path)}: {message}") for path, message in findings]
            raise StudyFileError(self.file, problems)
        return study

    def validated(self, values: Mapping[str, Scalar]) -> tuple[StudyDefinition | None, list[Finding]]:
        """As `definition`: the study, or None and all that is wrong with it."""
        data = self.sections | {"name": self.study}
        if isinstance(seed := data.get("seed", 0), int):
            data["seed"] = (seed + _SEEDS * (self.number - 1)) % 2**32
        for name, value in self.fixed(values).items():
            section = section_of(name)
            if isinstance(data.get(section, {}), dict):
                data[section] = data.get(section, {}) | {name: value}
        return validate(data)

    def fixed(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Those of `values` that the study does not search."""
        space = self.sections.get("space")
        searched = space if isinstance(space, dict) else {}
        return {name: value for name, value in values.items() if name not in searched}


@dataclass(frozen=True)
class Campaign:
    """A campaign as it is run: a preset is in it.

    name: as its report has it: `clsfer-quick` for the preset quick.
    values: what is fixed from the start.
    file: what it was read from. source: the same as it was asked for. preset: what was laid over it.
    is_renamed: whether it goes by another name than the file's.
    """

    name: str
    question: str
    values: dict[str, Scalar]
    steps: tuple[Step, ...]
    file: str
    source: str
    preset: str | None
    is_renamed: bool = False


def section_of(name: str) -> str:
    """The section of a study in which a value of that name is fixed."""
    return "training" if name in Knobs.model_fields else "model"


def study_name(campaign: str, number: int, step: str) -> str:
    """The name of a step's study: `clsfer@2` and `eps` give `clsfer-2-eps@2`."""
    stem, at, version = campaign.partition("@")
    return f"{stem}-{number}-{step}{at}{version}"


def renamed(campaign: Campaign, name: str) -> Campaign:
    """The same campaign under another name, and so with studies of its own."""
    steps = (replace(step, study=study_name(name, step.number, step.name)) for step in campaign.steps)
    return replace(campaign, name=name, steps=tuple(steps), is_renamed=True)
