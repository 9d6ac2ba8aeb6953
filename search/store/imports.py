"""Studies whose trials were come by elsewhere: written whole, in one transaction, and never worked on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from sqlalchemy import Connection, text

from search.errors import StudyConflict
from search.store import studies, trials
from search.store.records import Context, Origin
from search.store.trials import Parameters
from search.study.definition import StudyDefinition


@dataclass(frozen=True)
class ImportedTrial:
    """One finished run.

    value: the objective at its best epoch.
    epochs: metrics, the objective among them, by number of the epoch, from 1; at least one.
    file, line: where it stood; the line is None for a run that had a folder of its own.
    """

    parameters: Parameters
    seed: int
    value: float
    epochs: dict[int, dict[str, float]]
    file: str
    line: int | None


@dataclass(frozen=True)
class ImportedStudy:
    """A finished study: what it was about, where it comes from, and its runs."""

    definition: StudyDefinition
    origin: Origin
    trials: Sequence[ImportedTrial]


_FOUND = text("SELECT study_id, data_fingerprint FROM search_studies WHERE name = :name")

_CLOSE = text(
    """
    UPDATE search_studies
    SET state = 'stopped', stage = 'done', trials_ended = :trials
    WHERE study_id = :study_id
    """
)

_TICKET = text(
    """
    INSERT INTO search_tickets (study_id, number, parameters, seed, state, attempt, trial_id, epoch, claimed_at,
                                finished_at)
    VALUES (:study_id, :number, CAST(:parameters AS jsonb), :seed, 'complete', 1, :trial_id, :epoch, now(), now())
    RETURNING ticket_id
    """
)

_EPOCH = text(
    """
    WITH stored AS (
        INSERT INTO search_epochs (ticket_id, epoch, metrics, seconds, samples_per_second)
        VALUES (:ticket_id, :epoch, CAST(:metrics AS jsonb), 0, 0)
    )
    INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    VALUES (:trial_id, :epoch, :value, 'FINITE')
    """
)


def store(connection: Connection, study: ImportedStudy, *, code_version: str) -> bool:
    """Stores a finished study; False where it is there already with all that it would hold.

    Raises StudyConflict where the name stands for anything else.
    """
    definition, fingerprint = study.definition, _fingerprint(study)
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": definition.name})
    there = connection.execute(_FOUND, {"name": definition.name}).one_or_none()
    if there is not None and there.data_fingerprint == fingerprint:
        return False
    if there is not None:
        raise StudyConflict(
            f"study {definition.name!r} is in the store with other content: "
            f"import this under another name, such as --study {studies.next_version(definition.name)}."
        )
    study_id = studies.register(
        connection,
        definition,
        data_fingerprint=fingerprint,
        validation_items=study.origin.items or 0,
        code_version=code_version,
        context=Context(origin=study.origin),
    )
    for number, trial in enumerate(study.trials):
        _store_trial(connection, study_id, definition, number, trial)
    connection.execute(_CLOSE, {"study_id": study_id, "trials": len(study.trials)})
    return True


def _store_trial(
    connection: Connection, study_id: int, definition: StudyDefinition, number: int, trial: ImportedTrial
) -> None:
    notes = {"ticket": number, "seed": trial.seed, "file": trial.file}
    notes |= {} if trial.line is None else {"line": trial.line}
    trial_id = trials.create(connection, study_id, trial.parameters, studies.distributions(definition), notes)
    values = {
        "study_id": study_id,
        "number": number,
        "parameters": trials.to_json(trial.parameters),
        "seed": trial.seed,
        "trial_id": trial_id,
        "epoch": max(trial.epochs),
    }
    ticket_id = connection.execute(_TICKET, values).scalar_one()
    connection.execute(
        _EPOCH,
        [
            {
                "ticket_id": ticket_id,
                "trial_id": trial_id,
                "epoch": epoch,
                "metrics": trials.to_json(metrics),
                "value": metrics[definition.objective],
            }
            for epoch, metrics in sorted(trial.epochs.items())
        ],
    )
    trials.close(connection, trial_id, "COMPLETE", trial.value, {})


def _fingerprint(study: ImportedStudy) -> str:
    """The same for the same results, read in the same way."""
    everything = [
        study.definition.hash,
        study.origin.model_dump(mode="json"),
        [asdict(trial) for trial in study.trials],
    ]
    return sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
