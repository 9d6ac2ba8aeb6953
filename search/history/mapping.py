"""The mapping file: which columns of somebody's results are parameters, and what was measured."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from search.study.space import Choices, Parameter, Range, form
from search.study.yaml_source import Scalar
from search.tasks import METRIC_DIRECTIONS, METRIC_NAMES

_FROZEN = ConfigDict(extra="forbid", frozen=True)


def _known_metric(name: str) -> str:
    if name not in METRIC_DIRECTIONS:
        raise ValueError(f"no metric is named {name!r}; there are: {METRIC_NAMES}")
    return name


class MetricColumn(BaseModel):
    """A column that holds a metric."""

    model_config = _FROZEN

    column: str = Field(description="The column.")
    percent: bool = Field(False, description="It is in per cent; else it is in the metric's own unit.")


class Objective(MetricColumn):
    """What was made best."""

    metric: Annotated[str, AfterValidator(_known_metric)] = Field(description="The metric's name here.")


class Epoch(BaseModel):
    """Which epoch a value is of."""

    model_config = _FROZEN

    column: str | None = Field(
        None, description="Where it stands; of TensorBoard scalars, by default the step itself."
    )
    first: Literal[0, 1] = Field(1, description="What the first epoch is called there.")


class _ParameterColumn(BaseModel):
    model_config = _FROZEN

    column: str | None = Field(None, description="Its column, where that has another name.")
    cells: dict[str, Scalar] = Field({}, description="Cells that stand for another value.")


class ChoicesColumn(Choices, _ParameterColumn):
    """A parameter that took one of a few values, in order; an empty cell is null."""


class RangeColumn(Range, _ParameterColumn):
    """A parameter that took numbers from `low` to `high`."""


ParameterColumn = Annotated[
    Annotated[ChoicesColumn, Tag("choices")] | Annotated[RangeColumn, Tag("range")], Discriminator(form)
]


class Pivot(BaseModel):
    """For tables with a row for each metric: the columns that name it, and the one with its value."""

    model_config = _FROZEN

    names: tuple[str, ...] = Field(
        min_length=1, description="Columns whose cells, joined by a space, name the column that comes out."
    )
    value: str = Field(description="The column of the values.")


class Data(BaseModel):
    """The images that were trained on."""

    model_config = _FROZEN

    name: str = Field(min_length=1, description="The data set, in words.")
    image_size: int = Field(ge=8, le=1024, description="Side in pixels of what the model saw.")


class Mapping(BaseModel):
    """How to read somebody's results."""

    model_config = _FROZEN

    question: str = Field(min_length=1, description="What was to be found out, in words.")
    dataset: Data = Field(description="The images.")
    model: str = Field(min_length=1, description="The network, in words.")
    objective: Objective = Field(description="What was made best.")
    parameters: dict[str, ParameterColumn] = Field(min_length=1, description="What was varied, by name.")
    metrics: dict[str, MetricColumn] = Field({}, description="What else was measured, by name.")
    epoch: Epoch = Field(Epoch(), description="Which epoch a value is of.")
    seed: str | None = Field(None, description="The column of the seed; by default repeats are counted from 0.")
    judged_on: Literal["test", "validation", "unknown"] = Field(description="The split of the values.")
    items: int | None = Field(None, ge=1, description="How many items that split has, where known.")
    items_column: str | None = Field(None, description="The column that holds this number.")
    rows: dict[str, Scalar] = Field({}, description="Cells by column: only rows that have them are taken.")
    pivot: Pivot | None = Field(None, description="For tables with a row for each metric.")
    folder: str | None = Field(
        None, description="How run folders are named, such as 'lr{lr}_depth{depth}': a column for each word."
    )
    ignore: tuple[str, ...] = Field((), description="Columns to leave out; * stands for any text.")
    notes: tuple[str, ...] = Field((), description="What a reader must know, as sentences.")

    @model_validator(mode="after")
    def _sound(self) -> "Mapping":
        if self.items is not None and self.items_column is not None:
            raise ValueError("items and items_column both say how many items there are; keep one of the two")
        if self.objective.metric in self.metrics:
            raise ValueError(f"{self.objective.metric} is the objective and one of the metrics")
        return self

    def columns(self) -> dict[str, str]:
        """What each column is used for, such as `parameters.lr`, by column."""
        uses = {self.objective.column: "objective"}
        uses |= {each.column or name: f"parameters.{name}" for name, each in self.parameters.items()}
        uses |= {each.column: f"metrics.{name}" for name, each in self.metrics.items()}
        single = {"epoch": self.epoch.column, "seed": self.seed, "items_column": self.items_column}
        uses |= {column: use for use, column in single.items() if column is not None}
        return uses

    def space(self) -> dict[str, Parameter]:
        """The parameters as a study has them."""
        return {name: _plain(parameter) for name, parameter in self.parameters.items()}

    def keeping(self, rows: dict[str, str]) -> "Mapping":
        """The same, for rows that have these cells, too."""
        return self.model_copy(update={"rows": self.rows | rows})

    def filled(self, text: str) -> str:
        """The text, in which `{column}` stands for the cell that `rows` asks for."""
        for column, cell in self.rows.items():
            text = text.replace(f"{{{column}}}", str(cell))
        return text


def _plain(parameter: Any) -> Parameter:
    kind = Choices if isinstance(parameter, Choices) else Range
    return kind.model_validate(parameter.model_dump(include=set(kind.model_fields)))
