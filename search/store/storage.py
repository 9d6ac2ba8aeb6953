"""Optuna's storage on Postgres, with the one query that matters rewritten.

Samplers and pruners read whole trials through `_get_trials`. Optuna loads them through its object-relational
mapper, six statements and a model object for every value; here one statement returns them as arrays, several times
cheaper for client and server alike. What Optuna's cache asks for, and what it gets, is unchanged: its own
conformance suite runs against this class.
"""

import json
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna import logging
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Row, TextClause, text

logging.set_verbosity(logging.WARNING)  # Optuna tells of every study and trial it reads

_STORED_FLOAT = "WHEN 'INF_POS' THEN 'Infinity'::float8 WHEN 'INF_NEG' THEN '-Infinity'::float8"

_TRIALS = f"""
    SELECT t.trial_id, t.number, t.state::text, t.datetime_start, t.datetime_complete,
           param.names, param.numbers, param.distributions, result.numbers,
           user_attr.keys, user_attr.texts, system_attr.keys, system_attr.texts, curve.steps, curve.numbers
    FROM trials t
    LEFT JOIN LATERAL (
        SELECT array_agg(param_name ORDER BY param_id), array_agg(param_value ORDER BY param_id),
               array_agg(distribution_json ORDER BY param_id)
        FROM trial_params WHERE trial_id = t.trial_id) param(names, numbers, distributions) ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(CASE value_type {_STORED_FLOAT} ELSE value END ORDER BY objective)
        FROM trial_values WHERE trial_id = t.trial_id) result(numbers) ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(key), array_agg(value_json)
        FROM trial_user_attributes WHERE trial_id = t.trial_id) user_attr(keys, texts) ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(key), array_agg(value_json)
        FROM trial_system_attributes WHERE trial_id = t.trial_id) system_attr(keys, texts) ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(step), array_agg(CASE intermediate_value_type {_STORED_FLOAT}
               WHEN 'NAN' THEN 'NaN'::float8 ELSE intermediate_value END)
        FROM trial_intermediate_values WHERE trial_id = t.trial_id) curve(steps, numbers) ON true
    """  # noqa: S608 - the only text put in is the constant above
_OF_STUDY = text(
    f"{_TRIALS} WHERE t.study_id = :study_id AND (t.trial_id > :after OR t.trial_id = ANY(:included)) "
    "ORDER BY t.trial_id"
)
_ONE = text(f"{_TRIALS} WHERE t.trial_id = :trial_id")


class PostgresStorage(RDBStorage):
    """`optuna.storages.RDBStorage` on Postgres, reading trials in one statement."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._study_ids: dict[str, int] = {}

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        wanted = {
            "study_id": study_id,
            "after": trial_id_greater_than,
            "included": sorted(included_trial_ids),
        }
        rows = self._rows(_OF_STUDY, wanted)
        if not rows:
            self.get_study_name_from_id(study_id)  # raises KeyError where there is no such study
        return [trial for trial in map(_frozen_trial, rows) if states is None or trial.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        rows = self._rows(_ONE, {"trial_id": trial_id})
        if not rows:
            raise KeyError(f"no trial has the id {trial_id}")
        return _frozen_trial(rows[0])

    def get_study_id_from_name(self, study_name: str) -> int:
        # Hyperband asks for it at every decision. A name keeps its id for as long as a process knows the study.
        if study_name not in self._study_ids:
            self._study_ids[study_name] = super().get_study_id_from_name(study_name)
        return self._study_ids[study_name]

    def delete_study(self, study_id: int) -> None:
        super().delete_study(study_id)
        self._study_ids = {name: known for name, known in self._study_ids.items() if known != study_id}

    def _rows(self, statement: TextClause, values: dict[str, Any]) -> Sequence[Row[Any]]:
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            return connection.execute(statement, values).all()


def _frozen_trial(row: Sequence[Any]) -> FrozenTrial:
    trial_id, number, state, start, complete, names, numbers, kinds, values, *others = row
    user_keys, user_texts, system_keys, system_texts, steps, curve = others
    distributions = dict(zip(names or (), map(_distribution, kinds or ()), strict=True))
    params = {
        name: distribution.to_external_repr(stored)
        for (name, distribution), stored in zip(distributions.items(), numbers or (), strict=True)
    }
    return FrozenTrial(
        trial_id=trial_id,
        number=number,
        state=TrialState[state],
        value=None,
        values=values,
        datetime_start=_local(start),
        datetime_complete=_local(complete),
        params=params,
        distributions=distributions,
        user_attrs=_decoded(user_keys, user_texts),
        system_attrs=_decoded(system_keys, system_texts),
        intermediate_values=dict(zip(steps or (), curve or (), strict=True)),
    )


@lru_cache(maxsize=1024)
def _distribution(text: str) -> BaseDistribution:
    """One shared object for each distribution: thousands of trials have the same few."""
    return json_to_distribution(text)


def _decoded(keys: Iterable[str] | None, texts: Iterable[str] | None) -> dict[str, Any]:
    return {key: json.loads(text) for key, text in zip(keys or (), texts or (), strict=True)}


def _local(stored: datetime | None) -> datetime | None:
    """Optuna stores naive UTC and shows naive local time."""
    return stored and stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
