"""The rendered scenes: determinism, views that tell of the same scenes, and options that are refused."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from search import catalog
from search.data import Split, Splits
from search.errors import DatasetError
from search.tasks import EKMAN, EKMAN_NEUTRAL, MIKELS, POLAR, Task
from search.training.split import belonging_together, thumbnails

scenes: Any = importlib.import_module("search.datasets.synthetic_emotion")

VIEWS = {"mikels": MIKELS, "ekman": EKMAN, "ekman_neutral": EKMAN_NEUTRAL, "polar": POLAR}


def load(**options: Any) -> Splits:
    found: Splits = catalog.dataset("synthetic_emotion")(
        Path("nowhere"), **{"images": 1000, "test_images": 300, **options}
    )
    return found


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load()


def decode(split: Split, indices: list[int], size: int) -> NDArray[np.uint8]:
    pixels, unreadable = split.images.decode(np.array(indices), size)
    assert unreadable == {}
    return pixels


def shares(**options: Any) -> NDArray[np.float32]:
    values: NDArray[np.float32] = load(**options).train.targets[Task.DISTRIBUTION].values
    return values


@pytest.mark.parametrize("size", [16, 48, 65, 112])
def test_a_scene_is_the_same_whatever_it_is_decoded_with(splits: Splits, size: int) -> None:
    together = decode(splits.train, list(range(40)), size)
    backwards = decode(load().train, list(range(39, -1, -1)), size)
    alone = np.concatenate([decode(splits.train, [item], size) for item in range(40)])
    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(together, alone)
    assert len(np.unique(together.reshape(40, -1), axis=0)) == 40


def test_no_two_scenes_are_near_duplicates(splits: Splits) -> None:
    pixels = [decode(split, list(range(len(split.items))), 32) for split in splits.named().values()]
    together = belonging_together(thumbnails(np.concatenate(pixels)), None)
    assert len(np.unique(together)) == 1300


def test_pixels_are_rgb_bytes_that_use_the_range(splits: Splits) -> None:
    pixels = decode(splits.train, list(range(64)), 64)
    assert pixels.shape == (64, 64, 64, 3)
    assert pixels.dtype == np.uint8
    assert 60 < pixels.mean() < 190
    assert (pixels.std(axis=(1, 2, 3)) > 10).all()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_classes_of_its_space(view: str) -> None:
    found, classes = load(view=view), VIEWS[view]
    assert found.classes == classes
    target = found.train.targets[Task.DISTRIBUTION]
    assert target.values.shape == (1000, len(classes))
    assert target.values.dtype == np.float32
    np.testing.assert_allclose(target.values.sum(axis=1), 1, atol=1e-6)
    for split in found.named().values():
        assert np.bincount(split.labels()[split.labels() >= 0], minlength=len(classes)).min() >= 0.05 * len(
            split.items
        )
    hard = load(view=view, labels="hard")
    assert list(hard.train.targets) == [Task.EXPRESSION]
    np.testing.assert_array_equal(hard.train.labels(), found.train.labels())


def test_all_views_tell_of_the_same_scenes_and_people() -> None:
    prints = {load(view=view).train.images.fingerprint() for view in (*VIEWS, "va")}
    assert len(prints) == 1
    mikels, seven, polar = (shares(view=view, people=4) for view in ("mikels", "ekman_neutral", "polar"))
    for name in ("anger", "disgust", "fear", "sadness"):
        np.testing.assert_array_equal(mikels[:, MIKELS.index(name)], seven[:, EKMAN_NEUTRAL.index(name)])
    four = [EKMAN.index(name) for name in ("anger", "disgust", "fear", "sadness")]
    assert (polar[:, 0] >= seven[:, four].sum(axis=1) - 1e-6).all()


def test_ekman_is_ekman_neutral_without_neutral() -> None:
    six, seven = load(view="ekman", people=1), shares(view="ekman_neutral", people=1)
    target = six.train.targets[Task.DISTRIBUTION]
    np.testing.assert_array_equal(target.mask, seven[:, :6].sum(axis=1) > 0)
    assert 0 < (~target.mask).sum() < 200
    rest = seven[target.mask][:, :6]
    np.testing.assert_allclose(target.values[target.mask], rest / rest.sum(axis=1, keepdims=True), atol=1e-6)


def test_valence_and_arousal_go_with_the_emotions() -> None:
    va = load(view="va")
    assert va.classes == ()
    affect = va.train.targets[Task.VALENCE_AROUSAL].values
    assert affect.shape == (1000, 2)
    assert affect.dtype == np.float32
    assert np.abs(affect).max() <= 1
    labels = load().train.labels()
    mean = {name: affect[labels == index].mean(axis=0) for index, name in enumerate(MIKELS)}
    assert mean["excitement"].min() > 0.2
    assert mean["sadness"].max() < -0.1
    assert mean["anger"][0] < -0.2 < 0.2 < mean["anger"][1]
    assert mean["contentment"][1] < 0 < 0.1 < mean["contentment"][0]


def test_a_linear_model_learns_some_of_it_and_not_all(splits: Splits) -> None:
    """Of coarse pixels alone: a network should do better, and chance is 1 in 8."""

    def inputs(split: Split) -> NDArray[np.float64]:
        pixels = decode(split, list(range(len(split.items))), 16).astype(float) / 255
        coarse = pixels.reshape(-1, 8, 2, 8, 2, 3).mean(axis=(2, 4)).reshape(len(pixels), -1)
        return np.concatenate([coarse, np.ones((len(coarse), 1))], axis=1)

    x, y = inputs(splits.train), np.eye(8)[splits.train.labels()]
    weights = np.linalg.solve(x.T @ x + 3 * np.eye(x.shape[1]), x.T @ y)
    assert splits.test is not None
    accuracy = ((inputs(splits.test) @ weights).argmax(axis=1) == splits.test.labels()).mean()
    assert 0.35 < accuracy < 0.75


def test_fewer_people_leave_more_to_chance() -> None:
    assert shares(people=2).max(axis=1).mean() > shares(people=50).max(axis=1).mean()
    crowd, few = load(people=500).train.labels(), load(people=2).train.labels()
    assert 0.6 < (crowd == few).mean() < 0.95


def test_the_seed_changes_everything_and_nothing_else_does(splits: Splits) -> None:
    assert load().fingerprint() == splits.fingerprint()
    assert load(seed=1).train.images.fingerprint() != splits.train.images.fingerprint()
    assert (decode(load(seed=1).train, [0], 32) != decode(splits.train, [0], 32)).mean() > 0.5
    assert splits.test is not None
    assert (decode(splits.test, [0], 32) != decode(splits.train, [0], 32)).mean() > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 9}, "images is 9; give 10 or more"),
        ({"test_images": 0}, "test_images is 0; give 10 or more"),
        ({"people": 0}, "people is 0; give 1 or more"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"view": "va", "labels": "hard"}, "labels: hard is of emotions; leave it out with view: va"),
    ],
)
def test_what_cannot_be_met_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=f"^synthetic_emotion: {message}"):
        load(**options)


@pytest.mark.parametrize("size", [15, 257])
def test_a_size_that_is_not_drawn_is_refused(splits: Splits, size: int) -> None:
    with pytest.raises(DatasetError, match=f"image size is {size}; scenes are drawn at 16 to 256"):
        decode(splits.train, [0], size)


def test_every_feeling_has_a_meaning_in_every_view() -> None:
    assert all(len(look) == len(scenes.LOOKS) for look in scenes.FEELINGS.values())
    for view in ("mikels", "ekman_neutral", "polar"):
        np.testing.assert_allclose(scenes._meanings(view).sum(axis=1), 1)
