from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.data import Target
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL, EKMAN_NEUTRAL_CONTEMPT, MIKELS, Task
from search.training.answers import answers
from search.training.cache import CachedSplit, Prepared
from search.training.heads import labels, layout
from search.training.recipe import Knobs, Recipe

FACES: dict[Task, Target] = {
    Task.EXPRESSION: Target(np.array([0, 6, 3]), np.array([True, True, False])),
    Task.VALENCE_AROUSAL: Target(
        np.array([[0.5, -0.5], [0.1, 0.2], [-1, 1]], np.float32), np.array([[1, 1], [0, 1], [1, 1]]).astype(bool)
    ),
    Task.ACTION_UNITS: Target(np.eye(3, 12, dtype=np.uint8), np.array([True, False, True])),
}


def prepared(
    targets: dict[Task, Target], classes: tuple[str, ...] = EKMAN_NEUTRAL, name: str = "faces", **more: Any
) -> Prepared:
    count = len(next(iter(targets.values())).values)
    images = np.zeros((count, 8, 8, 3), np.uint8)
    split = CachedSplit(images, targets, tuple(f"{name}/{i}" for i in range(count)), None)
    return Prepared(Path(), "print", 8, classes, split, split, split, name=name, **more)


def recipe(objective: str = "accuracy", **knobs: Any) -> Recipe:
    return Recipe(model="small_cnn", model_arguments={}, knobs=Knobs(**knobs), objective=objective, seed=0)


def hard(classes: list[int]) -> dict[Task, Target]:
    return {Task.EXPRESSION: Target(np.array(classes), np.ones(len(classes), np.bool_))}


@pytest.mark.parametrize(
    ("objective", "tasks", "expected"),
    [
        ("macro_f1", None, {"expression": EKMAN_NEUTRAL}),
        ("ccc_arousal", None, {"valence_arousal": ("arousal",)}),
        ("mse", None, {"valence_arousal": ("valence", "arousal")}),
        ("accuracy", "valence+expression", {"expression": EKMAN_NEUTRAL, "valence_arousal": ("valence",)}),
    ],
)
def test_heads_are_what_the_objective_judges_or_the_tasks_name(
    objective: str, tasks: str | None, expected: dict[str, tuple[str, ...]]
) -> None:
    found = layout(recipe(objective, tasks=tasks), prepared(FACES))
    assert {head.name: head.labels for head in found.heads} == expected
    assert found.width == sum(map(len, expected.values()))


def test_an_objective_of_everything_trains_all_that_has_labels() -> None:
    found = layout(recipe("abaw_mean"), prepared(FACES))
    assert [(head.name, head.first) for head in found.heads] == [
        ("expression", 0),
        ("valence_arousal", 7),
        ("action_units", 9),
    ]
    only = layout(recipe("abaw_mean"), prepared({Task.EXPRESSION: FACES[Task.EXPRESSION]}))
    assert [head.name for head in only.heads] == ["expression"]


@pytest.mark.parametrize(("objective", "tasks"), [("ccc_mean", None), ("accuracy", "expression+action_units")])
def test_labels_that_the_data_set_lacks_are_named(objective: str, tasks: str | None) -> None:
    with pytest.raises(
        DatasetError, match=r"faces has no labels of .*(valence|action_units).*it has some of expression"
    ):
        layout(recipe(objective, tasks=tasks), prepared(hard([0, 1])))


def test_a_task_may_be_learnt_from_another_data_set_alone() -> None:
    data = prepared(hard([0, 1]), companions=(("more", "train", prepared(FACES, name="more")),))
    found = layout(recipe(tasks="expression+valence"), data)
    assert [head.name for head in found.heads] == ["expression", "valence_arousal"]
    assert [head.name for head in found.members[0].heads] == ["expression"]
    with pytest.raises(DatasetError, match="faces has no labels of valence"):
        layout(recipe("ccc_valence", tasks="expression+valence"), data)


def test_labels_are_laid_out_with_their_masks() -> None:
    data = prepared(FACES)
    found = layout(recipe("abaw_mean"), data)
    said = labels(data.train, data.classes, found.heads, found.width)
    assert said.values[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0.5, -0.5, 1, *[0] * 11]
    assert said.values[1, :7].argmax() == 6
    assert said.mask[:, :7].all(axis=1).tolist() == [True, True, False]
    assert said.mask[:, 7:9].tolist() == [[True, True], [False, True], [True, True]]
    assert said.mask[:, 9:].all(axis=1).tolist() == [True, False, True]
    assert (said.values[~said.mask] == 0).all()
    assert said.dropped == {}


def test_shared_heads_take_classes_by_name_and_count_what_they_drop() -> None:
    other = prepared(hard([7, 0, 7, 2]), EKMAN_NEUTRAL_CONTEMPT, "other")
    found = layout(recipe(), prepared(hard([0, 1]), companions=(("other", "both", other),)))
    assert [head.name for head in found.heads] == ["expression"]
    said = labels(other.train, other.classes, found.members[1].heads, found.width)
    assert said.dropped == {"contempt": 2}
    assert said.mask.all(axis=1).tolist() == [False, True, False, True]
    assert said.values.argmax(axis=1)[[1, 3]].tolist() == [0, 2]


def test_a_distribution_on_other_classes_is_scaled_to_those_there_are() -> None:
    votes = np.array([[0.2, 0, 0, 0.2, 0, 0, 0, 0.6], [0, 0, 0, 0, 0, 0, 0, 1]], np.float32)
    other = prepared({Task.DISTRIBUTION: Target(votes, np.ones(2, np.bool_))}, EKMAN_NEUTRAL_CONTEMPT, "other")
    found = layout(recipe(), prepared(hard([0, 1]), companions=(("other", "train", other),)))
    said = labels(other.train, other.classes, found.members[1].heads, found.width)
    assert said.values[0].tolist() == [0.5, 0, 0, 0.5, 0, 0, 0]
    assert said.mask[:, 0].tolist() == [True, False]
    assert said.dropped == {"contempt": 1}


@pytest.mark.parametrize(
    ("output_heads", "names"),
    [
        ("shared", ["expression"]),
        ("per_space", ["ekman_neutral", "mikels"]),
        ("per_dataset", ["faces", "art", "photos"]),
    ],
)
def test_heads_of_several_data_sets(output_heads: str, names: list[str]) -> None:
    companions = (
        ("art", "both", prepared(hard([0, 7]), MIKELS, "art")),
        ("photos", "both", prepared(hard([0, 7]), MIKELS, "photos")),
    )
    found = layout(recipe(output_heads=output_heads), prepared(hard([0, 1]), companions=companions))
    assert [head.name for head in found.heads] == names
    assert [member.heads[0].name for member in found.members] == [
        names[0],
        names[min(1, len(names) - 1)],
        names[-1],
    ]


def test_a_data_set_for_testing_alone_has_no_head_of_its_own() -> None:
    other = prepared(hard([7, 0]), EKMAN_NEUTRAL_CONTEMPT, "other")
    data = prepared(hard([0, 1]), companions=(("other", "test", other),))
    found = layout(recipe(output_heads="per_dataset"), data)
    assert [head.name for head in found.heads] == ["faces"]
    assert found.members[1].heads == found.heads
    assert [member.name for member in found.trained] == ["faces"]


def test_only_the_own_data_set_is_trained_on_where_the_recipe_says_so() -> None:
    companions = (
        ("both", "both", prepared(hard([1, 2]), name="both")),
        ("only", "train", prepared(hard([1, 2]), name="only")),
    )
    data = prepared(hard([0, 1]), companions=companions)
    found = layout(recipe(train_on="own", output_heads="per_dataset"), data)
    assert [(member.name, member.use) for member in found.members] == [("faces", "both"), ("both", "test")]
    assert [head.name for head in found.heads] == ["faces"]
    everything = layout(recipe(output_heads="per_dataset"), data)
    assert [member.name for member in everything.trained] == ["faces", "both", "only"]


def test_answers_begin_with_what_is_judged() -> None:
    data = prepared(FACES)
    chosen = recipe("ccc_valence", tasks="expression+valence")
    found = answers(chosen, data.train, layout(chosen, data).members[0])
    assert [answer.task for answer in found] == [Task.VALENCE_AROUSAL, Task.EXPRESSION]
    said = found[0].predicted(np.arange(8, dtype=np.float32)[None])
    assert said.tolist()[0][0] == 7
    assert np.isnan(said[0, 1])
    assert np.isnan(found[0].truth[1, 0])
    assert found[1].truth.tolist() == [0, 6, -1]


def test_answers_to_everything_are_the_same_whatever_is_said() -> None:
    data = prepared(FACES)
    for tasks in ("expression", "arousal", "valence+action_units"):
        chosen = recipe("abaw_mean", tasks=tasks)
        found = answers(chosen, data.train, layout(chosen, data).members[0])
        assert [answer.task for answer in found] == [Task.EXPRESSION, Task.VALENCE_AROUSAL, Task.ACTION_UNITS]
        assert found[0].truth.tolist() == [0, 6, -1]
        assert found[2].truth[1].tolist() == [255] * 12
        width = layout(chosen, data).width
        said = [not np.isnan(answer.predicted(np.zeros((1, width), np.float32))).all() for answer in found]
        assert said == ["expression" in tasks, "valence" in tasks or "arousal" in tasks, "units" in tasks]
