"""All that is known of one study, read from the store at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection

from search.predictions import Predictions
from search.store import attempts, readings, studies
from search.store.attempts import Attempt
from search.store.readings import Reading
from search.store.records import StudyRow, TrialRecord
from search.study import StudyDefinition


@dataclass(frozen=True)
class Results:
    """One study.

    records: every ticket, of all stages, in order.
    predictions: on the split that judges, by the number of the confirming ticket whose model made them.
    readings: each time that a model was shown the split that judges.
    attempts: which worker was at which ticket when; none at those of an imported study.
    """

    row: StudyRow
    records: Sequence[TrialRecord]
    predictions: Mapping[int, Predictions]
    readings: Sequence[Reading]
    attempts: Sequence[Attempt] = ()

    @property
    def definition(self) -> StudyDefinition:
        return self.row.definition

    @property
    def searched_on(self) -> str | None:
        """The split that the search's values were measured on; None where that is not known."""
        origin = self.row.context.origin
        if origin is None:
            return "validation"
        return None if origin.judged_on == "unknown" else origin.judged_on

    @cached_property
    def searched(self) -> list[TrialRecord]:
        """The trials of the search."""
        return [record for record in self.records if record.stage == "search"]

    @cached_property
    def confirmed(self) -> list[TrialRecord]:
        """The runs of the configurations that the search has chosen, each with a seed of its own."""
        return [record for record in self.records if record.stage == "confirm"]


def read(connection: Connection, row: StudyRow) -> Results:
    """The results of a study."""
    return Results(
        row=row,
        records=studies.records(connection, row),
        predictions=readings.predictions(connection, row.study_id),
        readings=readings.readings(connection, row.study_id),
        attempts=attempts.attempts(connection, row.study_id),
    )
