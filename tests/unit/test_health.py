"""What makes an outcome doubtful is warned of, and nothing else is."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search.analysis.findings import HealthWarning
from search.analysis.health import warnings
from search.analysis.results import Results
from search.store.records import TrialRecord
from tests.make_results import confirmed, definition, notebook, row, trial

SPACE = {
    "depth": {"role": "scientific", "choices": [2, 4, 8]},
    "lr": {"role": "nuisance", "low": 1e-6, "high": 1e-2, "log": True},
}
VA = {"ccc_valence": 0.5, "ccc_arousal": 0.4, "mse": 0.1}


def searched(
    value: Callable[[int, float], float], count: int = 60, space: dict[str, Any] | None = None, **changes: Any
) -> Results:
    """A search over depth and learning rate whose trials are as good as `value` of these says."""
    generator = np.random.default_rng(0)
    study = definition(space or SPACE, **changes)
    records = []
    for i in range(count):
        depth, lr = (2, 4, 8)[i % 3], 10 ** generator.uniform(-6, -2)
        reached = value(depth, lr) + generator.normal(0, 0.003)
        records.append(trial(i, reached, parameters={"depth": depth, "lr": lr}))
    return Results(row(study), records, {}, [])


def inside(depth: int, lr: float) -> float:
    """Best at depth 4 and 1e-4."""
    return 0.8 - 0.05 * abs(math.log10(lr) + 4) - 0.02 * abs(math.log2(depth) - 2)


def with_curves(
    results: Results, metrics: Callable[[TrialRecord, int], dict[str, float]], epochs: int = 10
) -> Results:
    records = [
        replace(record, epochs={epoch: metrics(record, epoch) for epoch in range(1, epochs + 1)})
        for record in results.records
    ]
    return replace(results, records=records)


def of(kind: str, results: Results) -> HealthWarning:
    (found,) = [warning for warning in warnings(results) if warning.kind == kind]
    assert found.message.endswith(".") and found.evidence.endswith(".")
    return found


# A healthy study


def test_a_healthy_study_is_warned_of_nothing() -> None:
    assert warnings(searched(inside)) == ()
    assert warnings(confirmed({2: 0.80, 4: 0.84, 8: 0.82})) == ()


def test_healthy_curves_are_warned_of_nothing() -> None:
    def metrics(record: TrialRecord, epoch: int) -> dict[str, float]:
        loss = 1.5 / epoch + 0.3
        return {
            "accuracy": 0.8,
            "balanced_accuracy": 0.71,
            "largest_class_share": 0.4,
            "validation_loss": loss + 0.01 * (epoch == 10),
            "train_loss": loss - 0.1,
            **VA,
        }

    assert warnings(with_curves(searched(inside), metrics)) == ()


def test_nothing_is_warned_of_before_there_is_something() -> None:
    study = definition()
    assert warnings(Results(row(study, "search"), [], {}, [])) == ()
    waiting = [trial(i, None, "waiting", parameters={}) for i in range(20)]
    assert warnings(Results(row(study, "search"), waiting, {}, [])) == ()
    assert warnings(Results(row(study, "search"), [trial(0, 0.5)], {}, [])) == ()


# Where was looked


@pytest.mark.parametrize(("slope", "end"), [(0.05, "higher"), (-0.05, "lower")])
def test_the_best_value_on_the_edge_of_a_range(slope: float, end: str) -> None:
    found = of("edge", searched(lambda depth, lr: 0.7 + slope * math.log10(lr)))
    assert (
        found.message
        == f"The best learning rate is at the {end} edge of what was searched; a {end} one may be better."
    )
    assert "leads the best with learning rate" in found.evidence
    assert "points" in found.evidence


def test_the_best_value_at_the_end_of_numbers_that_are_listed() -> None:
    found = of("edge", searched(lambda depth, lr: inside(4, lr) + 0.02 * depth))
    assert "best depth is at the higher edge" in found.message
    assert "depth 8 leads the best with depth 4 by 7.4 points" in found.evidence


def test_categories_have_no_edge_and_nothing_lies_below_0() -> None:
    space = {"depth": {"role": "scientific", "choices": ["a", "b", "c"]}, "lr": SPACE["lr"]}
    results = searched(lambda depth, lr: inside(4, lr) - 0.02 * depth)
    named = [
        replace(
            record, parameters=record.parameters | {"depth": {2: "a", 4: "b", 8: "c"}[record.parameters["depth"]]}
        )
        for record in results.records
    ]
    assert warnings(Results(row(definition(space)), named, {}, [])) == ()
    zero = {"depth": {"role": "scientific", "choices": [0, 4, 8]}, "lr": SPACE["lr"]}
    natural = [
        replace(record, parameters=record.parameters | {"depth": {2: 0, 4: 4, 8: 8}[record.parameters["depth"]]})
        for record in results.records
    ]
    assert warnings(Results(row(definition(zero)), natural, {}, [])) == ()


def test_an_edge_no_better_than_luck_is_none() -> None:
    assert warnings(searched(lambda depth, lr: 0.8)) == ()


def test_the_notebooks_best_learning_rate_is_its_lowest() -> None:
    (found,) = warnings(notebook())
    assert found.message.startswith("The best learning rate is at the lower edge")
    assert "learning rate 3.2e-6" in found.evidence


def test_where_trials_diverge() -> None:
    results = searched(inside)
    reason = "the training loss is nan at step 3 of epoch 1"
    records = [
        replace(record, state="pruned", reason=reason) if record.parameters["lr"] > 1e-3 else record
        for record in results.records
    ]
    found = of("diverged", replace(results, records=records))
    diverged = sum(record.is_infeasible for record in records)
    assert found.message.startswith(
        f"{diverged} of 60 trials diverged or failed, most of them with learning rate of "
    )
    assert reason in found.evidence
    assert " 0 of " in found.evidence or " 1 of " in found.evidence or " 2 of " in found.evidence


def test_trials_that_the_pruner_stops_have_not_diverged() -> None:
    results = searched(inside)
    pruned = [replace(record, state="pruned", reason="pruned after epoch 2") for record in results.records]
    assert not [warning for warning in warnings(replace(results, records=pruned)) if warning.kind == "diverged"]


def test_failures_anywhere() -> None:
    results = searched(inside)
    failed = [
        replace(record, state="failed", reason="out of memory\nmore") if i % 7 == 0 else record
        for i, record in enumerate(results.records)
    ]
    found = of("diverged", replace(results, records=failed))
    assert found.evidence == "They are spread over the space; such as: out of memory."


# Long enough


def test_a_budget_whose_end_still_brought_much() -> None:
    records = [trial(i, 0.5, parameters={"depth": 4, "lr": 1e-4}) for i in range(19)]
    records.append(trial(19, 0.9, parameters={"depth": 4, "lr": 1e-4}))
    results = Results(row(definition()), records, {}, [])
    found = of("budget", results)
    assert found.message == "For depth 4, the best of n trials is still rising: more trials may find better."
    assert found.evidence == (
        "The last 4 of 20 trials brought 8.0 points, where runs differ by 0.9 points by luck."
    )
    assert not warnings(replace(results, row=row(definition(), "search")))


def test_a_sampler_that_learns_is_judged_by_what_its_last_trials_found() -> None:
    study = definition(sampler="tpe")
    early = [0.5, 0.9, *[0.5] * 18]
    records = [trial(i, value, parameters={"depth": 4, "lr": 1e-4}) for i, value in enumerate(early)]
    assert not warnings(Results(row(study), records, {}, []))
    late = [trial(i, value, parameters={"depth": 4, "lr": 1e-4}) for i, value in enumerate(reversed(early))]
    assert "brought 40 points" in of("budget", Results(row(study), late, {}, [])).evidence


def test_a_predictor_that_knows_one_class() -> None:
    def metrics(record: TrialRecord, epoch: int) -> dict[str, float]:
        return {"largest_class_share": 1.0 if record.parameters["lr"] > 1e-3 else 0.4}

    found = of("collapse", with_curves(searched(inside), metrics))
    assert "predict a single class for every image" in found.message
    assert "with learning rate of " in found.evidence
    assert "100 % of its predictions are one class" in found.evidence


def test_a_constant_class_shows_in_the_balanced_accuracy() -> None:
    found = of("collapse", with_curves(searched(inside), lambda record, epoch: {"balanced_accuracy": 1 / 7}))
    assert found.message.startswith("60 of 60 complete trials predict")
    assert "balanced accuracy is exactly 1/7" in found.evidence


def test_a_loss_that_falls_while_nothing_is_learnt() -> None:
    results = with_curves(searched(inside), lambda record, epoch: {**VA, "ccc_valence": 0.01, "mse": 0.5 / epoch})
    found = of("ccc", results)
    assert "concordance (CCC) near 0" in found.message
    assert "mean squared error falls from 0.5 to 0.05, and its CCC ends at 0.010" in found.evidence


def test_units_that_are_never_found() -> None:
    silent = with_curves(searched(inside), lambda record, epoch: {"au_f1": 0.0, "au_total": 0.4})
    definition = silent.definition.model_copy(update={"objective": "au_f1"})
    found = of("collapse", replace(silent, row=replace(silent.row, definition=definition)))
    assert not warnings(silent)  # units beside the expressions that are judged
    assert found.message.startswith("60 of 60 complete trials never find an action unit that is there")
    assert "its mean action-unit F1 is 0 after 10 epochs" in found.evidence
    assert not warnings(with_curves(searched(inside), lambda record, epoch: {"au_f1": 0.01}))


def test_a_sign_turned_round() -> None:
    found = of("sign", with_curves(searched(inside), lambda record, epoch: {**VA, "ccc_arousal": -0.4}))
    assert "ends at -0.400" in found.evidence


def test_the_best_trial_that_overfits() -> None:
    def metrics(record: TrialRecord, epoch: int) -> dict[str, float]:
        return {"train_loss": 1 / epoch, "validation_loss": 1 + 0.1 * abs(epoch - 4)}

    found = of("overfitting", with_curves(searched(inside), metrics))
    assert "after epoch 4" in found.message
    assert "rises from 1 at epoch 4 to 1.6 at epoch 10" in found.evidence
    assert "falls from 0.25 to 0.1" in found.evidence


def test_one_odd_trial_of_many_is_worth_no_warning() -> None:
    def metrics(record: TrialRecord, epoch: int) -> dict[str, float]:
        return {"largest_class_share": 1.0 if record.ticket == 0 else 0.4}

    assert warnings(with_curves(searched(inside), metrics)) == ()
