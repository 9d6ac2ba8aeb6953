"""ArtPhoto: labels from names, what lies beside the photographs, and folds."""

import os

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import MIKELS
from tests.make_emotion_datasets import draw_picture, make_artphoto

load = catalog.dataset("artphoto")

WORDS = {"content": "contentment", "sad": "sadness"}


def test_the_emotion_is_what_stands_before_the_number(tmp_path):
    splits = load(make_artphoto(tmp_path))
    assert splits.classes == MIKELS
    assert (len(splits.train.items), splits.validation, len(splits.test.items)) == (64, None, 16)
    for split in splits.named().values():
        words = [item.split("_")[0] for item in split.items]
        assert [MIKELS[label] for label in split.labels()] == [WORDS.get(word, word) for word in words]
    assert splits.notes == ("photographs left out, without an emotion in their names: 1 (IMG_0042.jpg).",)
    assert "sad_0003.JPG" in splits.train.items + splits.test.items
    assert splits.test.images.decode(np.arange(16), 16)[1] == {}


def test_each_fold_tests_as_many_of_each_emotion_and_together_they_test_all(tmp_path):
    folds = [load(make_artphoto(tmp_path), fold=fold) for fold in range(5)]
    assert all(np.bincount(splits.test.labels()).tolist() == [2] * 8 for splits in folds)
    assert len({item for splits in folds for item in splits.test.items}) == 80


def test_a_name_in_another_encoding_is_read(tmp_path):
    make_artphoto(tmp_path)
    draw_picture(tmp_path / "new.jpg", 5)
    (tmp_path / "new.jpg").rename(tmp_path / "testImages_artphoto" / os.fsdecode(b"fear_caf\xe9.jpg"))
    draw_picture(tmp_path / "other.jpg", 6)
    (tmp_path / "other.jpg").rename(tmp_path / "testImages_artphoto" / os.fsdecode(b"caf\xe9.jpg"))
    splits = load(tmp_path / "testImages_artphoto")
    assert splits.notes[0].endswith("names: 2 (IMG_0042.jpg, caf\N{REPLACEMENT CHARACTER}.jpg).")
    items = splits.train.items + splits.test.items
    assert "fear_caf\N{REPLACEMENT CHARACTER}.jpg" in items
    assert len(items) == 81


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"no ArtPhoto under .*nowhere: looked for testImages_artphoto"):
        load(tmp_path / "nowhere")
    draw_picture(tmp_path / "testImages_artphoto" / "sorrow_0001.jpg", 1)
    with pytest.raises(DatasetError, match=r"testImages_artphoto holds no photograph named EMOTION_NUMBER\.jpg"):
        load(tmp_path)
