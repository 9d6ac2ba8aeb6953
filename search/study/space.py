"""The search space: what a parameter may be.

A parameter has a role: `scientific`, what the study asks about, or `nuisance`, tuned only so that the comparison
is fair. It takes one of three forms: a list of choices, a range, or a grid of points. Each form offers

domain(): what a sampler may draw.
values(): every value in order, or None for a range that holds too many to list.
ends(): the values that must suit the knob or argument for all others to suit it, each with its key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from re import compile as pattern
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from search.study.yaml_source import KeyPath, Scalar

GRID_EXAMPLE = "13 points from 1e-6 to 1e-3, log"

_GRID = pattern(r"(\d{1,5}) points from (\S+) to ([^\s,]+)(, log)?")

# Whole numbers up to here are exact as floats.
Bound = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


@dataclass(frozen=True)
class Domain:
    """What a sampler may draw: one of `choices`, or a number from `low` to `high`, both included."""

    kind: Literal["categorical", "float", "int"]
    choices: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def at(self, position: float) -> Scalar:
        """The value at `position` in [0, 1): even positions give even (or log-even) values."""
        if self.kind == "categorical":
            return self.choices[int(position * len(self.choices))]
        # Half a step beyond each end, so that rounding gives every whole number its equal share.
        margin = 0.5 if self.kind == "int" else 0.0
        low, high = self.low - margin, self.high + margin
        value = low * (high / low) ** position if self.log else low + (high - low) * position
        return min(max(round(value) if self.kind == "int" else value, self.low), self.high)


class _Parameter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["scientific", "nuisance"] = Field(
        description="scientific: what the study asks about; nuisance: tuned so that the comparison is fair."
    )


def refuse_nesting(choice: Any) -> Any:
    if isinstance(choice, list | dict):
        raise ValueError("a choice is a number, a text, true, false or null")
    return choice


class Choices(_Parameter):
    """Values without an order."""

    choices: tuple[Annotated[Scalar, BeforeValidator(refuse_nesting)], ...] = Field(
        min_length=1, description="The values to try."
    )

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
        for i, choice in enumerate(choices):
            if choice in choices[:i]:
                raise ValueError(f"{choice!r} is listed twice")
        return choices

    def domain(self) -> Domain:
        return Domain("categorical", choices=self.choices)

    def values(self) -> Sequence[Scalar]:
        return self.choices

    def ends(self) -> list[tuple[KeyPath, Scalar]]:
        return [(("choices", i), choice) for i, choice in enumerate(self.choices)]


class Range(_Parameter):
    """All numbers from `low` to `high`, both included."""

    low: Bound = Field(description="Smallest value.")
    high: Bound = Field(description="Largest value.")
    log: bool = Field(False, description="Spread evenly over orders of magnitude.")
    integer: bool = Field(
        False, description="Whole numbers only; understood where the knob or argument takes nothing else."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        _require_order(self.low, self.high, self.log)
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"low {self.low:g} and high {self.high:g} must be whole numbers")
        return self

    def domain(self) -> Domain:
        (_, low), (_, high) = self.ends()
        return Domain("int" if self.integer else "float", low=low, high=high, log=self.log)

    def values(self) -> Sequence[Scalar] | None:
        return range(int(self.low), int(self.high) + 1) if self.integer and not self.log else None

    def ends(self) -> list[tuple[KeyPath, float]]:
        number = int if self.integer else float
        return [(("low",), number(self.low)), (("high",), number(self.high))]


class Grid(_Parameter):
    """Evenly spaced numbers, for the grid sampler."""

    grid: str = Field(description=f"Evenly spaced points, both ends included, such as '{GRID_EXAMPLE}'.")

    @field_validator("grid")
    @classmethod
    def _readable(cls, grid: str) -> str:
        points, low, high, log = _parsed(grid)
        if points < 2:
            raise ValueError("a grid has at least 2 points")
        _require_order(low, high, log)
        return grid

    def domain(self) -> Domain:
        _, low, high, log = _parsed(self.grid)
        return Domain("float", low=low, high=high, log=log)

    def values(self) -> Sequence[Scalar]:
        points, low, high, log = _parsed(self.grid)
        spaced = np.geomspace(low, high, points) if log else np.linspace(low, high, points)
        return [float(value) for value in spaced]

    def ends(self) -> list[tuple[KeyPath, float]]:
        _, low, high, _ = _parsed(self.grid)
        return [(("grid",), low), (("grid",), high)]


def _parsed(grid: str) -> tuple[int, float, float, bool]:
    """Points, low, high, log."""
    match = _GRID.fullmatch(grid.strip())
    try:
        points, low, high, log = match.groups() if match else ("",) * 4
        return int(points), float(low), float(high), log is not None
    except ValueError:
        raise ValueError(f"{grid!r} is not a grid; write it like '{GRID_EXAMPLE}'") from None


def _require_order(low: float, high: float, log: bool) -> None:
    if not -1e15 <= low < high <= 1e15:
        raise ValueError(f"low {low:g} must be below high {high:g}")
    if log and low <= 0:
        raise ValueError(f"low {low:g} must be above 0 on a log scale")


FORMS: dict[str, type[BaseModel]] = {"choices": Choices, "grid": Grid, "range": Range}


def form(parameter: Any) -> str | None:
    """The form that a parameter's keys speak of; None where they speak of none."""
    keys = vars(parameter) if isinstance(parameter, _Parameter) else parameter
    if not isinstance(keys, dict):
        return "range"
    return next((name for name, model in FORMS.items() if set(keys) & (set(model.model_fields) - {"role"})), None)


Parameter = Annotated[
    Annotated[Choices, Tag("choices")] | Annotated[Range, Tag("range")] | Annotated[Grid, Tag("grid")],
    Discriminator(form),
]
