"""FI: folders by emotion, with and without lists that split them."""

import shutil

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import MIKELS
from tests.make_emotion_datasets import make_fi

load = catalog.dataset("fi")


def test_the_folder_is_the_label_and_a_fifth_is_for_testing(tmp_path):
    splits = load(make_fi(tmp_path))
    assert splits.classes == MIKELS
    assert (len(splits.train.items), splits.validation, len(splits.test.items)) == (64, None, 16)
    assert np.bincount(splits.test.labels()).tolist() == [2] * 8
    for split in splits.named().values():
        assert [MIKELS[label] for label in split.labels()] == [item.split("/")[0] for item in split.items]
    assert splits.test.images.decode(np.arange(16), 16)[1] == {}
    assert load(tmp_path / "emotion_dataset").fingerprint() == splits.fingerprint()
    assert set(load(tmp_path, fold=1).test.items).isdisjoint(splits.test.items)


@pytest.mark.parametrize(
    ("suffix", "header", "line"),
    [
        (".txt", "", "emotion_dataset/{0}/{0}_{1:04d}.jpg 3"),
        (".txt", "", "{0}_{1:04d}.jpg {0}"),
        (".csv", "image,emotion\n", '"{0}/{0}_{1:04d}.jpg",{0}'),
    ],
)
def test_lists_split_the_images(tmp_path, suffix, header, line):
    folder = make_fi(tmp_path) / "emotion_dataset"
    numbers = {"train": range(6), "val": range(6, 7), "test": range(7, 9)}
    for name, chosen in numbers.items():
        lines = [line.format(emotion, number) for emotion in MIKELS for number in chosen]
        (folder / f"{name}{suffix}").write_text(header + "\n".join(lines))
    splits = load(tmp_path)
    assert [len(split.items) for split in splits.named().values()] == [48, 8, 16]
    assert splits.validation.items == tuple(f"{emotion}/{emotion}_0006.jpg" for emotion in MIKELS)
    assert splits.validation.labels().tolist() == list(range(8))
    assert splits.notes == ("images left out, as no list has them: 8.",)


def test_damaged_lists_are_named(tmp_path):
    folder = make_fi(tmp_path) / "emotion_dataset"
    (folder / "train.txt").write_text("awe/awe_0000.jpg 2\nawe/awe_0099.jpg 2\n")
    with pytest.raises(
        DatasetError, match=r"train\.txt:2: 'awe/awe_0099\.jpg' is no image in the folder of an emo"
    ):
        load(tmp_path)
    (folder / "train.txt").write_text("awe/awe_0000.jpg 2\n")
    (folder / "test.txt").write_text("awe/awe_0000.jpg 2\n")
    with pytest.raises(DatasetError, match=r"awe/awe_0000\.jpg is in the lists of .* more than once"):
        load(tmp_path)
    (folder / "train.txt").write_text("\n")
    with pytest.raises(DatasetError, match=r"train\.txt lists no image"):
        load(tmp_path)


def test_missing_and_empty_folders_are_named(tmp_path):
    folder = make_fi(tmp_path) / "emotion_dataset"
    for file in (folder / "fear").iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match=r"fear holds no image \(\.bmp, "):
        load(tmp_path)
    (folder / "fear").rmdir()
    with pytest.raises(DatasetError, match="fear is missing: FI has a folder for each of anger, disgust"):
        load(tmp_path)
    shutil.rmtree(folder)
    with pytest.raises(DatasetError, match=r"no FI under .*: looked for emotion_dataset/anger and anger"):
        load(tmp_path)
