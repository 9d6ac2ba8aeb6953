"""The pruning audit, over learning curves of which it is known what pruners do to them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import optuna
import pytest

from search.analysis.audit import audit, own_replay
from search.analysis.health import warnings
from search.analysis.pruning import Audit, Replay, pruner_words
from search.analysis.replay import stops
from search.analysis.results import Results
from search.store.records import TrialRecord
from search.study import StudyDefinition
from search.study.definition import Median
from tests import make_results as made

MEDIAN = {"name": "median", "startup_trials": 5, "warmup_epochs": 3}


def study(**changes: Any) -> StudyDefinition:
    space = {"lr": {"role": "nuisance", "low": 1e-5, "high": 1e-1, "log": True}}
    return made.definition(space, name="audited", training={"epochs": 27}, **changes)


def trial(ticket: int, values: Any, state: str = "complete", **changes: Any) -> TrialRecord:
    curve = {epoch: float(value) for epoch, value in enumerate(values, start=1)}
    return made.trial(
        ticket,
        max(curve.values()) if state == "complete" else None,
        state,
        curve=curve,
        parameters={"lr": 1e-3},
        reason="pruned after epoch 3" if state == "pruned" else None,
        started_at=made.NOW + timedelta(minutes=ticket),
        **changes,
    )


def results(definition: StudyDefinition, records: list[TrialRecord], items: int = 0) -> Results:
    return Results(made.row(definition, validation_items=items), records, {}, [])


def steady(count: int = 20, epochs: int = 27) -> list[TrialRecord]:
    """Curves that never cross; the better, the earlier they start."""
    ramp = 1 - np.exp(-np.arange(1, epochs + 1) / 6)
    return [trial(i, (0.9 - 0.02 * i) * ramp) for i in range(count)]


def late(ticket: int, epochs: int = 27) -> TrialRecord:
    """The worst until two thirds, the best in the end."""
    values = np.full(epochs, 0.01)
    values[2 * epochs // 3 :] = 0.99
    return trial(ticket, values)


def replayed(found: Audit, name: str, least: int) -> Replay:
    (replay,) = [
        each
        for each in found.replays
        if each.pruner["name"] == name
        and least in (each.pruner.get("warmup_epochs"), each.pruner.get("min_resource"))
    ]
    return replay


def test_curves_that_never_cross_can_be_pruned_early() -> None:
    found = audit(results(study(), steady()))
    assert (found.full, found.cut, found.winners) == (20, 0, (0,))
    assert not any(replay.killed for replay in found.replays)
    assert all(correlation.rank == pytest.approx(1) for correlation in found.correlations)
    assert [correlation.epoch for correlation in found.correlations] == [*range(1, 28)]
    assert replayed(found, "hyperband", 1).saved > replayed(found, "hyperband", 9).saved > 0.1
    assert found.recommendation.startswith("From epoch 1 on")
    assert "it would have left the winner and saved" in found.recommendation


def test_a_late_winner_would_have_been_killed_and_it_is_told_when() -> None:
    found = audit(results(study(), [*steady(), late(20)]))
    assert found.winners == (20,)
    median = replayed(found, "median", 9)
    (killed,) = median.killed
    assert (killed.ticket, killed.stage, killed.epoch, killed.value) == (20, "search", 9, 0.99)
    assert replayed(found, "hyperband", 3).killed
    assert found.correlations[0].rank < 0.9 <= found.correlations[-1].rank
    assert found.recommendation.startswith("From epoch 19 on")


def test_where_every_pruner_kills_a_winner_none_is_recommended() -> None:
    found = audit(results(study(), [*steady(), *(late(20 + i) for i in range(3))]))
    assert "Take pruner none" in found.recommendation


def test_what_lies_within_the_noise_of_the_best_is_a_winner_too() -> None:
    assert audit(results(study(), steady(), items=400)).winners == (0,)  # one standard error is 1.5 points
    assert audit(results(study(), steady(), items=100)).winners == (0, 1)


def test_fresh_runs_tell_the_noise_and_are_replayed_last() -> None:
    definition = study(pruner=MEDIAN)
    fresh = [
        replace(late(30 + i), stage="confirm", source=0, seed=i, value=value, started_at=made.NOW)
        for i, value in enumerate((0.80, 0.86))
    ]
    found = audit(results(definition, [*steady(), *fresh]))
    assert found.noise == pytest.approx(np.std([0.80, 0.86], ddof=1))
    assert found.winners == (0, 1, 2)
    (own, *others) = found.replays
    assert own.own
    assert own.pruner == MEDIAN | {"interval": 1}
    assert not any(replay.own for replay in others)
    assert [(killed.ticket, killed.stage) for killed in own.killed] == [(30, "confirm"), (31, "confirm")]
    assert own_replay(results(definition, [*steady(), *fresh])) == own


def test_a_pruner_that_kills_winners_is_warned_of() -> None:
    (warning,) = warnings(results(study(pruner=MEDIAN), [*steady(), late(20)]))
    assert warning.kind == "pruner"
    assert "median, warmup_epochs 3" in warning.message.lower()
    assert "1 of 1 runs of the search's winners, such as trial 20 after epoch 3" in warning.evidence
    assert warnings(results(study(pruner=MEDIAN), steady())) == ()


def test_a_study_without_a_pruner_has_killed_nobody() -> None:
    assert own_replay(results(study(), [*steady(), late(20)])) is None
    assert own_replay(results(study(pruner=MEDIAN), [])) is None


def test_epochs_that_were_not_measured_are_not_saved() -> None:
    """As in event files with a validation every third epoch."""
    sparse = [
        replace(record, curve={epoch: value for epoch, value in record.curve.items() if epoch % 3 == 0})
        for record in steady()
    ]
    for replay in audit(results(study(), sparse)).replays:
        assert 0 < replay.saved < 1


def test_curves_that_were_cut_are_counted_and_the_bias_is_told() -> None:
    cut = [trial(20 + i, [0.1, 0.1, 0.1], "pruned") for i in range(4)]
    failed = trial(24, [], "failed")
    found = audit(results(study(pruner=MEDIAN), [*steady(), *cut, failed]))
    assert (found.full, found.cut) == (20, 4)
    assert "4 curves end early" in found.caveats[-1]
    assert "median" in found.caveats[-1]


def test_lower_may_be_better() -> None:
    definition = study(objective="mse")
    records = [
        replace(record, curve=curve, value=min(curve.values()))
        for record in [*steady(), late(20)]
        for curve in [{epoch: 1 - value for epoch, value in record.curve.items()}]
    ]
    found = audit(results(definition, records))
    assert found.winners == (20,)
    assert [killed.ticket for killed in replayed(found, "median", 9).killed] == [20]
    assert found.correlations[-1].rank > 0.9


def test_few_curves_and_single_epochs_are_not_made_much_of() -> None:
    few = audit(results(study(), steady(4)))
    assert few.recommendation.startswith("Of 4 full learning curves nothing can be said")
    single = audit(results(study(), [trial(i, [0.5]) for i in range(12)]))
    assert (single.full, single.replays, single.correlations) == (0, (), ())
    assert "nothing to replay" in single.recommendation
    constant = audit(results(study(), [trial(i, [0.5] * 27) for i in range(12)]))
    assert constant.correlations == ()


def test_the_replay_is_what_optuna_does_live() -> None:
    records = [trial(i, np.random.default_rng(i).random(27)) for i in range(30)]
    definition = study()
    for pruner, own in (
        (
            Median(name="median", startup_trials=5, warmup_epochs=3, interval=1),
            optuna.pruners.MedianPruner(5, 3, 1),
        ),
        (study(pruner={"name": "hyperband", "min_resource": 3, "max_resource": 27}).pruner, None),
    ):
        live = optuna.create_study(
            study_name="audited", direction="maximize", pruner=own or optuna.pruners.HyperbandPruner(3, 27, 3)
        )
        expected = {}
        for record in records:
            running = live.ask()
            for epoch, value in record.curve.items():
                running.report(value, epoch)
                if epoch < 27 and running.should_prune():
                    expected[record.ticket] = epoch
                    break
            ended = optuna.trial.TrialState.PRUNED if record.ticket in expected else None
            live.tell(running, None if ended else record.value, state=ended)
        assert expected
        assert stops(definition, records[::-1], pruner) == expected


def test_pruners_are_named_as_in_a_study_file() -> None:
    assert pruner_words(MEDIAN) == "median, warmup_epochs 3"
    hyperband = {"name": "hyperband", "min_resource": 2, "max_resource": 60, "reduction_factor": 3}
    assert pruner_words(hyperband) == "hyperband, min_resource 2, max_resource 60"
