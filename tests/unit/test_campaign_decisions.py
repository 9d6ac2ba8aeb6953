"""How a campaign goes on from conclusions made by hand."""

from typing import Any

import pytest

from search.analysis.findings import Comparison, Conclusion, Configuration, Level, Spread
from search.analysis.levels import level_name
from search.campaigns.decision import Decision, decide
from search.errors import CampaignStopped
from search.study import StudyDefinition
from search.study.campaign import Step
from search.study.yaml_source import Scalar

DEPTH = {"role": "scientific", "choices": [2, 4, 8]}
EPS = {"role": "scientific", "grid": "5 points from 1e-10 to 1e-6, log"}
LR = {"role": "nuisance", "low": 1e-5, "high": 1e-2, "log": True}


def study(space: dict[str, Any]) -> StudyDefinition:
    return StudyDefinition.model_validate(
        {
            "name": "diary-1-a",
            "question": "Which?",
            "dataset": {"name": "synthetic_faces", "image_size": 48},
            "model": {"name": "clsfer", "depth": 8},
            "objective": "accuracy",
            "space": space,
            "sampler": "random",
            "budget": {"trials": 16},
        }
    )


def step(*carry: str) -> Step:
    return Step(1, "a", "diary-1-a", "clsfer_lr", carry, {}, "diary.campaign.yaml", 4)


def level(definition: StudyDefinition, mean: float | None, **parameters: Scalar) -> Level:
    """mean: of its fresh runs; None where none came to its end."""
    spread = None if mean is None else Spread((mean, mean), mean, 0.0, mean, mean)
    configuration = Configuration(parameters, 0.9, () if mean is None else (1, 2), 2, spread, spread)
    values = {name: value for name, value in parameters.items() if definition.space[name].role == "scientific"}
    return Level(values, level_name(definition, parameters), 4, 0, 0.9, (configuration,))


def conclusion(*levels: Level, beaten: tuple[int, ...] = ()) -> Conclusion:
    """levels: the best first. beaten: which of them the best is shown to beat."""
    pairs = tuple(
        Comparison(levels[0].name, each.name, 0.1, 0.05, 0.01, 0.01, None, 0.01, 1.0, i in beaten, None, "")
        for i, each in enumerate(levels)
        if i > 0
    )
    ties = tuple(each.name for i, each in enumerate(levels) if i > 0 and i not in beaten)
    return Conclusion(
        "An answer.", "done", "test", 100, levels, pairs, bool(pairs) and not ties, ties, 0.01, 0.01, 4, ()
    )


def decided(definition: StudyDefinition, found: Conclusion, *carry: str, **values: Scalar) -> Decision:
    return decide(step(*carry), definition, found, values)


def test_what_is_established_is_taken() -> None:
    one = study({"depth": DEPTH, "lr": LR})
    found = conclusion(
        level(one, 0.9, depth=8, lr=1e-3),
        level(one, 0.8, depth=2, lr=2e-3),
        level(one, 0.7, depth=4, lr=3e-3),
        beaten=(1, 2),
    )
    decision = decided(one, found, "depth", "lr", depth=2)
    assert decision.carried == {"depth": 8, "lr": 1e-3}
    assert decision.reason == "established"
    assert decision.sentence == (
        "Took depth 8: it beats every other value that was run again; learning rate 1e-3 goes with it."
    )


def test_without_a_difference_the_campaign_keeps_what_it_had() -> None:
    one = study({"depth": DEPTH, "lr": LR})
    levels = [
        level(one, 0.9, depth=8, lr=1e-3),
        level(one, 0.8, depth=2, lr=2e-3),
        level(one, 0.7, depth=4, lr=3e-3),
    ]
    decision = decided(one, conclusion(*levels), "depth", "lr", depth=4)
    assert decision.carried == {"depth": 4, "lr": 3e-3}
    assert decision.sentence == (
        "No difference: kept depth 4, the value it had; it can't be told from depth 8, the best on "
        "validation; learning rate 3e-3 goes with it."
    )
    # what the best one beats is not kept
    assert decided(one, conclusion(*levels, beaten=(2,)), "depth", depth=4).carried == {"depth": 2}
    # the default counts as the value it has
    assert decided(one, conclusion(*levels), "depth").carried == {"depth": 8}


def test_without_a_difference_the_first_that_is_listed_is_the_simplest() -> None:
    one = study({"depth": DEPTH, "lr": LR})
    found = conclusion(level(one, 0.9, depth=8, lr=1e-3), level(one, 0.8, depth=4, lr=2e-3))
    decision = decided(one, found, "depth", depth=2)
    assert (decision.reason, decision.carried) == ("simplest", {"depth": 4})
    assert decision.sentence == (
        "No difference: took depth 4, the first that is listed; it can't be told from depth 8, the best on "
        "validation; depth 2, which it had, was not run again."
    )


def test_a_point_of_a_grid_is_the_round_number_next_to_it() -> None:
    one = study({"eps": EPS})
    found = conclusion(level(one, 0.9, eps=1e-6), level(one, 0.8, eps=1.0000000000000002e-08))
    assert decided(one, found, "eps").carried == {"eps": 1e-8}


def test_of_the_points_of_a_grid_none_is_simpler() -> None:
    one = study({"eps": EPS})
    found = conclusion(level(one, 0.9, eps=1e-6), level(one, 0.8, eps=1e-10))
    decision = decided(one, found, "eps")
    assert decision.carried == {"eps": 1e-6}
    assert decision.sentence == (
        "No difference: took Adam epsilon 1e-6, the best mean; Adam epsilon 1e-10 can't be told from it; Adam "
        "epsilon 1e-8, which it had, was not run again."
    )


def test_texts_and_switches_are_values_too() -> None:
    choices = {"role": "scientific", "choices": ["adam", "sgd", "adamw"]}
    one = study({"optimizer": choices, "decay_norms": {"role": "scientific", "choices": [True, False]}})
    found = conclusion(
        level(one, 0.9, optimizer="sgd", decay_norms=True),
        level(one, 0.8, optimizer="adam", decay_norms=False),
        level(one, 0.7, optimizer="adamw", decay_norms=False),
    )
    assert decided(one, found, "optimizer", "decay_norms").carried == {"optimizer": "adamw", "decay_norms": False}
    assert decided(one, found, "optimizer", optimizer="sgd").carried == {"optimizer": "adam"}


def test_a_study_that_asks_about_nothing_gives_its_best_configuration() -> None:
    one = study({"lr": LR})
    decision = decided(one, conclusion(level(one, 0.9, lr=1e-3)), "lr")
    assert (decision.reason, decision.carried) == ("only", {"lr": 1e-3})
    assert decision.sentence == (
        "Took the best configuration: the study compares nothing; learning rate 1e-3 goes with it."
    )


def test_one_value_alone_came_through() -> None:
    one = study({"depth": DEPTH})
    found = conclusion(level(one, 0.9, depth=8), level(one, None, depth=2))
    decision = decided(one, found, "depth", depth=2)
    assert decision.carried == {"depth": 8}
    assert decision.sentence == ("Took depth 8, the only one with fresh runs to judge it by.")


def test_a_step_whose_runs_all_failed_stops_the_campaign() -> None:
    one = study({"depth": DEPTH})
    with pytest.raises(CampaignStopped, match="step a has nothing to go on from: no run of its study diary-1-a"):
        decided(one, conclusion(level(one, None, depth=8)), "depth")
