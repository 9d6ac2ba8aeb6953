"""The answer to a study's question, from results as the store hands them over."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from search.analysis.conclusion import conclude
from search.analysis.results import Results
from search.errors import DifferentItems
from search.store.readings import Reading
from search.store.records import Context, SplitFacts
from tests.make_results import ITEMS, NOW, confirmed, definition, imported, notebook, row, said, trial

# A difference, or none


def test_a_clear_difference_is_claimed_in_the_words_of_the_question() -> None:
    found = conclude(confirmed({2: 0.80, 8: 0.84}))
    assert found.established
    assert found.ties == ()
    assert (
        found.answer == "Depth 8 beats depth 2 by 4.4 ± 0.6 points (p < 0.001, 5 seeds each, 3,068 test images)."
    )
    assert [level.name for level in found.levels] == ["depth (blocks) 8", "depth (blocks) 2"]
    assert (found.judged_on, found.items, found.readings, found.stage) == ("test", ITEMS, 10, "done")


def test_a_comparison_holds_all_that_was_tested() -> None:
    (found,) = conclude(confirmed({2: 0.80, 8: 0.84})).comparisons
    assert (found.better, found.worse) == ("depth (blocks) 8", "depth (blocks) 2")
    assert found.difference == pytest.approx(0.044, abs=0.001)
    assert found.p_seeds is not None and found.p_items is not None and found.p is not None
    assert found.p >= max(found.p_seeds, found.p_items)
    assert found.items_test == "exact McNemar"
    assert found.effect is not None and found.effect > 5
    assert found.seeds_needed is None


def test_no_difference_is_claimed_of_equals_and_what_it_would_take_is_told() -> None:
    found = conclude(confirmed({2: 0.84, 8: 0.84}))
    assert not found.established
    assert found.ties == ("depth (blocks) 2",)
    seeds = found.comparisons[0].seeds_needed
    assert seeds is not None and seeds > 5
    assert found.answer.startswith(
        "Not distinguishable at this budget: depth 8 leads depth 2 by 0.5 points, within ±"
    )
    assert found.answer.endswith(f"; about {seeds} seeds of each would be needed.")


def test_the_best_of_several_beats_some_and_ties_with_others() -> None:
    found = conclude(confirmed({2: 0.80, 4: 0.84, 8: 0.842}))
    assert found.answer.startswith("Depth 8 beats depth 2 by 4.5 ± ")
    assert " Not distinguishable at this budget: depth 8 leads depth 4 by 0.08 points, within ±" in found.answer
    assert "more test images, about " in found.answer
    assert not found.established
    assert found.ties == ("depth (blocks) 4",)
    assert len(found.comparisons) == 3
    assert all("depth (blocks) 8" in (pair.better, pair.worse) for pair in found.comparisons[:2])


def test_one_that_beats_all_others_is_established() -> None:
    found = conclude(confirmed({2: 0.80, 4: 0.82, 8: 0.85}))
    assert found.established
    assert found.answer.startswith("Depth 8 beats depth 4 by ")
    assert " and depth 2 by " in found.answer
    assert found.answer.endswith("; 5 seeds each, 3,068 test images.")


def test_several_that_cannot_be_told_apart_are_named() -> None:
    found = conclude(confirmed({2: 0.84, 4: 0.841, 8: 0.842}))
    assert found.answer.startswith("Not distinguishable at this budget: ")
    assert " Nor can depth " in found.answer
    assert len(found.ties) == 2


def test_images_of_few_subjects_are_less_evidence_and_are_resampled_by_subject() -> None:
    alone = conclude(confirmed({2: 0.80, 8: 0.84})).comparisons[0]
    grouped = conclude(confirmed({2: 0.80, 8: 0.84}, groups=np.arange(ITEMS) // 400))
    assert grouped.comparisons[0].items_test == "paired bootstrap"
    assert grouped.comparisons[0].p_items is not None and alone.p_items is not None
    assert grouped.comparisons[0].p_items > alone.p_items
    assert "3,068 test images of 8 subjects or sequences" in grouped.answer
    assert grouped.caveats[0].startswith("The images are of 8 subjects or sequences only")


def test_levels_stand_in_the_order_of_the_validation_split_and_a_reversal_on_test_is_told() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    lifted = [
        replace(record, value=0.9, curve={1: 0.9})
        if record.stage == "confirm" and record.parameters["depth"] == 2
        else record
        for record in results.records
    ]
    found = conclude(replace(results, records=lifted))
    assert found.levels[0].values == {"depth": 2}
    assert not found.established
    assert found.ties == ()
    assert found.answer.startswith("Depth 8 beats depth 2 by ")
    assert found.answer.endswith("Yet it is depth 2 that was best on validation.")


def test_the_same_predictions_are_no_difference() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    same = dict.fromkeys(results.predictions, said(np.arange(ITEMS) % 5 > 0))
    found = conclude(replace(results, predictions=same))
    assert not found.established
    assert found.comparisons[0].p == 1
    assert found.answer.startswith("Not distinguishable at this budget: depth 8 and depth 2 are equal (p = 1.00, ")


def test_one_that_predicts_a_constant_class_is_beaten() -> None:
    results = confirmed({2: 0.5, 8: 0.84})
    constant = said(np.arange(ITEMS) % 2 == 0)
    predictions = {
        record.ticket: constant if record.parameters["depth"] == 2 else results.predictions[record.ticket]
        for record in results.confirmed
    }
    assert conclude(replace(results, predictions=predictions)).established


def test_predictions_on_other_items_are_refused() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    last = max(results.predictions)
    predictions = {**results.predictions, last: said(np.ones(ITEMS - 1, dtype=bool))}
    with pytest.raises(DifferentItems, match="different items or labels"):
        conclude(replace(results, predictions=predictions))


def test_of_several_configurations_the_best_on_validation_stands_for_the_level() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    other = {"depth": 2, "lr": 1e-3}
    extra = [trial(100, 0.83, parameters=other)]
    for seed in range(5):
        extra.append(trial(101 + seed, 0.7, stage="confirm", source=100, seed=seed, parameters=other))
    predictions = {
        **results.predictions,
        **{ticket: said(np.ones(ITEMS, dtype=bool)) for ticket in range(101, 106)},
    }
    found = conclude(Results(results.row, [*results.records, *extra], predictions, results.readings))
    worse = found.levels[1]
    assert [configuration.parameters["lr"] for configuration in worse.configurations] == [1e-4, 1e-3]
    assert found.established


# No scientific parameter


def test_without_a_question_about_values_the_result_is_told_with_its_interval() -> None:
    found = conclude(confirmed({4: 0.84}))
    assert (
        found.answer
        == "Accuracy 83.5 ± 0.4 % over 5 seeds on 3,068 test images, with depth 4, learning rate 1e-4."
    )
    assert found.comparisons == ()
    assert not found.established


def test_single_runs_establish_nothing() -> None:
    found = conclude(confirmed({2: 0.80, 8: 0.84}, seeds=1))
    assert not found.established
    assert found.answer.startswith(
        "Not established: one run of each, and depth 8 leads depth 2 by 3.3 points, 100 of "
    )
    assert "(exact McNemar over the images alone: p < 0.001)" in found.answer
    (pair,) = found.comparisons
    assert (pair.p_seeds, pair.p, pair.margin, pair.effect) == (None, None, None, None)
    assert any("single runs" in caveat for caveat in found.caveats)
    assert found.noise is None


# On the way


def test_nothing_is_said_before_anything_has_finished() -> None:
    assert (
        conclude(Results(row(definition(), "search"), [], {}, [])).answer
        == "Nothing has finished yet: no trials yet."
    )
    running = Results(row(definition(), "search"), [trial(0, None, "running")], {}, [])
    assert conclude(running).answer == "Nothing has finished yet: 1 trial: 1 running."
    waiting = trial(0, None, "waiting", parameters={})
    assert conclude(replace(running, records=[waiting])).levels == ()
    assert conclude(replace(running, records=[trial(0, None, "failed")])).levels[0].infeasible == 1


def test_the_search_alone_can_tell_nothing() -> None:
    records = [
        trial(i, 0.8 + i / 100, parameters={"depth": depth, "lr": 1e-4})
        for i, depth in enumerate((2, 2, 4, 4, 8, 8))
    ]
    found = conclude(Results(row(definition(), "search"), records, {}, []))
    assert found.answer == (
        "The search alone can't tell: depth 8 leads depth 4 by 2.0 points on validation, but that is the best of "
        "2 trials, each run once."
    )
    assert (found.comparisons, found.established, found.optimism) == ((), False, None)


def test_before_the_end_nothing_is_claimed_of_fresh_runs() -> None:
    results = confirmed({2: 0.80, 8: 0.84}, stage="conclude")
    found = conclude(replace(results, predictions={}, readings=[]))
    assert found.answer.startswith("The search alone can't tell: ")
    assert found.answer.endswith("; fresh runs of the best are under way, 10 of 10 done.")
    assert conclude(results).comparisons == ()


def test_a_study_that_was_stopped_tells_what_it_has() -> None:
    results = confirmed({2: 0.80, 8: 0.84}, stage="conclude", state="stopped")
    found = conclude(results)
    assert found.established
    assert any("stopped before its end" in caveat for caveat in found.caveats)


def test_without_confirming_runs_the_caveat_says_so() -> None:
    study = definition(confirm={"seeds": 0})
    found = conclude(Results(row(study), [trial(0, 0.8), trial(1, 0.7)], {}, []))
    assert "confirm.seeds is 0" in " ".join(found.caveats)


def test_where_all_fresh_runs_failed_the_search_is_all_there_is() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    failed = [
        replace(record, state="failed", value=None, curve={}) if record.stage == "confirm" else record
        for record in results.records
    ]
    found = conclude(replace(results, records=failed, predictions={}, readings=[]))
    assert found.answer.startswith("The search alone can't tell: ")
    assert found.levels[0].confirmed is not None
    assert (found.levels[0].confirmed.failed, found.levels[0].confirmed.validation) == (5, None)
    assert "10 of 10 fresh runs diverged or failed" in " ".join(found.caveats)


# Noise, optimism, caveats


def test_noise_and_the_winners_curse_are_measured_on_validation() -> None:
    found = conclude(confirmed({2: 0.80, 8: 0.84}))
    spreads = [level.confirmed.validation for level in found.levels if level.confirmed]
    variances = [spread.deviation**2 for spread in spreads if spread and spread.deviation]
    assert found.noise == pytest.approx(np.sqrt(np.mean(variances)))
    assert spreads[0] is not None
    assert found.optimism == pytest.approx(0.85 - spreads[0].mean)


def test_the_reader_is_told_what_to_mind() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    records = [
        replace(record, state="pruned", reason="pruned after epoch 2") if record.ticket == 0 else record
        for record in results.records
    ]
    records.append(trial(100, 0.5, parameters={"depth": 4, "lr": 1e-4}))
    late = NOW + timedelta(hours=2)
    records = [replace(record, started_at=late) if record.ticket == 5 else record for record in records]
    again = Reading(5, 2, "w", late, None)
    found = conclude(Results(results.row, records, results.predictions, [*results.readings, again]))
    text = " ".join(found.caveats)
    assert "Only the best 2 values were run again (confirm.values); nothing is established of depth 4." in text
    assert "No trial of depth" not in text
    assert "Every search trial of depth 2 was stopped early" in text
    assert "Some fresh runs began after the test split had been read" in text
    assert "The test split was read 11 times by 10 models" in text


def test_values_and_models_that_could_not_be_judged_are_told() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    hopeless = trial(100, None, "failed", parameters={"depth": 4, "lr": 1e-4})
    predictions = {
        ticket: run for ticket, run in results.predictions.items() if ticket != max(results.predictions)
    }
    found = conclude(Results(results.row, [*results.records, hopeless], predictions, results.readings))
    assert "(p < 0.001, 4 and 5 seeds, " in found.answer
    text = " ".join(found.caveats)
    assert "No trial of depth 4 came to the end of an epoch." in text
    assert "1 of the models never read the split that judges" in text


def test_a_bucket_of_a_range_is_called_by_the_configuration_that_was_confirmed() -> None:
    space = {"weight_decay": {"role": "scientific", "low": 0.0, "high": 1.0}}
    lucky = trial(0, 0.9, parameters={"weight_decay": 0.15})
    steady = trial(1, 0.8, parameters={"weight_decay": 0.1})
    fresh = [
        trial(2 + seed, 0.8, stage="confirm", source=1, seed=seed, parameters={"weight_decay": 0.1})
        for seed in range(2)
    ]
    study = row(definition(space), "conclude")
    assert conclude(Results(study, [lucky, steady], {}, [])).levels[0].name == "weight decay 0.15"
    assert conclude(Results(study, [lucky, steady, *fresh], {}, [])).levels[0].name == "weight decay 0.1"


def test_validation_that_judges_is_pointed_out() -> None:
    results = confirmed({2: 0.80, 8: 0.84})
    predictions = {ticket: replace(run, split="validation") for ticket, run in results.predictions.items()}
    found = conclude(replace(results, predictions=predictions))
    assert found.judged_on == "validation"
    assert found.caveats[0].startswith("The data set has no test split")
    context = Context(splits={"train": SplitFacts(items=9, hash=""), "validation": SplitFacts(items=7, hash="")})
    early = conclude(Results(row(definition(), "search", context=context), [trial(0, 0.5)], {}, []))
    assert (early.judged_on, early.items) == ("validation", 7)


# Tables of others


def test_the_notebooks_table_does_not_establish_its_claim() -> None:
    found = conclude(notebook(notes=("Each value is the best epoch on the test split.",)))
    assert not found.established
    assert found.ties == ("model Baseline",)
    assert found.answer == (
        "Not established: one run of each, and model CLSFER leads model Baseline by 0.7 points, 21 of 3,068 test "
        "images, where one standard error is 28 (two proportions over the images alone: p = 0.45). Each is the "
        "best of 5 configurations, chosen on the same test images that judge it. Model CLSFER leads in 5 of 5 "
        "pairs that are otherwise alike, but all of them share these images. Each value is the best epoch on the "
        "test split."
    )
    assert found.caveats[0] == "Each value is the best epoch on the test split."
    assert "Every value is of a single run" in found.caveats[1]


def test_repeated_rows_of_a_table_are_runs_of_one_configuration() -> None:
    space = {"model": {"role": "scientific", "choices": ["a", "b"]}}
    cells = [({"model": name}, value) for name, value in (("a", 0.5), ("a", 0.51), ("b", 0.9), ("b", 0.91))]
    found = conclude(imported(cells, space))
    assert found.established
    assert found.answer.startswith("Model b beats model a by 40.0 ± ")
    assert found.comparisons[0].items_test == "two proportions"


def test_of_a_table_without_a_count_of_images_nothing_is_claimed() -> None:
    space = {"model": {"role": "scientific", "choices": ["a", "b"]}}
    cells = [({"model": name}, value) for name, value in (("a", 0.5), ("a", 0.51), ("b", 0.9), ("b", 0.91))]
    for results in (imported(cells, space, items=None), imported(cells, space, objective="macro_f1")):
        found = conclude(results)
        assert not found.established
        assert found.answer.startswith("Not established: model b leads model a by 40 points (2 seeds each, p")
        assert "nothing is known of the luck of the images" in found.answer


def test_a_table_of_one_configuration_tells_it() -> None:
    space = {"lr": {"role": "nuisance", "choices": [1e-4, 1e-3]}}
    found = conclude(imported([({"lr": 1e-4}, 0.8), ({"lr": 1e-3}, 0.7)], space, judged_on="unknown", items=None))
    assert found.answer.startswith(
        "Accuracy 80.0 % in a single run on an unknown number of images, with learning "
    )
    assert found.levels[0].name == "the configuration"
