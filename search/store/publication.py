"""What optuna-dashboard shows of a study beside its trials, and whose turn it is to renew it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optuna import Study, load_study
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from sqlalchemy import Connection, text

_LOCKS = 7_301_118  # the first half of an advisory lock's key; the second is the study

_TAKE_TURN = text(
    """
    UPDATE search_studies SET figures_at = now()
    WHERE study_id = :study_id
      AND (figures_at IS NULL OR figures_at <= now() - :seconds * interval '1 second')
    """
)

_TAKE_STAGE_TURN = text(
    """
    UPDATE search_studies SET pictures_at = now()
    WHERE study_id = :study_id AND stage <> 'search' AND (pictures_at IS NULL OR pictures_at <= stage_at)
    """
)

_SHOWN = text(
    "SELECT key, value_json FROM study_system_attributes "
    "WHERE study_id = :study_id AND starts_with(key, 'dashboard:')"
)

_SHOW = text(
    """
    INSERT INTO study_system_attributes (study_id, key, value_json)
    SELECT :study_id, key, value FROM unnest(CAST(:keys AS text[]), CAST(:values AS text[])) AS changed(key, value)
    ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json
    """
)


def take_turn(connection: Connection, study_id: int, *, seconds: float) -> bool:
    """Whether the caller is to publish the study: of all who ask within so many seconds, one is told yes."""
    return connection.execute(_TAKE_TURN, {"study_id": study_id, "seconds": seconds}).rowcount == 1


def take_stage_turn(connection: Connection, study_id: int) -> bool:
    """Whether the caller is to publish a stage that has just ended: of all who ask, one is told yes."""
    return connection.execute(_TAKE_STAGE_TURN, {"study_id": study_id}).rowcount == 1


@contextmanager
def publishing_alone(connection: Connection, study_id: int) -> Iterator[None]:
    """Waits until nobody else publishes the study, and keeps others waiting meanwhile."""
    key = {"locks": _LOCKS, "study_id": study_id}
    connection.execute(text("SELECT pg_advisory_lock(:locks, :study_id)"), key)
    try:
        yield
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:locks, :study_id)"), key)


def change_dashboard(connection: Connection, study_id: int, change: Callable[[Study], None]) -> None:
    """Runs `change`, which calls optuna-dashboard's functions on the study it is given, as one write.

    On the real study they would cut a figure into pieces of two kilobytes and write each in a transaction of its
    own, so that a reader may meet half of one; here they change a copy in memory.
    """
    memory = InMemoryStorage()
    copy = memory.create_new_study([StudyDirection.NOT_SET], "copy")
    before = {row.key: json.loads(row.value_json) for row in connection.execute(_SHOWN, {"study_id": study_id})}
    for key, value in before.items():
        memory.set_study_system_attr(copy, key, value)
    change(load_study(study_name="copy", storage=memory))
    after = memory.get_study_system_attrs(copy)
    changed = {key: json.dumps(value) for key, value in after.items() if before.get(key) != value}
    connection.execute(_SHOW, {"study_id": study_id, "keys": [*changed], "values": [*changed.values()]})
