"""A fleet's database: studies are registered there, and what became of them is read."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from optuna.trial import FrozenTrial

from search import __version__
from search.settings import Settings
from search.store import studies
from search.store.connection import Store, open_store
from search.store.records import StudyRow, TrialRecord
from search.study import StudyDefinition
from tests.postgres import Postgres

RATES = (0.001, 0.003, 0.01)  # learning rates of the calm study
PAUSE_SECONDS = 0.06  # that a step sleeps: an epoch takes 0.8 s, a trial 5 s


class Records:
    """An empty database of a server.

    calm: the study that others are made after; None where there is none yet.
    """

    def __init__(self, postgres: Postgres, database: str, settings: Settings, calm: StudyRow | None) -> None:
        self.postgres, self.database = postgres, database
        self._settings, self._calm = settings, calm
        postgres.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        postgres.execute(f'CREATE DATABASE "{database}" OWNER search')

    @cached_property
    def store(self) -> Store:
        """The store of this process; it creates the tables."""
        return open_store(self._settings)

    def register(
        self,
        name: str,
        *,
        rates: Sequence[float] = RATES[:1],
        mischief: Sequence[str] = ("none",),
        pause: float = PAUSE_SECONDS,
        dataset: dict[str, Any] | None = None,
    ) -> StudyRow:
        """Registers a grid over learning rates and mischief, as `search launch NAME --workers 0` does."""
        plain = json.loads(self._calm.definition.canonical_json())
        plain |= {"name": name, "budget": {"trials": len(rates) * len(mischief)}}
        plain["space"]["lr"]["choices"] = [*rates]
        plain["space"]["mischief"]["choices"] = [*mischief]
        plain["model"]["pause"] = pause
        if dataset is not None:
            shared = ("validation_share", "split_seed", "bad_share", "image_size")
            plain["dataset"] = {name: plain["dataset"][name] for name in shared} | dataset
        definition = StudyDefinition.from_json(json.dumps(plain))
        self.store.run(
            lambda connection: studies.register(
                connection,
                definition,
                data_fingerprint=self._calm.data_fingerprint if dataset is None else "of other data",
                validation_items=self._calm.validation_items,
                code_version=__version__,
            )
        )
        return self.study(name)

    def study(self, name: str) -> StudyRow:
        return self.store.run(lambda connection: studies.find(connection, name))

    def trials(self, name: str) -> list[TrialRecord]:
        row = self.study(name)
        return self.store.run(lambda connection: studies.records(connection, row))

    def optuna_trials(self, name: str) -> list[FrozenTrial]:
        return self.store.storage.get_all_trials(self.study(name).study_id)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        assert self.store is not None
        return self.postgres.execute(statement, *values, database=self.database)

    def attempts(self, name: str) -> list[dict[str, Any]]:
        """Every attempt at the study's tickets, in order."""
        columns = ("number", "attempt", "worker", "resumed_from", "outcome", "reason")
        rows = self.sql(
            f"SELECT {', '.join(columns)} FROM (SELECT t.number, a.* FROM search_attempts a "
            "JOIN search_tickets t USING (ticket_id) JOIN search_studies s USING (study_id) WHERE s.name = %s) q "
            "ORDER BY number, attempt",
            name,
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def losses(self, name: str) -> list[int]:
        rows = self.sql(
            "SELECT losses FROM search_tickets JOIN search_studies USING (study_id) WHERE name = %s "
            "ORDER BY number",
            name,
        )
        return [losses for (losses,) in rows]

    def seconds(self, name: str) -> dict[tuple[int, int], float]:
        """The wall time of each epoch, by ticket: an epoch trained again would never take the same."""
        rows = self.sql(
            "SELECT t.number, e.epoch, e.seconds FROM search_epochs e JOIN search_tickets t USING (ticket_id) "
            "JOIN search_studies s USING (study_id) WHERE s.name = %s",
            name,
        )
        return {(number, epoch): seconds for number, epoch, seconds in rows}
