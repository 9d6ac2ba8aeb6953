"""The rendered faces: determinism, labels that agree with what is drawn, and options that are refused."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from search import catalog
from search.data import Split, Splits
from search.errors import DatasetError
from search.tasks import ACTION_UNITS, EKMAN_NEUTRAL, Task

faces: Any = importlib.import_module("search.datasets.synthetic_faces")

# Landmarks of `load`: eight of the left side, eight of the right, then the middle.
BROWS, EYES, CORNERS = [0, 1, 2, 8, 9, 10], [3, 4, 5, 6, 11, 12, 13, 14], [7, 15]
NOSE, LIPS = 16, [17, 18, 19, 20]


def load(**options: Any) -> Splits:
    found: Splits = catalog.dataset("synthetic_faces")(
        Path("nowhere"), **{"images": 700, "test_images": 140, "subjects": 20, **options}
    )
    return found


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load()


def decode(split: Split, indices: list[int], size: int) -> NDArray[np.uint8]:
    pixels, unreadable = split.images.decode(np.array(indices), size)
    assert unreadable == {}
    return pixels


def expression(split: Split) -> NDArray[np.int64]:
    return split.targets[Task.EXPRESSION].values


@pytest.mark.parametrize("size", [16, 48, 65, 112])
def test_a_face_is_the_same_whatever_it_is_decoded_with(splits: Splits, size: int) -> None:
    together = decode(splits.train, list(range(40)), size)
    backwards = decode(load().train, list(range(39, -1, -1)), size)
    alone = np.concatenate([decode(splits.train, [item], size) for item in range(40)])
    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(together, alone)
    assert len(np.unique(together.reshape(40, -1), axis=0)) == 40


def test_pixels_are_rgb_bytes_that_use_the_range(splits: Splits) -> None:
    pixels = decode(splits.test or splits.train, list(range(64)), 64)
    assert pixels.shape == (64, 64, 64, 3)
    assert pixels.dtype == np.uint8
    assert 60 < pixels.mean() < 190
    assert (pixels.std(axis=(1, 2, 3)) > 15).all()


def test_targets_have_the_shapes_types_and_ranges_of_their_tasks(splits: Splits) -> None:
    assert splits.classes == EKMAN_NEUTRAL
    assert splits.validation is None
    for split, name, count in ((splits.train, "train", 700), (splits.test, "test", 140)):
        assert split is not None
        assert len(split.images) == count
        assert split.items == tuple(f"{name}/{item:06d}" for item in range(count))
        shapes = {task: (target.values.dtype.name, target.values.shape) for task, target in split.targets.items()}
        assert shapes == {
            Task.EXPRESSION: ("int64", (count,)),
            Task.ACTION_UNITS: ("uint8", (count, 12)),
            Task.VALENCE_AROUSAL: ("float32", (count, 2)),
            Task.LANDMARKS: ("float32", (count, 22, 2)),
        }
        assert all(target.mask.shape == (count,) and target.mask.all() for target in split.targets.values())
        assert np.abs(split.targets[Task.VALENCE_AROUSAL].values).max() <= 1
        landmarks = split.targets[Task.LANDMARKS].values
        assert landmarks.min() >= 0
        assert landmarks.max() <= 1


def test_classes_are_balanced_and_subjects_are_not_shared(splits: Splits) -> None:
    clean = load(mislabelled=0.0)
    assert np.bincount(expression(clean.train)).tolist() == [100] * 7
    assert splits.test is not None
    assert splits.train.groups is not None
    assert splits.test.groups is not None
    train, test = set(splits.train.groups.tolist()), set(splits.test.groups.tolist())
    assert not train & test
    assert train | test == set(range(20))


def test_two_subjects_are_one_for_each_split() -> None:
    few = load(images=7, test_images=700, subjects=2)
    assert few.test is not None
    assert few.train.groups is not None
    assert few.test.groups is not None
    assert (set(few.train.groups.tolist()), set(few.test.groups.tolist())) == ({0}, {1})


@pytest.mark.parametrize(
    ("name", "active"),
    [
        ("anger", {4, 7}),
        ("disgust", {10}),
        ("fear", {1, 4, 25}),
        ("happiness", {6, 12}),
        ("sadness", {1, 4, 15}),
        ("surprise", {1, 2, 25, 26}),
        ("neutral", set()),
    ],
)
def test_action_units_follow_the_prototype_of_the_expression(name: str, active: set[int]) -> None:
    split = load(images=2800, mislabelled=0.0).train
    units = split.targets[Task.ACTION_UNITS].values[expression(split) == EKMAN_NEUTRAL.index(name)]
    shares = dict(zip(ACTION_UNITS, units.mean(axis=0), strict=True))
    possible = {int(code[:-1]) for codes in faces.PROTOTYPES[name] for code in codes.split()}
    assert all(shares[unit] > 0.6 for unit in active)
    assert all(shares[unit] < 0.06 for unit in shares if unit not in possible)


def test_valence_and_arousal_lie_in_the_quadrant_of_the_expression() -> None:
    split = load(mislabelled=0.0).train
    affect = split.targets[Task.VALENCE_AROUSAL].values
    means = {name: affect[expression(split) == label].mean(axis=0) for label, name in enumerate(EKMAN_NEUTRAL)}
    assert means["happiness"][0] > 0.4
    assert all(means[name][0] < -0.3 for name in ("anger", "disgust", "fear", "sadness"))
    assert all(means[name][1] > 0.4 for name in ("anger", "fear", "surprise"))
    assert means["sadness"][1] < -0.2
    assert np.abs(means["neutral"]).max() < 0.05


def test_exactly_the_stated_share_of_training_labels_is_wrong_and_no_pixel_changes() -> None:
    clean, noisy = load(mislabelled=0.0), load(mislabelled=0.2)
    assert np.count_nonzero(expression(clean.train) != expression(noisy.train)) == 140
    assert clean.test is not None
    assert noisy.test is not None
    np.testing.assert_array_equal(expression(clean.test), expression(noisy.test))
    np.testing.assert_array_equal(decode(clean.train, [0, 1], 32), decode(noisy.train, [0, 1], 32))
    for task in (Task.ACTION_UNITS, Task.VALENCE_AROUSAL, Task.LANDMARKS):
        np.testing.assert_array_equal(clean.train.targets[task].values, noisy.train.targets[task].values)


def corner_heights(split: Split) -> NDArray[np.float64]:
    """How far the mouth's corners lie below its upper lip, in distances between the eyes' outer corners."""
    landmarks = split.targets[Task.LANDMARKS].values.astype(np.float64)
    eyes = landmarks[:, 12] - landmarks[:, 4]
    wide = np.linalg.norm(eyes, axis=1, keepdims=True)
    down = np.stack([-eyes[:, 1], eyes[:, 0]], axis=1) / wide
    below = landmarks[:, CORNERS].mean(axis=1) - landmarks[:, EYES].mean(axis=1)
    heights: NDArray[np.float64] = (below * down).sum(axis=1) / wide[:, 0]
    return heights


def test_each_persons_mouth_corners_rise_in_happiness_and_fall_in_sadness() -> None:
    split = load(images=1400, subjects=8, mislabelled=0.0).train
    heights, labels = corner_heights(split), expression(split)
    assert split.groups is not None
    for subject in np.unique(split.groups):
        happy, sad, neutral = (
            heights[(split.groups == subject) & (labels == EKMAN_NEUTRAL.index(name))].mean()
            for name in ("happiness", "sadness", "neutral")
        )
        assert happy < neutral - 0.05
        assert sad > neutral + 0.05


def render(given: Any, units: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The same people, seen in the same way, with these action units: pixels and landmarks in pixels."""
    shape = faces._shape(given, units, faces._unevenness(len(units), np.random.default_rng(1)))
    parameters = {name: values.astype(np.float32) for name, values in (given | shape).items()}
    pixels, _ = faces.RenderedFaces("", (0, 0), parameters).decode(np.arange(len(units)), 112)
    return pixels.astype(np.int64), faces._landmarks(parameters) * 112


def change(before: NDArray[np.int64], after: NDArray[np.int64], points: NDArray[Any]) -> float:
    """Mean change of the pixels within 4 pixels of the box about `points`."""
    left, top = np.maximum(points.min(axis=0).astype(int) - 4, 0)
    right, bottom = points.max(axis=0).astype(int) + 5
    return float(np.abs(after - before)[top:bottom, left:right].mean())


@pytest.mark.parametrize(
    ("name", "brows", "mouth"),
    [
        ("anger", True, True),
        ("disgust", False, True),
        ("fear", True, True),
        ("happiness", False, True),
        ("sadness", True, True),
        ("surprise", True, True),
    ],
)
def test_an_expression_changes_its_part_of_the_face_and_nothing_else(name: str, brows: bool, mouth: bool) -> None:
    generator = np.random.default_rng(0)
    given = faces._people(6, generator) | faces._scenes(6, generator)
    given |= {"hand": np.zeros(6), "hairline": np.full(6, 0.8), "hairline_bend": np.full(6, 0.5)}
    calm, points = render(given, np.zeros((6, len(faces.UNITS))))
    moved, _ = render(given, np.tile(faces._intensities(faces.PROTOTYPES[name][0]), (6, 1)))
    for face in range(6):
        assert (change(calm[face], moved[face], points[face, BROWS]) > 4) >= brows
        assert (change(calm[face], moved[face], points[face, CORNERS + LIPS]) > 4) >= mouth
        assert np.abs(calm[face] - moved[face])[:8].max() <= 2
        assert np.abs(calm[face] - moved[face])[:, :6].max() <= 2


def test_the_iris_is_drawn_between_the_landmarks_of_the_eye() -> None:
    generator = np.random.default_rng(3)
    given = faces._people(16, generator) | faces._scenes(16, generator)
    given |= {"hand": np.zeros(16), "glasses": np.zeros(16), "hairline": np.full(16, 9.0), "long": np.zeros(16)}
    pixels, points = render(given, np.zeros((16, len(faces.UNITS))))
    darker = 0
    for face in range(16):
        for top, bottom in ((5, 6), (13, 14)):
            x, y = points[face, [top, bottom]].mean(axis=0).astype(int)
            pupil = pixels[face, y - 2 : y + 3, x - 4 : x + 5].min(axis=-1).min()
            cheek = pixels[face, y + 14, x].min()
            darker += pupil < cheek
    assert darker >= 30


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("images", 6, "images is 6; give 7 or more"),
        ("test_images", 0, "test_images is 0; give 7 or more"),
        ("subjects", 1, "subjects is 1; give 2 or more"),
        ("seed", -1, "seed is -1; give 0 or more"),
        ("mislabelled", 1.0, r"mislabelled is 1\.0; give a share of 0 or more, below 1"),
        ("mislabelled", -0.1, r"mislabelled is -0\.1; give a share"),
        ("mislabelled", float("nan"), "mislabelled is nan; give a share"),
    ],
)
def test_an_option_that_cannot_be_met_is_refused(option: str, value: float, message: str) -> None:
    with pytest.raises(DatasetError, match=f"synthetic_faces: {message}"):
        load(**{option: value})


@pytest.mark.parametrize("size", [15, 257])
def test_a_size_that_cannot_be_drawn_is_refused(splits: Splits, size: int) -> None:
    with pytest.raises(DatasetError, match="16 to 256 pixels"):
        splits.train.images.decode(np.arange(1), size)


def test_the_fingerprint_tells_options_and_splits_apart(splits: Splits) -> None:
    assert splits.test is not None
    changed: list[dict[str, float]] = [
        {"images": 707},
        {"subjects": 30},
        {"mislabelled": 0.1},
        {"seed": 1},
    ]
    prints = [load(**options).train.images.fingerprint() for options in changed]
    prints += [splits.train.images.fingerprint(), splits.test.images.fingerprint()]
    assert len(set(prints)) == 6
    assert load().train.images.fingerprint() == splits.train.images.fingerprint()


def test_another_seed_gives_other_faces(splits: Splits) -> None:
    assert (decode(splits.train, [0], 48) != decode(load(seed=1).train, [0], 48)).mean() > 0.5


# Sequences

FRAMES = 120


@pytest.fixture(scope="module")
def sequences() -> Splits:
    return load(images=40 * FRAMES, test_images=10 * FRAMES, frames=FRAMES, missing=0.2, mislabelled=0.0)


def by_sequence(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(-1, FRAMES, *values.shape[1:])


def test_single_images_are_what_they_were_before_there_were_sequences(splits: Splits) -> None:
    assert splits.train.images.fingerprint() == "baf6b5553a2eca61"
    assert load(frames=0, missing=0.0).fingerprint() == splits.fingerprint()
    assert splits.train.sounds is None


def test_a_sequence_is_one_person_and_its_frames_are_in_order(sequences: Splits) -> None:
    assert sequences.test is not None
    for split, people in ((sequences.train, range(40)), (sequences.test, range(40, 50))):
        assert split.groups is not None
        assert split.groups.tolist() == [person for person in people for _ in range(FRAMES)]
        assert list(split.items) == sorted(split.items)
        shapes = {task: (target.values.dtype.name, target.values.shape) for task, target in split.targets.items()}
        assert shapes == {
            Task.EXPRESSION: ("int64", (len(split.items),)),
            Task.ACTION_UNITS: ("uint8", (len(split.items), 12)),
            Task.VALENCE_AROUSAL: ("float32", (len(split.items), 2)),
            Task.LANDMARKS: ("float32", (len(split.items), 22, 2)),
        }
    assert sequences.train.items[FRAMES] == "train/0001/00001"


def test_an_expression_has_onset_apex_and_offset(sequences: Splits) -> None:
    shown = by_sequence(expression(sequences.train))
    neutral = EKMAN_NEUTRAL.index("neutral")
    assert (shown[:, 0] == neutral).all()
    assert (shown[:, -1] == neutral).all()
    counts = np.bincount(shown.ravel(), minlength=7)
    assert counts[:neutral].min() > 0.7 * counts[:neutral].max()
    assert 0.3 < counts[neutral] / counts.sum() < 0.7
    affect = by_sequence(sequences.train.targets[Task.VALENCE_AROUSAL].values)
    assert np.abs(np.diff(affect, axis=1)).max() < 0.25  # nothing jumps
    strength = np.linalg.norm(affect, axis=2)
    for row, signs in zip(strength, shown != neutral, strict=True):
        starts, ends = (np.flatnonzero(np.diff(signs.astype(int)) == step) + 1 for step in (1, -1))
        assert 2 <= len(starts) == len(ends) <= 3
        for start, end in zip(starts, ends, strict=True):
            middle = row[(start + end) // 2]
            assert middle > row[start - 1]
            assert middle > row[end]


def test_action_units_come_and_go_with_the_expression(sequences: Splits) -> None:
    shown = expression(sequences.train)
    units = sequences.train.targets[Task.ACTION_UNITS].values
    rates = {name: units[shown == index].mean(axis=0) for index, name in enumerate(EKMAN_NEUTRAL)}
    assert rates["happiness"][ACTION_UNITS.index(12)] > 0.7
    assert rates["surprise"][ACTION_UNITS.index(2)] > 0.7
    assert max(rates["neutral"]) < 0.1


def test_the_face_moves_a_little_from_frame_to_frame_and_stays_the_same_person(sequences: Splits) -> None:
    marks = by_sequence(sequences.train.targets[Task.LANDMARKS].values)
    assert np.abs(np.diff(marks, axis=1)).max() < 0.08
    assert np.abs(marks[:, 0] - marks[:, FRAMES // 2]).mean() > 0.01
    pixels = decode(sequences.train, [0, 1, FRAMES], 48).astype(np.int64)
    assert np.abs(pixels[0] - pixels[1]).mean() < 0.5 * np.abs(pixels[0] - pixels[2]).mean()


def test_labels_are_missing_in_stretches_of_each_task_on_its_own(sequences: Splits) -> None:
    for split in sequences.named().values():
        masks = [
            split.targets[Task.EXPRESSION].mask[:, None],
            split.targets[Task.VALENCE_AROUSAL].mask[:, None],
            split.targets[Task.ACTION_UNITS].mask,
        ]
        there = np.concatenate(masks, axis=1)
        np.testing.assert_allclose(there.mean(axis=0), 0.8, atol=0.001)
        assert split.targets[Task.LANDMARKS].mask.all()
        assert len(np.unique(there, axis=1).T) == 14
        changes = np.diff(by_sequence(there).astype(int), axis=1) != 0
        assert changes.mean() < 0.03
    whole = load(images=4 * FRAMES, test_images=FRAMES, frames=FRAMES)
    assert all(target.mask.all() for target in whole.train.targets.values())
    assert whole.train.targets[Task.ACTION_UNITS].mask.shape == (4 * FRAMES, 12)


def test_missing_labels_leave_the_faces_as_they_are(sequences: Splits) -> None:
    whole = load(images=40 * FRAMES, test_images=10 * FRAMES, frames=FRAMES, mislabelled=0.0)
    assert whole.train.images.fingerprint() == sequences.train.images.fingerprint()
    np.testing.assert_array_equal(decode(whole.train, [7, 130], 32), decode(sequences.train, [7, 130], 32))
    assert whole.fingerprint() != sequences.fingerprint()


def test_sounds_tell_of_arousal_and_of_the_mouth(sequences: Splits) -> None:
    assert sequences.test is not None
    heard, targets = [], []
    for split in (sequences.train, sequences.test):
        assert split.sounds is not None
        features = split.sounds.decode(np.arange(len(split.items)))
        assert (features.shape, features.dtype.name) == ((len(split.items), 64), "float32")
        assert features.min() >= 0
        heard.append(np.append(features, np.ones((len(features), 1)), axis=1))
        jaw = split.targets[Task.ACTION_UNITS].values[:, ACTION_UNITS.index(26)]
        targets.append(np.stack([split.targets[Task.VALENCE_AROUSAL].values[:, 1], jaw], axis=1))
    weights = np.linalg.lstsq(heard[0], targets[0], rcond=None)[0]
    said = heard[1] @ weights
    arousal, jaw = (np.corrcoef(said[:, column], targets[1][:, column])[0, 1] for column in (0, 1))
    assert arousal > 0.8
    assert jaw > 0.5


def test_a_sound_is_the_same_whatever_it_is_decoded_with(sequences: Splits) -> None:
    sounds = sequences.train.sounds
    assert sounds is not None
    together = sounds.decode(np.arange(50))
    np.testing.assert_array_equal(sounds.decode(np.arange(49, -1, -1))[::-1], together)
    assert len(np.unique(together, axis=0)) == 50
    assert sounds.fingerprint() != load(images=240, test_images=120, frames=120).train.sounds.fingerprint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 19}, "frames is 19; give 20 or more"),
        ({"frames": -1}, "frames is -1; give 20 or more"),
        ({"frames": 20, "images": 20}, "images is 20; give 40 or more"),
        ({"frames": 30, "images": 100}, "images is 100; give a multiple of the 30 frames"),
        ({"frames": 20, "images": 100, "test_images": 30}, "test_images is 30; give a multiple of the 20 frames"),
        ({"frames": 20, "images": 100, "test_images": 40, "missing": 1}, "missing is 1; give a share"),
        ({"missing": 0.5}, "labels can only be missing of sequences; give frames, too"),
    ],
)
def test_sequences_that_cannot_be_met_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(DatasetError, match=f"synthetic_faces: {message}"):
        load(**options)
