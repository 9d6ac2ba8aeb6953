"""The stages of a study: what is filed once the one before has nothing left to do.

The search is followed by fresh runs of the configurations it has found (confirm), those by showing each of their
models the split that judges (conclude). A stage begins once, whoever asks for it, in one transaction.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, text

from search.store import studies, tickets
from search.store.records import Stage, StudyRow, TrialRecord
from search.store.tickets import NEWER, SPENT, Work

Selection = Callable[[StudyRow, Sequence[TrialRecord]], list[TrialRecord]]

_READY = text(
    f"""
    SELECT s.study_id FROM search_studies s CROSS JOIN LATERAL (SELECT {SPENT}) AS of(spent)
    WHERE s.state = 'open' AND s.stage <> 'done' AND (:study_id IS NULL OR s.study_id = :study_id)
      AND ({NEWER}) IS NOT TRUE
      AND NOT EXISTS (SELECT FROM search_tickets t WHERE t.study_id = s.study_id
                      AND (t.state = 'running' OR (t.state = 'waiting' AND NOT (spent AND t.stage = 'search'))))
    ORDER BY s.study_id
    """  # noqa: S608 - the only texts put in are constants
)

_LOCK = text("SELECT FROM search_studies WHERE study_id = :study_id FOR UPDATE")

_BEGIN = text("UPDATE search_studies SET stage = :stage, stage_at = clock_timestamp() WHERE study_id = :study_id")


def ready(connection: Connection, *, release: Sequence[int], study_id: int | None = None) -> list[int]:
    """Ids of the studies whose stage has nothing left to do, of one study or of all.

    release: as for `tickets.claim`.
    """
    wanted = {"study_id": study_id, "release": list(release)}
    return [*connection.execute(_READY, wanted).scalars()]


def advance(connection: Connection, study_id: int, *, release: Sequence[int], select: Selection) -> Stage | None:
    """Begins the next stage of a study that is ready for it, filing its tickets; the stage, or None if it isn't.

    select: the trials of a search whose configurations are to be confirmed.
    """
    connection.execute(_LOCK, {"study_id": study_id})
    if not ready(connection, release=release, study_id=study_id):
        return None
    row = studies.find_by_id(connection, study_id)
    records = studies.records(connection, row)
    stage: Stage
    if row.stage == "search":
        stage = "confirm"
        work = _confirming(row, records, select(row, records) if row.definition.confirm.seeds else [])
    elif row.stage == "confirm":
        stage = "conclude"
        work = _concluding(records)
    else:
        stage = "done"
        work = []
    tickets.file(connection, study_id, work)
    connection.execute(_BEGIN, {"study_id": study_id, "stage": stage})
    return stage


def _confirming(row: StudyRow, records: Sequence[TrialRecord], selected: Sequence[TrialRecord]) -> list[Work]:
    """A ticket for each configuration and seed that has none yet, also of those confirmed before.

    Seeds are the study's own counted on: those of the search chose the configurations, and may have been lucky.
    """
    filed = [record for record in records if record.stage == "confirm"]
    have = {(record.source, record.seed) for record in filed}
    chosen = [record.ticket for record in selected]
    sources = [*dict.fromkeys([*chosen, *(record.source for record in filed if record.source is not None)])]
    parameters = {record.ticket: record.parameters for record in records}
    seeds = [(row.definition.seed + 1 + i) % 2**32 for i in range(row.definition.confirm.seeds)]
    return [
        Work(parameters[source], seed, "confirm", source)
        for seed in seeds
        for source in sources
        if (source, seed) not in have
    ]


def _concluding(records: Sequence[TrialRecord]) -> list[Work]:
    """A ticket for each complete confirming run whose model has not been judged."""
    judged = {record.source for record in records if record.stage == "conclude"}
    return [
        Work(record.parameters, record.seed, "conclude", record.ticket)
        for record in records
        if record.stage == "confirm" and record.state == "complete" and record.ticket not in judged
    ]
