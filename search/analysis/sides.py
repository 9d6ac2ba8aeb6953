"""The two sides of `search compare`: a study, by the configuration that stands for it, or one trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.analysis.conclusion import conclude
from search.analysis.measures import is_measurable, measured
from search.analysis.results import Results
from search.analysis.standing import is_settled, peak, turned
from search.errors import NotComparable, UnknownName
from search.predictions import Predictions
from search.store.trials import Parameters


@dataclass(frozen=True)
class Side:
    """One of the two.

    name: as it was asked for: `clsfer_lr`, or `clsfer_lr:17`. spoken: in the middle of a sentence.
    found: all that is known of its study. trial: number of the ticket; None for a study.
    parameters: of the search space.
    judged: the objective on the split that judges, one value of each run, with their predictions in that order;
        empty where the split has not been read, or the study may still go on.
    searched: the objective on the validation split, of the run of the search that stands for a study, or of the
        trial itself; None for results that others came by.
    """

    name: str
    spoken: str
    found: Results
    trial: int | None
    parameters: Parameters
    judged: tuple[float, ...]
    predictions: tuple[Predictions, ...]
    searched: float | None

    @property
    def knobs(self) -> Mapping[str, Any]:
        """All that it was trained with: the model, its arguments, and the training knobs."""
        recipe = self.found.definition.recipe(self.parameters, seed=0)
        return {"model": recipe.model} | dict(recipe.model_arguments) | recipe.knobs.model_dump(mode="json")


def side(name: str, found: Results) -> Side:
    """A study, or one of its trials where the name has the number of a ticket: `clsfer_lr:17`.

    Raises UnknownName where the study has no such trial, NotComparable where it has no result.
    """
    _, colon, number = name.partition(":")
    return _trial(name, found, number) if colon else _study(name, found)


def _study(name: str, found: Results) -> Side:
    levels = conclude(found).levels
    best = levels[0] if levels else None
    configuration = best.confirmed if best else None
    spoken = f"study {name}"
    if configuration and configuration.judged and is_settled(found):
        seen = [found.predictions[ticket] for ticket in configuration.tickets if ticket in found.predictions]
        searched = None if found.row.context.origin else configuration.searched
        values = configuration.judged.values
        return Side(name, spoken, found, None, configuration.parameters, values, tuple(seen), searched)
    record = max(
        (record for record in found.searched if record.curve and not record.is_infeasible),
        key=lambda record: turned(found, peak(found, record) or 0.0),
        default=None,
    )
    if record is None:
        raise NotComparable(f"{spoken} has no result yet: `search status {name}` tells how far it is.")
    return Side(name, spoken, found, None, record.parameters, (), (), peak(found, record))


def _trial(name: str, found: Results, number: str) -> Side:
    record = next((record for record in found.records if str(record.ticket) == number), None)
    if record is None:
        tickets = [record.ticket for record in found.records]
        raise UnknownName(
            f"study {found.row.name} has no trial {number!r}; there are: {min(tickets)} to {max(tickets)}."
        )
    spoken = f"trial {number} of {found.row.name}"
    if record.stage == "conclude":
        raise NotComparable(
            f"{spoken} only reads the split that judges with the model of trial {record.source}: name that one."
        )
    if not record.curve or record.is_infeasible:
        state = f"it is {record.state}" + (f" ({record.reason})" if record.reason else "")
        raise NotComparable(f"{spoken} has no result: {state}.")
    seen = found.predictions.get(record.ticket)
    objective = found.definition.objective
    judged: tuple[float, ...] = ()
    if seen is not None and is_measurable(seen, objective):
        judged = (measured(seen, objective),)
    elif found.row.context.origin and record.value is not None:
        judged = (record.value,)
    searched = None if found.row.context.origin else peak(found, record)
    predictions = (seen,) if seen is not None and judged else ()
    return Side(name, spoken, found, record.ticket, record.parameters, judged, predictions, searched)
