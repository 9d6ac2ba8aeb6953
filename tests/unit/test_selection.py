"""Which configurations of a search are confirmed, and how trials fall into levels."""

from dataclasses import replace
from typing import Any

import pytest

from search.analysis.levels import BUCKETS, by_level, level_name, level_of, level_values
from search.analysis.selection import selected
from search.store.records import TrialRecord
from search.study import StudyDefinition
from tests import make_figure_results
from tests.make_records import make_record

LR = {"role": "nuisance", "grid": "5 points from 1e-5 to 1e-1, log"}
DEPTH = {"role": "scientific", "choices": [8, 2]}


def study(space: dict[str, Any] | None = None, **confirm: int) -> StudyDefinition:
    return make_figure_results.study(space or {"depth": DEPTH, "lr": LR}, confirm=confirm)


def trial(ticket: int, value: float | None, state: str = "complete", **parameters: Any) -> TrialRecord:
    curve = {} if value is None else {1: value / 2, 2: value, 3: value / 3}
    reason = "pruned after epoch 3" if state == "pruned" else None
    return make_record(ticket, curve, state=state, parameters=parameters, value=value, reason=reason)


def over_rates(*values: float | None, depth: int = 8, first: int = 0) -> list[TrialRecord]:
    rates = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    return [trial(first + i, value, depth=depth, lr=rates[i]) for i, value in enumerate(values)]


def chosen(definition: StudyDefinition, records: list[TrialRecord]) -> list[int]:
    return [record.ticket for record in selected(definition, records)]


def test_the_middle_of_a_good_region_is_chosen_and_not_the_lucky_trial() -> None:
    assert chosen(study(), over_rates(0.9, 0.1, 0.7, 0.8, 0.75)) == [3]


def test_each_scientific_value_has_its_own_choice_in_the_order_of_the_values() -> None:
    records = over_rates(0.5, 0.8, 0.9, 0.7, 0.1, depth=2) + over_rates(0.1, 0.2, 0.3, 0.2, 0.1, first=5)
    assert chosen(study(), records) == [7, 2]


def test_more_configurations_and_fewer_values_can_be_asked_for() -> None:
    records = over_rates(0.5, 0.8, 0.9, 0.7, 0.1, depth=2) + over_rates(0.1, 0.2, 0.3, 0.2, 0.1, first=5)
    assert chosen(study(configurations=2), records) == [7, 6, 2, 1]
    assert chosen(study(values=1), records) == [2]


def test_complete_trials_come_before_pruned_ones_and_those_before_none() -> None:
    stopped = [
        replace(record, state="pruned", reason="pruned after epoch 3") for record in over_rates(0.9, 0.9, 0.9)
    ]
    complete = replace(stopped[0], ticket=9, state="complete", parameters={"depth": 8, "lr": 1e-1})
    assert chosen(study(), stopped) == [0]
    assert chosen(study(), [*stopped, complete]) == [9]


def test_what_diverged_or_failed_is_never_chosen() -> None:
    diverged = replace(
        trial(0, 0.9, "pruned", depth=8, lr=1e-3), reason="epoch 4, step 1: the training loss is nan"
    )
    failed = trial(1, None, "failed", depth=8, lr=1e-2)
    assert diverged.is_infeasible and failed.is_infeasible
    assert chosen(study(), [diverged, failed]) == []
    assert not trial(2, 0.5, "pruned", depth=8, lr=1e-3).is_infeasible


def test_a_neighbour_without_an_epoch_counts_as_the_worst() -> None:
    assert chosen(study(), over_rates(0.8, 0.7, 0.6, 0.9, None)) == [0]


def test_a_neighbour_that_was_stopped_counts_as_far_behind_as_it_was_then() -> None:
    """Its value of an early epoch is no measure of what it would have come to."""
    records = over_rates(0.60, 0.70, 0.72, 0.50, 0.40)  # each reaches half of its value in its first epoch
    stopped = [
        replace(record, state="pruned", reason="pruned after epoch 1", curve={1: record.curve[1]})
        for record in (records[1], records[3])
    ]
    assert chosen(study(), [records[0], stopped[0], records[2], stopped[1], records[4]]) == [2]


def test_values_are_ranked_by_what_their_best_trial_came_to() -> None:
    sharp = over_rates(0.1, 0.2, 0.9, 0.2, 0.1, depth=2)
    flat = over_rates(0.6, 0.6, 0.6, 0.6, 0.6, first=5)
    assert chosen(study(values=1), [*sharp, *flat]) == [2]


def test_without_nuisance_parameters_the_best_trial_stands_for_its_value() -> None:
    definition = study({"depth": DEPTH})
    assert chosen(definition, [trial(0, 0.3, depth=8), trial(1, 0.4, depth=8), trial(2, 0.2, depth=2)]) == [1, 2]


def test_without_scientific_parameters_there_is_one_level() -> None:
    definition = study({"lr": LR})
    records = [trial(i, value, lr=10.0**-i) for i, value in enumerate((0.1, 0.2, 0.3), start=1)]
    assert [*by_level(definition, records)] == [()]
    assert level_name(definition, {"lr": 0.1}) == "the configuration"
    assert chosen(definition, records) == [3]


def test_a_scientific_parameter_with_a_single_value_names_no_level() -> None:
    block = {"role": "scientific", "choices": ["cls"]}
    both = {"block": "cls", "depth": 8}
    assert level_values(study({"block": block, "depth": DEPTH}), both) == {"depth": 8}
    assert level_values(study({"block": block}), both) == {"block": "cls"}


def test_other_directions_other_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = study({"depth": DEPTH, "block": {"role": "nuisance", "choices": ["vit", "cls"]}})
    definition = definition.model_copy(update={"objective": "mse"})
    records = [
        trial(i, value, depth=8, block=block) for i, (value, block) in enumerate([(0.5, "vit"), (0.2, "cls")])
    ]
    for record in records:
        assert max(record.curve.values()) == record.value
    assert chosen(definition, records) == [1]


def test_trials_of_later_stages_choose_nothing() -> None:
    assert chosen(study(), [replace(trial(0, 0.9, depth=8, lr=1e-3), stage="confirm")]) == []


def test_levels_are_values_or_buckets_of_a_range() -> None:
    definition = study({"lr": {"role": "scientific", "low": 1e-5, "high": 1.0, "log": True}})
    keys = [level_of(definition, {"lr": value}) for value in (1e-5, 9e-5, 1.1e-4, 0.9, 1.0)]
    assert keys == [(0,), (0,), (1,), (BUCKETS - 1,), (BUCKETS - 1,)]
    few = study({"heads": {"role": "scientific", "low": 1, "high": 4, "integer": True}})
    assert level_of(few, {"heads": 3}) == (2,)
    assert level_name(few, {"heads": 3}) == "heads 3"
    assert level_values(few, {"heads": 3, "lr": 1}) == {"heads": 3}
    many = study({"heads": {"role": "scientific", "low": 1, "high": 101, "integer": True}})
    assert level_of(many, {"heads": 101}) == (BUCKETS - 1,)


def test_trials_whose_parameters_are_not_drawn_yet_belong_to_no_level() -> None:
    assert by_level(study(), [trial(0, None, "waiting")]) == {}
