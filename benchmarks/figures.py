"""Figures: how large they are, and what drawing and publishing them costs.

A study of 1,000 trials over six parameters, of up to 60 epochs each, is put into a Postgres of its own. Printed
are the size of each figure, and the seconds, medians of five, that it takes to read the study, to draw all its
figures, to write their pages, and to publish it whole, with its report, as a worker does in a thread beside its
training; and those of this process's processor, of which training goes without. No browser draws anything here.

    python -m benchmarks.figures          about a minute
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from search.analysis import results
from search.analysis.conclusion import conclude
from search.analysis.figures import DASHBOARD, draw
from search.analysis.pages import division, scripts, write_pages
from search.analysis.publish import publish
from search.settings import Settings
from search.store import studies
from search.store.connection import open_store
from search.store.records import TrialRecord
from tests.make_figure_results import LR, many, study
from tests.postgres import Postgres

TRIALS, EPOCHS = 1000, 60
STATES = ("complete", "pruned", "complete", "failed", "pruned")
REPEATS = 5
SPACE: dict[str, Any] = {
    "depth": {"role": "scientific", "choices": [2, 4, 6, 8]},
    "lr": LR,
    "weight_decay": LR,
    "batch_size": {"role": "nuisance", "low": 16, "high": 512, "log": True, "integer": True},
    "attn_drop": {"role": "nuisance", "low": 0.0, "high": 0.5},
    "block": {"role": "nuisance", "choices": ["vit", "cls"]},
}

_ENDED = text(
    """
    UPDATE search_tickets SET state = :state, attempt = 1, parameters = CAST(:parameters AS jsonb), worker = 'w',
        reason = :reason, claimed_at = now(), finished_at = now(), epoch = :epochs
    WHERE number = :number
    """
)

_ATTEMPT = text(
    """
    INSERT INTO search_attempts (ticket_id, attempt, worker, claimed_at, ended_at, outcome)
    SELECT ticket_id, 1, 'w' || number % 4, now() + number / 4 * interval '1 minute',
           now() + (number / 4 + 0.9) * interval '1 minute', state
    FROM search_tickets
    """
)

_EPOCHS = text(
    """
    INSERT INTO search_epochs (ticket_id, epoch, metrics, seconds, samples_per_second)
    SELECT ticket_id, :epoch, jsonb_build_object('accuracy', CAST(:value AS float8)), 1, 1
    FROM search_tickets WHERE number = :number
    """
)


def main() -> None:
    definition = study(SPACE, budget={"trials": TRIALS})
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder) / "postgres") as server:
        place = Path(folder) / "results"
        settings = Settings(
            home=Path(folder),
            data=Path(folder),
            results=str(place),
            store=server.url,
            lease_seconds=60.0,
            stall_seconds=600.0,
        )
        store = open_store(settings)

        def register(connection: Connection) -> None:
            studies.register(
                connection, definition, data_fingerprint="", validation_items=400, code_version="0.1.0"
            )
            fill(connection, many(definition, TRIALS, EPOCHS, STATES))

        store.run(register)
        row = store.run(lambda connection: studies.find(connection, definition.name))
        found = store.run(lambda connection: results.read(connection, row))
        figures = draw(found, conclude(found))
        for name, figure in figures.items():
            where = " (in the dashboard, too)" if name in DASHBOARD else ""
            print(f"{len(str(figure.to_json())) / 1000:8.0f} KB  {name}{where}")
        page = len(scripts()) + sum(len(division(figure)) for figure in figures.values())
        print(f"{page / 1e6:8.2f} MB  one page with all of them")
        place.mkdir()
        timed("read the study", lambda: store.run(lambda connection: results.read(connection, row)))
        timed("draw all figures", lambda: draw(found, conclude(found)))
        timed("write their pages", lambda: write_pages(figures, place))
        timed("publish", lambda: publish(store, definition.name, str(place)))
        store.close()


def fill(connection: Connection, records: Sequence[TrialRecord]) -> None:
    """Ends the tickets as the records say."""
    for record in records:
        told = {"number": record.ticket, "state": record.state, "reason": record.reason}
        told |= {"parameters": json.dumps(record.parameters), "epochs": record.epoch}
        connection.execute(_ENDED, told)
        epochs = [{"number": record.ticket, "epoch": e, "value": value} for e, value in record.curve.items()]
        if epochs:
            connection.execute(_EPOCHS, epochs)
    connection.execute(_ATTEMPT)


def timed(what: str, work: Callable[[], object]) -> None:
    """Prints the median of the seconds it takes, and of this process's processor."""
    took = []
    for _ in range(REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        took.append((time.perf_counter() - wall, time.process_time() - processor))
    wall, processor = (statistics.median(times) for times in zip(*took, strict=True))
    print(f"{wall:8.2f} s   {what} ({processor:.2f} s of the processor)")


if __name__ == "__main__":
    main()
