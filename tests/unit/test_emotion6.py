"""Emotion6: its three views, scales and fixed split, and what is said of damaged copies."""

from pathlib import Path

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN, EKMAN_NEUTRAL, Task
from tests.make_emotion_datasets import make_emotion6

load = catalog.dataset("emotion6")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_emotion6(tmp_path_factory.mktemp("emotion6"))


def values(root: Path, **options: object) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Items, values and masks of all images, in the order of their numbers."""
    splits = load(root, **options)
    items = [item for split in splits.named().values() for item in split.items]
    targets = [next(iter(split.targets.values())) for split in splits.named().values()]
    order = np.argsort([int(Path(item).stem) for item in items])
    joined = [np.concatenate([getattr(target, name) for target in targets])[order] for name in ("values", "mask")]
    return [items[index] for index in order], *joined


def test_dim7_is_the_distribution_with_neutral(root):
    splits = load(root)
    assert splits.classes == EKMAN_NEUTRAL
    assert (len(splits.train.items), splits.validation, len(splits.test.items)) == (46, None, 14)
    assert list(splits.train.targets) == [Task.DISTRIBUTION]
    items, shares, mask = values(root)
    assert items[:2] == ["disgust/1.jpg", "fear/2.jpg"]
    assert shares.dtype == np.float32
    assert shares[0].round(4).tolist() == np.float32([0.1333, 0.7, 0, 0.0667, 0.1, 0, 0]).tolist()
    assert shares.argmax(axis=1)[1:].tolist() == [6 if number == 7 else number % 7 for number in range(2, 61)]
    assert shares.sum(axis=1) == pytest.approx(1)
    assert mask.all()
    assert splits.notes == ()
    pixels, reasons = splits.test.images.decode(np.arange(14), 16)
    assert not reasons
    assert pixels.shape == (14, 16, 16, 3)


def test_dim6_leaves_neutral_out_and_masks_what_is_only_neutral(root):
    splits = load(root, view="dim6")
    assert splits.classes == EKMAN
    assert splits.notes == ("images that are only neutral, without a label in dim6: 1.",)
    items, shares, mask = values(root, view="dim6")
    assert [item for item, there in zip(items, mask, strict=True) if not there] == ["disgust/7.jpg"]
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[1] == pytest.approx([1 / 9, 1 / 9, 7 / 9, 0, 0, 0])
    labels = np.concatenate([split.labels() for split in splits.named().values()])
    assert (labels == -1).sum() == 1


def test_va_runs_from_minus_one_to_one(root):
    splits = load(root, view="va")
    assert splits.classes == ()
    assert list(splits.train.targets) == [Task.VALENCE_AROUSAL]
    _, affect, mask = values(root, view="va")
    assert affect[0] == pytest.approx([(2.5 - 5) / 4, (3.8 - 5) / 4])
    assert affect[1].tolist() == [-1.0, 0.5]
    assert affect.max() == 1.0
    assert mask.all()


def test_va_as_published_has_mean_zero_and_variance_one_over_all_images(root):
    _, scores, _ = values(root, view="va", scale="as_published")
    assert scores.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert scores.std(axis=0) == pytest.approx([1, 1], abs=1e-6)
    _, affect, _ = values(root, view="va")
    assert scores == pytest.approx((affect - affect.mean(axis=0)) / affect.std(axis=0), abs=1e-5)
    with pytest.raises(DatasetError, match="scale: as_published is of valence and arousal"):
        load(root, scale="as_published")


def test_every_view_has_the_same_split_and_the_folds_share_out_the_images(root):
    tested = [load(root, view=view).test.items for view in ("dim6", "dim7", "va")]
    assert tested[0] == tested[1] == tested[2]
    folds = [set(load(root, fold=fold).test.items) for fold in range(5)]
    assert len(set.union(*folds)) == sum(map(len, folds)) == 60


def test_the_folder_emotion6_itself_is_the_same_data(root):
    assert load(root / "Emotion6").fingerprint() == load(root).fingerprint()


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (
            1,
            "disgust/1.jpg\t2.5\t3.8\t1\t0\t0\t0\t0\t0\t0",
            r"ground_truth\.txt:1: the first line should name ten",
        ),
        (3, "joy/2.jpg\t2.5\t3.8\t0.1", r"txt:3: 'joy/2.jpg 2.5 3.8 0.1' is not an image and nine numbers"),
        (
            4,
            "joy/2.jpg 2.5 3.8 0.1 0 0 0.9 0 0 0",
            r"txt:4: .* is not an image and nine numbers, separated by tabs",
        ),
        (
            5,
            "joy/2.jpg\t0.5\t3.8\t1\t0\t0\t0\t0\t0\t0",
            r"txt:5: valence 0.5 and arousal 3.8 should be from 1 to 9",
        ),
        (5, "joy/2.jpg\tnan\t3.8\t1\t0\t0\t0\t0\t0\t0", r"txt:5: valence nan"),
        (6, "joy/2.jpg\t5\t3.8\t1\t0\t0\t0.5\t0\t0\t0", r"txt:6: the seven shares should .* add up to 1, not 1.5"),
        (6, "joy/2.jpg\t5\t3.8\tnan\t0\t0\t0\t0\t0\t0", r"txt:6: the seven shares"),
        (6, "disgust/1.jpg\t5\t3.8\t1\t0\t0\t0\t0\t0\t0", r"txt:6: 'disgust/1.jpg' comes more than once"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, text, message):
    file = make_emotion6(tmp_path, 8) / "Emotion6" / "ground_truth.txt"
    lines = file.read_text().split("\n")
    lines[line - 1] = text
    file.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_a_copy_cut_short_or_missing(tmp_path):
    file = make_emotion6(tmp_path, 8) / "Emotion6" / "ground_truth.txt"
    file.write_text(file.read_text()[:-9])
    with pytest.raises(DatasetError, match="txt:9: "):
        load(tmp_path)
    file.write_text(file.read_text().split("\n")[0])
    with pytest.raises(DatasetError, match="lists no image"):
        load(tmp_path)
    file.unlink()
    with pytest.raises(DatasetError, match=r"no Emotion6 under .*: looked for Emotion6/ground_truth\.txt"):
        load(tmp_path)
