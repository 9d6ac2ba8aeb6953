"""What it takes to publish a study, part by part, and how large its report is.

A study of depth and learning rate is put into a store of its own as workers would have left it: 60-epoch trials,
then 5 fresh runs of each of 5 depths, whose models were shown 3,068 test images. Then it is published as a worker
does, without images: once in a fresh process, which also loads the libraries, and once more. There is no peer; the
goals are 15 s and 6 MB for 1,000 trials, 150 kB for their parallel coordinates, and 0.5 s a figure.

    python -m benchmarks.report          about two minutes
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, text

from search.settings import Settings
from search.store import embedded, stages, studies
from search.store.connection import Store, open_store
from search.study import StudyDefinition

T = TypeVar("T")

TRIALS = (60, 1000)
EPOCHS = 60
ITEMS = 3068
RELEASE = (0, 1, 0)
NEVER = 0.0  # seconds that must have passed since the study was last published

_FINISH = """
WITH waiting AS (
    SELECT ticket_id, number, stage, number % 20 = 19 AND stage = 'search' AS failed,
           0.62 + 0.01 * (parameters ->> 'depth')::float - 0.06 * abs(log((parameters ->> 'lr')::numeric) + 3.4)
             + 0.02 * sin(number * 7.3) AS best
    FROM search_tickets WHERE study_id = :study_id AND state = 'waiting'
), new AS (
    INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
    SELECT number, :study_id, CASE WHEN failed THEN 'FAIL' ELSE 'COMPLETE' END::trialstate, now(), now()
    FROM waiting WHERE stage <> 'conclude' RETURNING trial_id, number
), values AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT trial_id, 0, best, 'FINITE' FROM new JOIN waiting USING (number) WHERE NOT failed
), epochs AS (
    INSERT INTO search_epochs (ticket_id, epoch, metrics, seconds, samples_per_second)
    SELECT ticket_id, epoch, jsonb_build_object(
        'accuracy', best * (1 - exp(-epoch / 12.0)) + 0.004 * sin(epoch * 1.7 + number),
        'balanced_accuracy', best * (0.95 - exp(-epoch / 12.0)), 'macro_f1', best * (0.93 - exp(-epoch / 12.0)),
        'validation_loss', 2.1 - best * (1 - exp(-epoch / 12.0)), 'largest_class_share', 0.3,
        'train_loss', 2.0 - 1.2 * (1 - exp(-epoch / 12.0)), 'lr', 0.001 * exp(-epoch / 20.0)), 11.5, 250
    FROM waiting, generate_series(1, :epochs) AS epoch WHERE stage <> 'conclude' AND NOT failed
), attempts AS (
    INSERT INTO search_attempts (ticket_id, attempt, worker, claimed_at, ended_at, outcome)
    SELECT ticket_id, 1, 'worker-' || number % 8, now() + number / 8 * interval '12 minutes',
           now() + (number / 8 + 1) * interval '12 minutes', CASE WHEN failed THEN 'failed' ELSE 'complete' END
    FROM waiting
)
UPDATE search_tickets t
SET state = CASE WHEN failed THEN 'failed' ELSE 'complete' END, attempt = 1, worker = 'worker-' || t.number % 8,
    trial_id = new.trial_id, epoch = CASE WHEN w.stage <> 'conclude' AND NOT failed THEN :epochs END,
    claimed_at = now() + t.number / 8 * interval '12 minutes',
    finished_at = now() + (t.number / 8 + 1) * interval '12 minutes',
    reason = CASE WHEN failed THEN 'CUDA out of memory at a batch of 256' END
FROM waiting w LEFT JOIN new USING (number) WHERE t.ticket_id = w.ticket_id
"""

_PREDICTED = """
INSERT INTO search_predictions (ticket_id, split, digest, predictions)
SELECT ticket_id, 'test', :digest, :predictions FROM search_tickets
WHERE study_id = :study_id AND stage = 'conclude' AND source = :source
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder, "home"), data=Path(folder), results=f"{folder}/results", store=None)
        try:
            for trials in TRIALS:
                name = f"depth_lr_{trials}"
                print(f"{trials:,} trials of {EPOCHS} epochs:", flush=True)
                _alone(fill, settings, name, trials)
                _alone(publish_twice, settings, name)
        finally:
            embedded.stop(settings.home / "postgres")


def _alone(work: Callable[..., None], *arguments: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def fill(settings: Settings, name: str, trials: int) -> None:
    """The study, done, as workers would have left it."""
    from search.analysis.selection import selected

    store = open_store(settings)
    definition = _definition(name, trials)
    study_id = store.run(
        lambda c: studies.register(
            c, definition, data_fingerprint="pixels", validation_items=1227, code_version="0.1.0"
        )
    )
    advance = partial(
        stages.advance,
        study_id=study_id,
        release=RELEASE,
        select=lambda row, records: selected(row.definition, records),
    )
    finish = partial(_finish, study_id=study_id)
    for stage in ("confirm", "conclude", "done"):
        store.run(finish)
        assert store.run(advance) == stage
        if stage == "conclude":
            store.run(partial(_predict, study_id=study_id))
    store.run_statement(lambda c: c.execute(text("ANALYZE")))
    store.close()


def _definition(name: str, trials: int) -> StudyDefinition:
    return StudyDefinition.model_validate(
        {
            "name": name,
            "question": "Does a deeper encoder help once each depth has its own learning rate?",
            "dataset": {"name": "raf_db", "image_size": 112},
            "model": {"name": "clsfer"},
            "objective": "accuracy",
            "training": {"epochs": EPOCHS},
            "space": {
                "depth": {"role": "scientific", "choices": [2, 4, 6, 8, 10]},
                "lr": {"role": "nuisance", "low": 1e-6, "high": 1e-2, "log": True},
                "weight_decay": {"role": "nuisance", "low": 1e-6, "high": 1e-1, "log": True},
                "mixup_alpha": {"role": "nuisance", "low": 0.0, "high": 1.0},
            },
            "sampler": "sobol",
            "budget": {"trials": trials},
        }
    )


def _finish(connection: Connection, study_id: int) -> None:
    connection.execute(text(_FINISH), {"study_id": study_id, "epochs": EPOCHS})


def _predict(connection: Connection, study_id: int) -> None:
    from tests.make_figure_results import predictions

    row = studies.find_by_id(connection, study_id)
    for record in studies.records(connection, row):
        if record.stage == "confirm":
            made = predictions(0.7 + 0.01 * record.parameters["depth"], record.seed, ITEMS)
            facts = {"digest": made.digest(), "predictions": made.to_bytes(), "source": record.ticket}
            connection.execute(text(_PREDICTED), {"study_id": study_id, **facts})


def publish_twice(settings: Settings, name: str) -> None:
    store = open_store(settings)
    _publish(settings, store, name, "in a fresh process")
    seconds, figures = _publish(settings, store, name, "again")
    _print_parts(store, name)
    print(f"  a figure           {seconds / figures:7.2f} s, all parts over {figures} figures")
    page = Path(settings.results, name, "report.html").stat().st_size
    print(f"  page               {page / 1e6:7.2f} MB")
    store.close()


def _publish(settings: Settings, store: Store, name: str, when: str) -> tuple[float, int]:
    row = store.run(lambda c: studies.find(c, name))
    store.run(_forget_stage)
    began, cpu = time.monotonic(), time.process_time()
    from search.analysis.publish import publish_if_due

    files = publish_if_due(store, row, settings.results, every_seconds=NEVER)
    seconds = time.monotonic() - began
    print(f"  {when:18} {seconds:7.2f} s, {time.process_time() - cpu:.2f} s of CPU")
    return seconds, sum("/figures/" in file for file in files)


def _forget_stage(connection: Connection) -> None:
    """Images were drawn when the stage ended: not now."""
    connection.execute(text("UPDATE search_studies SET pictures_at = now(), figures_at = NULL"))


def _print_parts(store: Store, name: str) -> None:
    from search.analysis import health, results
    from search.analysis.conclusion import conclude
    from search.analysis.figures import draw
    from search.analysis.report import Report, write_report

    row = store.run(lambda c: studies.find(c, name))
    found = _timed("reading", lambda: store.run(lambda c: results.read(c, row)))
    conclusion = _timed("conclusion", lambda: conclude(found))
    warnings = _timed("health", lambda: health.warnings(found))
    figures = _timed("figures", lambda: draw(found, conclusion))
    with tempfile.TemporaryDirectory() as folder:
        _timed("report", lambda: write_report(Report(found, conclusion, warnings, figures), Path(folder)))
    size = len(figures["parallel-coordinates"].to_json())
    print(f"  parallel coords    {size / 1e3:7.1f} kB")


def _timed(part: str, work: Callable[[], T]) -> T:
    began = time.monotonic()
    made = work()
    print(f"    {part:16} {time.monotonic() - began:7.2f} s")
    return made


if __name__ == "__main__":
    main()
