"""A study, resolved: frozen, comparable, the same on every machine.

Only the shapes are here. `search.study.validation` checks what sections ask of each other and of the plug-ins, so
that a definition read back from the store needs no plug-in.
"""

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, JsonValue

from search.errors import UnknownName
from search.study import design
from search.study.space import Parameter
from search.study.yaml_source import Scalar
from search.tasks import METRIC_DIRECTIONS, METRIC_NAMES, OBJECTIVES, Direction
from search.training.recipe import Knobs, Recipe

NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}(@[1-9][0-9]{0,3})?$"

# What a study file may name; `imported` is for results that others came by.
SAMPLERS = ("grid", "sobol", "random", "tpe", "gp")

_FROZEN = ConfigDict(extra="forbid", frozen=True)


class Companion(BaseModel):
    """Another data set beside the study's own; every further key is an argument of its `load`.

    What it has is prepared as the study's own data are. Its classes count as those of the study's data set by
    name; items of other classes are left out, and counted.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="Which data set: the file `datasets/NAME.py`.")
    root: str | None = Field(None, description="Its folder, as for the study's own. Not part of the hash.")
    label: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="Its name among the metrics and outputs; by default that of the data set.",
    )
    use: Literal["train", "test", "both"] = Field(
        "both",
        description="train: it is trained on, too; test: confirmed models are shown its test split (all of it, "
        "where it has no parts), which is reported and decides nothing.",
    )

    @property
    def called(self) -> str:
        """Its name among the metrics and outputs."""
        return self.label or self.name

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the data set's `load`."""
        return dict(self.model_extra or {})


class Features(BaseModel):
    """A frozen network that turns every image into a vector, once.

    The study's model is then given sequences of vectors: those of one group, such as the frames of a video, in
    order. Every further key is an argument of the frozen network's `features`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="Which model: the file `models/NAME.py`, which must define `features`.")
    sounds: bool = Field(False, description="Append the log-mel spectrum of the sound at each frame.")
    normalization: Literal["none", "half", "imagenet"] = Field("half", description="As the knob of that name.")

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the model's `features`."""
        return dict(self.model_extra or {})


class DatasetSection(BaseModel):
    """The data; every further key is an argument of the data set's `load`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="Which data set: the file `datasets/NAME.py`.")
    root: str | None = Field(
        None, description="Its folder; by default the folder of its name in the data folder. Not part of the hash."
    )
    image_size: int = Field(ge=8, le=1024, description="Side in pixels that images are resized to.")
    validation_share: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.1, description="Share of the training split carved off for validation, where the data set brings none."
    )
    split_seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of that carving.")
    bad_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="Largest share of unreadable images to go on with."
    )
    also: tuple[Companion, ...] = Field((), description="Further data sets to train on, or to test on.")
    features: Features | None = Field(
        None, description="The frozen network whose vectors are trained on in place of images."
    )

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the data set's `load`."""
        return dict(self.model_extra or {})


class ModelSection(BaseModel):
    """The network; every further key is an argument of the model's `build`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="Which model: the file `models/NAME.py`.")

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the model's `build`."""
        return dict(self.model_extra or {})


class Hyperband(BaseModel):
    """Successive halving in several brackets: https://jmlr.org/papers/v18/16-558.html."""

    model_config = _FROZEN

    name: Literal["hyperband"]
    min_resource: int = Field(ge=1, description="Epochs that every trial may train.")
    max_resource: int = Field(ge=2, description="Epochs after which nothing is pruned; at most training.epochs.")
    reduction_factor: int = Field(3, ge=2, description="One trial in this many goes on at each rung.")


class Median(BaseModel):
    """Stops a trial that is worse than the median of finished trials at the same epoch."""

    model_config = _FROZEN

    name: Literal["median"]
    startup_trials: int = Field(5, ge=1, description="Finished trials before any is pruned.")
    warmup_epochs: int = Field(ge=0, description="Epochs that every trial may train.")
    interval: int = Field(1, ge=1, description="Epochs between decisions.")


class NoPruner(BaseModel):
    """Every trial trains to its end."""

    model_config = _FROZEN

    name: Literal["none"]


PRUNERS: dict[str, type[BaseModel]] = {"hyperband": Hyperband, "median": Median, "none": NoPruner}


class Budget(BaseModel):
    """How much the whole study may spend, over all workers."""

    model_config = _FROZEN

    trials: int = Field(ge=1, le=100_000, description="Configurations to try; a grid has at most as many cells.")
    epochs: int | None = Field(None, ge=1, description="Once all trials together trained as many, none starts.")
    hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Once all trials together took as many, none starts."
    )


class Confirm(BaseModel):
    """Fresh runs of the best configurations, which judge what the search has found. Not part of the hash."""

    model_config = _FROZEN

    seeds: int = Field(
        5,
        ge=0,
        le=1000,
        description="Runs of each configuration, each with a seed of its own; 0 is none.",
    )
    configurations: int = Field(
        1, ge=1, le=100, description="Configurations of each scientific value that are run again, the best ones."
    )
    values: int = Field(
        5, ge=1, le=1000, description="Scientific values of which configurations are run again, the best ones."
    )


def _known_metric(name: str) -> str:
    if name not in METRIC_DIRECTIONS:
        raise ValueError(f"no metric is named {name!r}; there are: {METRIC_NAMES}")
    return name


class Reference(BaseModel):
    """A result from elsewhere, drawn as a line beside the study's own. Not part of the hash."""

    model_config = _FROZEN

    label: str = Field(min_length=1, max_length=60, description="Whose result, in a few words.")
    dataset: str = Field(description="The data set it was measured on; on others it is not drawn.")
    metric: Annotated[str, AfterValidator(_known_metric)] = Field(description="Which metric.")
    value: float = Field(allow_inf_nan=False, description="The metric in its own unit: shares are in [0, 1].")
    split: Literal["validation", "test", "unknown"] = Field(description="What it was measured on.")
    source: str = Field(min_length=1, description="Where it stands: a paper, a repository, a notebook.")
    verified: bool = Field(description="Whether it was read in that source by whoever wrote this file.")


class StudyDefinition(BaseModel):
    """One study, with every default filled in."""

    model_config = _FROZEN

    name: str = Field(
        pattern=NAME_PATTERN,
        description="Its name in the store: up to 64 letters, digits, _ and -, then perhaps a version such as @2.",
    )
    question: str = Field(min_length=1, description="What the study is to find out, in words.")
    dataset: DatasetSection = Field(description="The images, and how they are split.")
    model: ModelSection = Field(description="The network.")
    objective: Annotated[str, AfterValidator(_known_metric)] = Field(
        description="Metric on the validation split that is made best.",
        json_schema_extra={"enum": list[JsonValue](OBJECTIVES.keys())},
    )
    training: Knobs = Field(Knobs(), description="Knobs with a fixed value.")
    space: dict[str, Parameter] = Field(
        min_length=1, description="What is searched: training knobs and arguments of the model, by name."
    )
    sampler: Literal["grid", "sobol", "random", "tpe", "gp", "imported"] = Field(
        description="Who picks the values: grid visits every cell; sobol and random know all points beforehand; "
        "tpe and gp learn from finished trials.",
        json_schema_extra={"enum": list[JsonValue](SAMPLERS)},
    )
    pruner: Annotated[Hyperband | Median | NoPruner, Discriminator("name")] = Field(
        NoPruner(name="none"), description="Who stops trials early."
    )
    budget: Budget = Field(description="How much the study may spend.")
    confirm: Confirm = Field(Confirm(), description="How the best configurations are run again.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of the sampler and of the trials.")
    references: tuple[Reference, ...] = Field(
        (), description="Results from elsewhere to draw beside the study's own."
    )

    @classmethod
    def from_json(cls, text: str) -> "StudyDefinition":
        """The definition that `canonical_json` wrote."""
        return cls.model_validate_json(text)

    def renamed(self, name: str) -> "StudyDefinition":
        """The same search under another name. Raises UnknownName where it is no name."""
        if not re.fullmatch(NAME_PATTERN, name):
            raise UnknownName(f"{name!r} is no name for a study: letters, digits, `_` and `-`, then perhaps `@2`.")
        return self.model_copy(update={"name": name})

    @property
    def direction(self) -> Direction:
        """Which way the objective is better."""
        return METRIC_DIRECTIONS[self.objective]

    def canonical_json(self) -> str:
        """The definition as JSON with sorted keys: equal definitions give equal texts."""
        return _sorted_json(self.model_dump(mode="json"))

    @property
    def hash(self) -> str:
        """SHA-256, in hex, of what the search is.

        `dataset.root` is no part of it, for the data may lie elsewhere on another machine, nor is `confirm`: more
        seeds may be asked for later. Nor are `references`, which change nothing of what is searched.
        """
        return hashlib.sha256(_sorted_json(self._identity()).encode()).hexdigest()

    def differences(self, other: "StudyDefinition") -> list[str]:
        """What leads from here to `other`, a line for each key, such as `space.lr.high: 0.001 -> 0.01`."""
        before, after = _flat(self._identity()), _flat(other._identity())
        keys = sorted(before.keys() | after.keys())
        lines = ((key, before.get(key, "absent"), after.get(key, "absent")) for key in keys)
        return [f"{key}: {old} -> {new}" for key, old, new in lines if old != new]

    def _identity(self) -> dict[str, Any]:
        plain = self.model_dump(mode="json")
        del plain["dataset"]["root"], plain["confirm"], plain["references"]
        for companion in plain["dataset"]["also"]:
            del companion["root"]
        return plain

    def tickets(self) -> list[dict[str, Scalar] | None]:
        """The parameters of every trial; None for those that the sampler draws when they start."""
        trials = self.budget.trials
        match self.sampler:
            case "grid":
                return [*design.grid(self.space, self.seed)]
            case "sobol":
                return [*design.sobol(self.space, trials, self.seed)]
            case "random":
                return [*design.random(self.space, trials, self.seed)]
            case "tpe" | "gp":
                return [None] * trials
            case "imported":
                return []

    def recipe(self, parameters: dict[str, Scalar], seed: int) -> Recipe:
        """The run of one trial: `parameters` over the fixed knobs and arguments."""
        knobs = {name: value for name, value in parameters.items() if name in Knobs.model_fields}
        arguments = {name: value for name, value in parameters.items() if name not in knobs}
        return Recipe(
            model=self.model.name,
            model_arguments=self.model.arguments | arguments,
            knobs=Knobs.model_validate(self.training.model_dump() | knobs),
            objective=self.objective,
            seed=seed,
        )


def _sorted_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _flat(value: Any, key: str = "") -> dict[str, str]:
    if not isinstance(value, dict):
        return {key: _sorted_json(value)}
    return {
        path: text for name in value for path, text in _flat(value[name], f"{key}.{name}" if key else name).items()
    }
