"""Whether the values of a search parameter suit the knob or argument they are for."""

import json

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from search.study import messages
from search.study.messages import Finding
from search.study.space import Choices, Grid, Range
from search.study.yaml_source import Scalar


def fit(
    name: str, parameter: Choices | Range | Grid, taker: type[BaseModel]
) -> tuple[Choices | Range | Grid, list[Finding]]:
    """The parameter, of whole numbers if the field `name` of `taker` takes no others, and what is wrong with it.

    The key paths of the findings start within the parameter.
    """
    inner = None if isinstance(parameter, Choices) else _fault(taker, name, _middle(parameter))
    if inner and inner["type"] == "int_type":
        if isinstance(parameter, Grid):
            return parameter, [((), f"{name} takes whole numbers: list them as choices")]
        try:
            parameter, inner = Range.model_validate(parameter.model_dump() | {"integer": True}), None
        except ValidationError as error:
            return parameter, list(messages.explained(error, (), Range.model_fields))
    ends = ((end, _fault(taker, name, value)) for end, value in parameter.ends())
    faults: list[Finding] = [(end, messages.message(fault)) for end, fault in ends if fault]
    if inner and not faults:
        faults = [((), f"{name} takes no range: {messages.message(inner)}")]
    return parameter, faults


def _middle(parameter: Range | Grid) -> float:
    (_, low), (_, high) = parameter.ends()
    return float(low + high) / 2


def _fault(taker: type[BaseModel], name: str, value: Scalar) -> ErrorDetails | None:
    """Why `taker` refuses the value under that name."""
    try:
        taker.model_validate_json(json.dumps({name: value}), strict=True)
    except ValidationError as error:
        return next((each for each in error.errors(include_url=False) if each["loc"][:1] == (name,)), None)
    return None
