"""Studies: the registered definition, its tickets, and what has become of them."""

import json
from collections.abc import Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from packaging.version import Version
from sqlalchemy import Connection, text

from search.errors import OldVersion, StudyConflict, StudyNotFound
from search.store import tickets
from search.store.records import NO_CONTEXT, STAGES, Context, Retry, StudyRow, StudyState, TrialRecord
from search.study.definition import StudyDefinition
from search.study.space import Parameter

_REGISTER = text(
    """
    WITH study AS (
        INSERT INTO studies (study_name) VALUES (:name) ON CONFLICT (study_name) DO NOTHING RETURNING study_id
    ), direction AS (
        INSERT INTO study_directions (direction, study_id, objective)
        SELECT CAST(:direction AS studydirection), study_id, 0 FROM study
    ), metric AS (
        INSERT INTO study_system_attributes (study_id, key, value_json)
        SELECT study_id, 'study:metric_names', CAST(:metric_names AS text) FROM study
    ), attributes AS (
        INSERT INTO study_user_attributes (study_id, key, value_json)
        SELECT study_id, key, value FROM study, json_each_text(CAST(:user_attributes AS json)) AS pair(key, value)
    )
    SELECT study_id FROM study
    """
)

_INSERT = text(
    """
    INSERT INTO search_studies (study_id, name, definition, definition_hash, data_fingerprint, validation_items,
                                code_version, priority, epoch_budget, hour_budget, context)
    VALUES (:study_id, :name, :definition, :hash, :data_fingerprint, :validation_items, :code_version,
            :priority, :epoch_budget, :hour_budget, CAST(:context AS jsonb))
    """
)

_STUDIES = text(
    """
    SELECT s.study_id, s.name, s.state, s.stage, s.stage_at, s.priority, s.definition, s.data_fingerprint,
           s.validation_items, s.code_version, s.created_at, s.context,
           coalesce(t.counts, '{}') AS stage_counts, e.*
    FROM search_studies s
    LEFT JOIN LATERAL (
        SELECT json_object_agg(stage, counts) FROM (
            SELECT stage, json_object_agg(state, tickets) FROM (
                SELECT stage, state, count(*) FROM search_tickets WHERE study_id = s.study_id GROUP BY stage, state
            ) AS by_state(stage, state, tickets) GROUP BY stage
        ) AS by_stage(stage, counts)) t(counts) ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS epochs, coalesce(sum(seconds), 0) AS seconds,
               count(*) FILTER (WHERE t.stage = 'search') AS search_epochs,
               coalesce(sum(seconds) FILTER (WHERE t.stage = 'search'), 0) AS search_seconds
        FROM search_epochs JOIN search_tickets t USING (ticket_id) WHERE t.study_id = s.study_id) e ON true
    WHERE (CAST(:name AS text) IS NULL OR s.name = :name)
      AND (CAST(:study_id AS int) IS NULL OR s.study_id = :study_id)
    ORDER BY s.created_at
    """
)

_TRIALS = text(
    """
    SELECT t.number AS ticket, t.stage, t.source, t.state, t.attempt, t.epoch, o.number AS trial,
           coalesce(t.parameters, '{}') AS parameters, t.seed, v.value,
           coalesce(e.epochs, '{}') AS epochs, coalesce(e.metrics, '[]') AS metrics,
           coalesce(e.seconds, 0) AS seconds, coalesce(e.each, '{}') AS epoch_seconds, t.worker, t.reason,
           t.claimed_at AS started_at, t.progress_at, t.finished_at, coalesce(a.retries, '[]') AS retries
    FROM search_tickets t
    LEFT JOIN trials o USING (trial_id)
    LEFT JOIN trial_values v USING (trial_id)
    LEFT JOIN LATERAL (
        SELECT array_agg(epoch ORDER BY epoch), json_agg(metrics ORDER BY epoch), sum(seconds),
               array_agg(seconds ORDER BY epoch)
        FROM search_epochs WHERE ticket_id = t.ticket_id) e(epochs, metrics, seconds, each) ON true
    LEFT JOIN LATERAL (
        SELECT json_agg(json_build_object('attempt', attempt, 'worker', worker, 'outcome', outcome,
                                          'reason', reason) ORDER BY attempt)
        FROM search_attempts
        WHERE ticket_id = t.ticket_id AND outcome IN ('given back', 'lost')) a(retries) ON true
    WHERE t.study_id = :study_id
    ORDER BY t.number
    """
)

_NEWER = text(
    f"""
    SELECT name, code_version FROM search_studies s
    WHERE state = 'open' AND ({tickets.NEWER})
      AND EXISTS (SELECT FROM search_tickets t WHERE t.study_id = s.study_id AND t.state = 'waiting')
    ORDER BY name
    """  # noqa: S608 - the only text put in is a constant
)


def register(
    connection: Connection,
    definition: StudyDefinition,
    *,
    data_fingerprint: str,
    validation_items: int,
    code_version: str,
    context: Context = NO_CONTEXT,
) -> int:
    """Creates the study with its tickets and returns its id, or finds it where it stands with this definition.

    Where its definition has changed in what it may, its stages are gone through again: it may ask for more seeds.

    Of several processes that register one name at once, one creates it. Raises StudyConflict where the name stands
    for another definition or other data, showing the difference; OldVersion where a newer version registered it.
    """
    attributes = {
        "question": json.dumps(definition.question),
        "definition": json.dumps(definition.canonical_json()),
        "definition_hash": json.dumps(definition.hash),
        "code_version": json.dumps(code_version),
    }
    created: int | None = connection.execute(
        _REGISTER,
        {
            "name": definition.name,
            "direction": definition.direction.upper(),
            "metric_names": json.dumps([definition.objective]),
            "user_attributes": json.dumps(attributes),
        },
    ).scalar()
    if created is None:
        return _existing(connection, definition, data_fingerprint, code_version)
    connection.execute(
        _INSERT,
        {
            "study_id": created,
            "name": definition.name,
            "definition": definition.canonical_json(),
            "hash": definition.hash,
            "data_fingerprint": data_fingerprint,
            "validation_items": validation_items,
            "code_version": code_version,
            "priority": 0,
            "epoch_budget": definition.budget.epochs,
            "hour_budget": definition.budget.hours,
            "context": context.model_dump_json(),
        },
    )
    work = [tickets.Work(parameters, definition.seed) for parameters in definition.tickets()]
    tickets.file(connection, created, work)
    return created


def find(connection: Connection, name: str) -> StudyRow:
    """The study of that name. Raises StudyNotFound, naming those there are."""
    row = connection.execute(_STUDIES, {"name": name, "study_id": None}).one_or_none()
    if row is None:
        known = connection.execute(text("SELECT name FROM search_studies ORDER BY name")).scalars().all()
        there_are = (
            f"there are: {', '.join(known)}." if known else "it holds none yet; start with `search launch`."
        )
        raise StudyNotFound(f"the store holds no study named {name!r}; {there_are}")
    return _study_row(row._mapping)


def find_by_id(connection: Connection, study_id: int) -> StudyRow:
    """The study with that id, which must be there."""
    return _study_row(connection.execute(_STUDIES, {"name": None, "study_id": study_id}).one()._mapping)


def everyone(connection: Connection) -> list[StudyRow]:
    """All studies, oldest first."""
    return [_study_row(row._mapping) for row in connection.execute(_STUDIES, {"name": None, "study_id": None})]


def set_state(connection: Connection, study: StudyRow, state: StudyState) -> None:
    """Opens, pauses or stops a study; workers honour it at their next claim."""
    connection.execute(
        text("UPDATE search_studies SET state = :state WHERE study_id = :study_id"),
        {"state": state, "study_id": study.study_id},
    )


def records(connection: Connection, study: StudyRow) -> list[TrialRecord]:
    """Every ticket of a study, in order."""
    objective = study.definition.objective
    rows = connection.execute(_TRIALS, {"study_id": study.study_id}).mappings()
    return [_trial_record(dict(row), objective) for row in rows]


def distributions(definition: StudyDefinition) -> dict[str, BaseDistribution]:
    """The study's search space as Optuna knows it."""
    return {name: _distribution(parameter) for name, parameter in definition.space.items()}


def _distribution(parameter: Parameter) -> BaseDistribution:
    domain = parameter.domain()
    if domain.kind == "categorical":
        return CategoricalDistribution(domain.choices)
    if domain.kind == "int":
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def refuse_old_version(study: StudyRow, code_version: str) -> None:
    """Raises OldVersion where a newer version than `code_version` has registered the study."""
    _refuse_old_version(study.name, registered=study.code_version, own=code_version)


def _refuse_old_version(study: str, *, registered: str, own: str) -> None:
    if Version(registered) > Version(own):
        raise OldVersion(study, registered=registered, own=own)


def newer_than(connection: Connection, release: Sequence[int]) -> list[tuple[str, str]]:
    """Name and version of the studies with work to give that only a newer version may train."""
    return [(row.name, row.code_version) for row in connection.execute(_NEWER, {"release": list(release)})]


def _existing(
    connection: Connection, definition: StudyDefinition, data_fingerprint: str, code_version: str
) -> int:
    row = connection.execute(
        text("SELECT study_id, definition, data_fingerprint, code_version FROM search_studies WHERE name = :name"),
        {"name": definition.name},
    ).one_or_none()
    if row is None:
        raise StudyConflict(f"an Optuna study named {definition.name!r} is there that this service did not make.")
    advice = f"To search anew, give it another name: `search launch ... --name {next_version(definition.name)}`."
    # Read again, so that keys which came with a later version have their defaults in both.
    if differences := StudyDefinition.from_json(row.definition).differences(definition):
        shown = "\n".join(f"  {line}" for line in differences)
        raise StudyConflict(
            f"study {definition.name!r} is in the store with another definition:\n{shown}\n{advice}"
        )
    if row.data_fingerprint != data_fingerprint:
        raise StudyConflict(
            f"the data of study {definition.name!r} has changed since it was registered; "
            f"its results would not be comparable. {advice}"
        )
    _refuse_old_version(definition.name, registered=row.code_version, own=code_version)
    connection.execute(
        text(
            "UPDATE search_studies SET definition = :definition, code_version = :code_version, "
            "stage = CASE WHEN definition = :definition THEN stage ELSE 'search' END WHERE study_id = :study_id"
        ),
        {"definition": definition.canonical_json(), "code_version": code_version, "study_id": row.study_id},
    )
    return int(row.study_id)


def next_version(name: str) -> str:
    """The name under which another study of that name can be registered, such as `clsfer_lr@2`."""
    base, _, version = name.partition("@")
    return f"{base}@{int(version or 1) + 1}"


def _study_row(row: Any) -> StudyRow:
    parsed = {
        "definition": StudyDefinition.from_json(row["definition"]),
        "context": Context.model_validate(row["context"]),
        "stage_counts": {stage: row["stage_counts"][stage] for stage in STAGES if stage in row["stage_counts"]},
    }
    return StudyRow(**{**row, **parsed})


def _trial_record(row: dict[str, Any], objective: str) -> TrialRecord:
    epochs = dict(zip(row["epochs"], row.pop("metrics"), strict=True))
    curve = {epoch: metrics[objective] for epoch, metrics in epochs.items()}
    seconds = dict(zip(row["epochs"], row["epoch_seconds"], strict=True))
    retries = [Retry(**retry) for retry in row["retries"]]
    made = {"epochs": epochs, "curve": curve, "epoch_seconds": seconds, "retries": retries}
    return TrialRecord(**row | made)
