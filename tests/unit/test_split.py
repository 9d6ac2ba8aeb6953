"""Carving: stratified, groups whole, deterministic; near-duplicates found whatever their compression."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import radius_neighbors_graph

from search.errors import DatasetError
from search.training import split
from search.training.split import NEAR, belonging_together, carve, thumbnails

CLASSES = ("anger", "fear", "neutral")
ALONE = np.arange(1000)
LABELS = np.repeat([0, 1, 2], [600, 300, 100])


def photographs(count: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 200, (count, 6, 6, 3), np.uint8)
    return np.array(
        [np.asarray(Image.fromarray(image).resize((48, 48), Image.Resampling.BICUBIC)) for image in coarse]
    )


def recompressed(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_every_item_falls_on_one_side_and_every_class_keeps_its_share(share):
    train, validation = carve(LABELS, ALONE, classes=CLASSES, share=share, seed=0)
    assert sorted([*train, *validation]) == ALONE.tolist()
    assert train.dtype == validation.dtype == np.int64
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    assert np.bincount(LABELS[validation]).tolist() == pytest.approx(np.array([600, 300, 100]) * share, abs=1)


def test_the_same_seed_carves_the_same_and_another_seed_another():
    first, again, other = (carve(LABELS, ALONE, classes=CLASSES, share=0.1, seed=seed)[1] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_groups_stay_whole():
    groups = np.random.default_rng(0).integers(0, 60, 1000)
    train, validation = carve(LABELS, groups, classes=CLASSES, share=0.1, seed=0)
    assert not set(groups[train]) & set(groups[validation])
    assert 0.05 < len(validation) / 1000 < 0.15


def test_one_giant_group_does_not_become_the_validation_split():
    groups = np.where(ALONE % 10 < 6, 0, ALONE)
    _, validation = carve(LABELS, groups, classes=CLASSES, share=0.1, seed=0)
    assert len(validation) < 150


def test_a_class_with_fewer_items_than_folds_is_on_both_sides():
    labels = np.repeat([0, 1, 2], [120, 77, 3])
    for seed in range(5):
        sides = carve(labels, np.arange(200), classes=CLASSES, share=0.1, seed=seed)
        assert all(2 in labels[side] for side in sides)
        assert len(sides[1]) == pytest.approx(20, abs=1)


def test_a_data_set_smaller_than_the_folds_is_carved_all_the_same():
    labels = np.repeat([0, 1, 2], 2)
    train, validation = carve(labels, np.arange(6), classes=CLASSES, share=0.1, seed=0)
    assert labels[train].tolist() == labels[validation].tolist() == [0, 1, 2]


def test_fewer_folds_are_dealt_where_no_fold_has_every_class():
    labels = np.repeat(np.arange(6), [10, 9, 8, 7, 6, 6])
    for seed in range(20):
        sides = carve(labels, np.arange(46), classes="abcdef", share=0.1, seed=seed)
        assert [np.unique(labels[side]).tolist() for side in sides] == [[0, 1, 2, 3, 4, 5]] * 2
        assert len(sides[1]) <= 9  # as many folds as the rarest class has items, at the fewest


def test_fewer_groups_than_folds_leave_neither_side_empty():
    train, validation = carve(LABELS, ALONE % 4, classes=CLASSES, share=0.1, seed=0)
    assert (len(train), len(validation)) == (750, 250)


def test_without_classes_the_items_are_carved_by_share_alone():
    train, validation = carve(np.full(100, -1), np.arange(100), classes=(), share=0.2, seed=0)
    assert (len(train), len(validation)) == (80, 20)


def test_items_without_a_class_need_not_be_on_both_sides():
    labels = np.append(LABELS, -1)
    train, validation = carve(labels, np.arange(1001), classes=CLASSES, share=0.1, seed=0)
    assert len(train) + len(validation) == 1001


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        (
            np.repeat([0, 1, 2], [50, 49, 1]),
            np.arange(100),
            "only 1 separate images or subjects of class 'neutral'",
        ),
        (np.repeat([0, 2], 50), np.arange(100), "only 0 separate images or subjects of class 'fear'"),
        (np.repeat([0, 1, 2], [50, 40, 10]), np.repeat([*range(90), 99], [1] * 90 + [10]), "only 1 .*'neutral'"),
        (np.full(9, -1), np.zeros(9, np.int64), "only 1 separate images or subjects in all"),
        (  # three groups, each without one of the classes
            np.tile([0, 1, 1, 2, 2, 0], 10),
            np.tile([0, 0, 1, 1, 2, 2], 10),
            "leave some class on one side only. The fewest, 2 separate .*, are of class 'anger': add some",
        ),
    ],
)
def test_a_class_that_cannot_be_on_both_sides_is_named(labels, groups, message):
    with pytest.raises(DatasetError, match=message):
        carve(labels, groups, classes=CLASSES, share=0.1, seed=0)


@pytest.mark.parametrize("share", [0.0, -0.1, 0.51, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(DatasetError, match=r"give a share above 0 and at most 0\.5"):
        carve(LABELS, ALONE, classes=CLASSES, share=share, seed=0)


def test_copies_belong_together_and_strangers_do_not():
    originals = photographs(200)
    copies = np.array([recompressed(image, 75) for image in originals[:50]])
    small = Image.fromarray(originals[60]).resize((36, 36), Image.Resampling.LANCZOS)
    rescaled = np.asarray(small.resize((48, 48), Image.Resampling.BILINEAR))
    groups = belonging_together(thumbnails(np.concatenate([originals, copies, rescaled[None]])), None)
    assert len(set(groups[:200])) == 200
    assert groups[200:250].tolist() == groups[:50].tolist()
    assert groups[250] == groups[60]


def test_subjects_who_share_a_near_duplicate_become_one():
    images = photographs(6)
    images[3] = recompressed(images[0], 80)
    groups = belonging_together(thumbnails(images), np.array([7, 7, 8, 8, 9, 9]))
    assert groups[0] == groups[1] == groups[2] == groups[3]
    assert groups[4] == groups[5] != groups[0]


def test_flat_images_of_different_colours_are_different():
    images = np.zeros((3, 16, 16, 3), np.uint8) + np.array([0, 50, 50], np.uint8)[:, None, None, None]
    groups = belonging_together(thumbnails(images), None)
    assert groups[0] != groups[1] == groups[2]


def test_one_image_many_times_is_one_group():
    assert belonging_together(np.full((5, 8, 8, 3), 7, np.uint8), None).tolist() == [0] * 5


def clusters(count: int, spread: float) -> np.ndarray:
    """Thumbnails in clusters of ten, whose members chain by differences about NEAR."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(40, 210, (count // 10, 192)).repeat(10, axis=0)
    return np.clip(centres + rng.normal(0, spread, (count, 192)), 0, 255).astype(np.uint8).reshape(-1, 8, 8, 3)


@pytest.mark.parametrize("portion", [4_000_000, 100])
@pytest.mark.parametrize("spread", [2.0, 2.8, 3.5])
def test_near_duplicates_are_those_of_comparing_all_pairs(monkeypatch, spread, portion):
    monkeypatch.setattr(split, "PAIRS", portion)
    monkeypatch.setattr(split, "SAMPLE", 300)
    images = clusters(1000, spread)
    flat = images.reshape(len(images), -1).astype(np.float64)
    expected = connected_components(radius_neighbors_graph(flat, NEAR * 192**0.5), directed=False)[1]
    assert belonging_together(images, None).tolist() == expected.tolist()
    assert 100 <= expected.max() + 1 <= 1000


@pytest.mark.parametrize("sizes", [[1], [1, 1, 2, 7], [30, 1]])
def test_the_folds_are_those_of_scikit_learn(monkeypatch, sizes):
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(2000), rng.choice(sizes, 2000))[:2000]
    labels = rng.choice(5, 2000, p=[0.6, 0.2, 0.1, 0.06, 0.04])
    found = carve(labels, groups, classes="abcde", share=0.1, seed=3)
    monkeypatch.setattr(split, "_Dealer", StratifiedGroupKFold)
    expected = carve(labels, groups, classes="abcde", share=0.1, seed=3)
    assert [side.tolist() for side in found] == [side.tolist() for side in expected]
