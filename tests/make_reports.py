"""Results and conclusions made by hand, as the store and the statistics hand them over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from search.analysis.findings import Comparison, Conclusion, Configuration, HealthWarning, Level, Spread
from search.analysis.results import Results
from search.store.readings import Reading
from search.store.records import Context, Origin, SplitFacts, StudyRow, TrialRecord
from search.study import StudyDefinition
from tests import make_records

BEGAN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
HOSTILE = (
    "<img src=x onerror=alert(1)> $x$ %{y} **bold** [a](javascript:alert(1)) \\input{/etc/passwd} & # _ ^ ~ | `c`"
)


def make_study(**changes: Any) -> StudyDefinition:
    return make_records.make_definition(
        **{
            "question": "Does depth help?",
            "dataset": {"name": "synthetic_faces", "image_size": 48, "root": "/home/somebody/faces"},
            "model": {"name": "clsfer", "block": "cls"},
            "objective": "accuracy",
            "training": {"epochs": 3},
            "space": {
                "depth": {"role": "scientific", "choices": [2, 8]},
                "lr": {"role": "nuisance", "grid": "4 points from 1e-5 to 1e-2, log"},
            },
            "sampler": "grid",
            "pruner": {"name": "hyperband", "min_resource": 1, "max_resource": 3},
            "budget": {"trials": 8},
            "confirm": {"seeds": 3},
        }
        | changes
    )


def make_record(ticket: int, curve: Sequence[float] = (0.3, 0.6, 0.5), **changes: Any) -> TrialRecord:
    facts: dict[str, Any] = {
        "parameters": {"depth": 2, "lr": 1e-4},
        "seconds": 60.0 * len(curve),
        "epoch_seconds": dict.fromkeys(range(1, len(curve) + 1), 60.0),
        "worker": "worker-1",
        "started_at": BEGAN + timedelta(minutes=5 * ticket),
        "finished_at": BEGAN + timedelta(minutes=5 * ticket + 4),
    }
    return replace(make_records.make_record(ticket, dict(enumerate(curve, start=1)), **facts), **changes)


def make_row(definition: StudyDefinition, records: Sequence[TrialRecord], **changes: Any) -> StudyRow:
    states = [record.state for record in records]
    epochs, seconds = sum(len(record.curve) for record in records), sum(record.seconds for record in records)
    facts: dict[str, Any] = {
        "stage_at": BEGAN,
        "created_at": BEGAN,
        "data_fingerprint": "f1ngerpr1nt",
        "stage_counts": {"search": {state: states.count(state) for state in set(states)}},
        "epochs": epochs,
        "seconds": seconds,
        "search_epochs": epochs,
        "search_seconds": seconds,
        "context": Context(
            splits={name: SplitFacts(items=items, hash=f"hash-of-{name}") for name, items in SPLITS.items()},
            versions={"python": "3.11.7", "torch": "2.9.0"},
        ),
    }
    return make_records.make_row(definition, **facts | changes)


SPLITS = {"train": 3600, "validation": 400, "test": 300}


def spread(*values: float) -> Spread:
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    margin = 4.303 * deviation / len(values) ** 0.5
    return Spread(values, mean, deviation, mean - margin, mean + margin)


def make_done(definition: StudyDefinition | None = None) -> tuple[Results, Conclusion, list[HealthWarning]]:
    """A study that is done: 8 trials, 3 fresh runs of each depth, depth 8 better than depth 2."""
    study = definition or make_study()
    rates = [1e-5, 1e-4, 1e-3, 1e-2]
    searched = [
        make_record(i, (0.3, 0.5 + 0.02 * i, 0.4), parameters={"depth": 2 if i < 4 else 8, "lr": rates[i % 4]})
        for i in range(6)
    ]
    searched.append(
        make_record(6, (0.2,), state="pruned", reason="pruned after epoch 1", parameters={"depth": 8, "lr": 1e-3})
    )
    searched.append(
        make_record(
            7, (), state="pruned", reason="the loss is nan at step 12", parameters={"depth": 8, "lr": 1e-2}
        )
    )
    confirmed, concluded, judged = [], [], {2: (0.70, 0.71, 0.72), 8: (0.80, 0.81, 0.79)}
    for i, (depth, source) in enumerate({2: 3, 8: 5}.items()):
        for seed in range(3):
            number = 8 + 3 * i + seed
            value = judged[depth][seed] - 0.05
            parameters = searched[source].parameters
            confirmed.append(
                make_record(
                    number,
                    (0.3, value, value - 0.01),
                    stage="confirm",
                    source=source,
                    seed=101 + seed,
                    parameters=parameters,
                )
            )
            concluded.append(
                make_record(number + 6, (), stage="conclude", source=number, parameters=parameters, trial=None)
            )
    records = [*searched, *confirmed, *concluded]
    readings = [
        Reading(record.source or 0, 1, "worker-1", BEGAN + timedelta(hours=2), "complete") for record in concluded
    ]
    results = Results(make_row(study, records), records, {}, readings)
    levels = tuple(
        Level(
            values={"depth": depth},
            name=f"depth (blocks) {depth}",
            trials=4,
            infeasible=int(depth == 8),
            best=max(record.value or 0 for record in searched if record.parameters["depth"] == depth),
            configurations=(
                Configuration(
                    parameters=searched[source].parameters,
                    searched=searched[source].value or 0,
                    tickets=tuple(8 + 3 * i + seed for seed in range(3)),
                    failed=0,
                    validation=spread(*(value - 0.05 for value in judged[depth])),
                    judged=spread(*judged[depth]),
                ),
            ),
        )
        for i, depth, source in ((1, 8, 5), (0, 2, 3))
    )
    comparison = Comparison(
        better="depth (blocks) 8",
        worse="depth (blocks) 2",
        difference=0.09,
        margin=0.023,
        p_seeds=0.00043,
        p_items=0.0125,
        items_test="exact McNemar",
        p=0.0125,
        effect=7.2,
        distinguishable=True,
        seeds_needed=None,
        sentence="depth (blocks) 8 beats depth (blocks) 2 by 9.00 ± 2.30 points on test.",
    )
    conclusion = Conclusion(
        answer="Depth helps: depth (blocks) 8 beats depth (blocks) 2 by 9.00 ± 2.30 points of accuracy on test.",
        stage="done",
        judged_on="test",
        items=300,
        levels=levels,
        comparisons=(comparison,),
        established=True,
        ties=(),
        noise=0.01,
        optimism=0.02,
        readings=6,
        caveats=("All runs share one data split.",),
    )
    warnings = [
        HealthWarning(
            "edge", "The best learning rate is near the edge of its range.", "4 of the 5 best are at 1e-2."
        ),
    ]
    return results, conclusion, warnings


def make_searching(records: Sequence[TrialRecord] = (), **changes: Any) -> tuple[Results, Conclusion]:
    """A study in its search, with nothing concluded."""
    study = make_study(**changes)
    results = Results(make_row(study, records, stage="search"), records, {}, [])
    answer = "Nothing can be said yet: the search goes on."
    return results, Conclusion(answer, "search", "test", None, (), (), False, (), None, None, 0, ())


def make_imported() -> tuple[Results, Conclusion]:
    """Hand-run results, each a single run, measured on the test split."""
    study = make_study(
        name="by_hand",
        question="CLS or ViT?",
        space={"block": {"role": "scientific", "choices": ["cls", "vit"]}},
        sampler="imported",
        pruner={"name": "none"},
    )
    records = [
        make_record(i, (value,), parameters={"block": block}, worker=None, started_at=None, finished_at=None)
        for i, (block, value) in enumerate((("cls", 0.854), ("vit", 0.836)))
    ]
    origin = Origin(
        source="001_lr_model_accuracy.csv",
        sha256="ab" * 32,
        judged_on="test",
        items=3068,
        notes=("The best epoch on the test split was reported.",),
    )
    context = Context(origin=origin)
    results = Results(make_row(study, records, context=context, validation_items=3068), records, {}, [])
    levels = tuple(
        Level({"block": block}, f"block {block}", 1, 0, value, ())
        for block, value in (("cls", 0.854), ("vit", 0.836))
    )
    answer = "It is not established that block cls beats block vit: each was run once."
    return results, Conclusion(answer, "done", "test", 3068, levels, (), False, ("block vit",), None, None, 0, ())
