"""Clocks, definitions and versions that differ between the machines of a fleet."""

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from search import __version__

from .fleet import Fleet
from .records import RATES
from .search_worker import WAIT_SECONDS
from .unruly import STUDY

pytestmark = pytest.mark.slow


def fake_time_library() -> Path:
    package = importlib.util.find_spec("libfaketime")
    assert package is not None and package.origin is not None
    return next(Path(package.origin).parent.rglob("libfaketime.so.1"))


def test_a_worker_whose_clock_and_time_zone_are_off(fleet: Fleet) -> None:
    fake = {"LD_PRELOAD": str(fake_time_library()), "FAKETIME": "+1d", "DONT_FAKE_MONOTONIC": "1"}
    off = fleet.start(**fake, TZ="Asia/Tokyo", PGTZ="America/New_York")
    _, right = fleet.standing(2)
    fleet.register("clocks", rates=RATES, pause=0.2)
    fleet.wait_until_training("clocks", epochs=1, tickets=2)
    started = datetime.now(UTC)
    fleet.wait_until_done("clocks")
    ended = datetime.now(UTC)

    said = datetime.fromisoformat(json.loads(off.log.splitlines()[-1])["time"])
    assert timedelta(hours=23) < said - ended < timedelta(hours=25), "the clock was not off"
    fleet.check_calm("clocks")
    attempts = fleet.attempts("clocks")
    assert [attempt["outcome"] for attempt in attempts] == ["complete"] * 3
    assert len({attempt["worker"] for attempt in attempts}) == 2
    assert off.is_up and right.is_up

    begun = started - timedelta(seconds=60)
    ours = "SELECT claimed_at, finished_at FROM search_tickets"
    optunas = "SELECT datetime_start AT TIME ZONE 'UTC', datetime_complete AT TIME ZONE 'UTC' FROM trials"
    for start, end in fleet.sql(ours) + fleet.sql(optunas):
        assert begun < start < end <= ended


def test_two_definitions_launched_under_one_name_at_once(fleet: Fleet) -> None:
    files = []
    for rates in ("[0.001, 0.003, 0.01]", "[0.001, 0.02]"):
        study = STUDY.replace("name: calm", "name: contested").replace("[0.001, 0.003, 0.01]", rates)
        study = study.replace("trials: 3", f"trials: {len(json.loads(rates))}")
        files.append(fleet.folder / f"{len(files)}.yaml")
        files[-1].write_text(study)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    with fleet.store.storage.engine.begin() as connection:  # holds both up at the moment of registering
        connection.execute(text("LOCK TABLE studies IN ACCESS EXCLUSIVE MODE"))
        launches = [fleet.begin("launch", str(file), "--workers", "0") for file in files]
        fleet.wait(lambda: fleet.sql(waiting, fleet.database) == [(2,)], "two launches")
    outputs = [launch.communicate(timeout=WAIT_SECONDS)[0] for launch in launches]
    codes = [launch.returncode for launch in launches]
    assert sorted(codes) == [0, 2], outputs
    winner, refusal = codes.index(0), outputs[codes.index(2)]
    assert "study 'contested' is in the store with another definition" in refusal
    assert "space.lr.choices: " in refusal
    assert "Traceback" not in refusal
    row = fleet.study("contested")
    assert row.tickets == row.definition.budget.trials == (3, 2)[winner]
    assert fleet.sql("SELECT count(*) FROM studies") == fleet.sql("SELECT count(*) FROM search_studies") == [(1,)]


def test_a_worker_of_an_older_version(fleet: Fleet) -> None:
    fleet.register("newer")
    fleet.sql("UPDATE search_studies SET code_version = '99.0.0' WHERE name = 'newer'")
    refusal = fleet.start("--study", "newer").leaves(2).splitlines()[-1]
    assert refusal.startswith(f"search: study 'newer' was registered by search 99.0.0, and this is {__version__}")
    assert "upgrade" in refusal
    fleet.standing(1)
    note = f"study newer needs search 99.0.0, this is {__version__}: upgrade"
    fleet.wait(lambda: any(note == there["note"] for there in status(fleet)), "the note")
    fleet.register("older")
    fleet.wait_until_done("older")
    fleet.check_calm("older")
    assert fleet.trials("newer")[0].state == "waiting"
    assert fleet.attempts("newer") == []


def status(fleet: Fleet) -> list[dict[str, object]]:
    workers: list[dict[str, object]] = json.loads(fleet.run("status", "--json"))["workers"]
    return workers
