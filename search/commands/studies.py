"""Commands that tell of workers and studies, and steer them."""

from argparse import Namespace
from dataclasses import asdict
from typing import Any

from search import console
from search.settings import Settings
from search.store import studies, workers
from search.store.connection import open_store
from search.store.records import StudyRow, StudyState
from search.store.workers import WorkerRecord


def list_studies(arguments: Namespace, settings: Settings) -> int:
    store = open_store(settings)
    rows = store.run(studies.everyone)
    if arguments.json:
        console.show_json([_plain(row) for row in rows])
    else:
        console.show(console.study_table(rows))
    return 0


def status(arguments: Namespace, settings: Settings) -> int:
    store = open_store(settings)
    there = store.run(lambda connection: workers.everyone(connection, study=arguments.study))
    if arguments.study is None:
        return _fleet_status(store.run(studies.everyone), there, settings, as_json=arguments.json)
    row = store.run(lambda connection: studies.find(connection, arguments.study))
    trials = store.run(lambda connection: studies.records(connection, row))
    if arguments.json:
        best = console.best_trial(row, trials)
        console.show_json(
            _plain(row) | {"best": best and asdict(best), "workers": [asdict(each) for each in there]}
        )
    else:
        console.show(console.status_table(row, trials, there))
    return 0


def show(arguments: Namespace, settings: Settings) -> int:
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, arguments.study))
    trials = store.run(lambda connection: studies.records(connection, row))
    if arguments.json:
        console.show_json([asdict(trial) for trial in trials])
    else:
        console.show(console.trial_table(row, trials))
    return 0


def pause(arguments: Namespace, settings: Settings) -> int:
    return _set_state(arguments, settings, "paused")


def resume(arguments: Namespace, settings: Settings) -> int:
    return _set_state(arguments, settings, "open")


def stop(arguments: Namespace, settings: Settings) -> int:
    return _set_state(arguments, settings, "stopped")


def _fleet_status(rows: list[StudyRow], there: list[WorkerRecord], settings: Settings, *, as_json: bool) -> int:
    if as_json:
        console.show_json({"workers": [asdict(each) for each in there], "studies": [_plain(row) for row in rows]})
    else:
        console.show(console.worker_table(there, lease_seconds=settings.lease_seconds))
        console.show(console.study_table(rows))
    return 0


def _set_state(arguments: Namespace, settings: Settings, state: StudyState) -> int:
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, arguments.study))
    store.run(lambda connection: studies.set_state(connection, row, state))
    if arguments.json:
        console.show_json({"study": row.name, "state": state})
    else:
        print(f"study {row.name} is {state}")
    return 0


def _plain(row: StudyRow) -> dict[str, Any]:
    return asdict(row) | {
        "definition": row.definition.model_dump(mode="json"),
        "context": row.context.model_dump(mode="json"),
        "counts": row.counts,
        "is_done": row.is_done,
    }
