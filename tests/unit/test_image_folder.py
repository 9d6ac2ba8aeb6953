"""Folders of images: layouts, class order, what is left out, what is refused."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL
from tests.make_datasets import make_image_folder

load = catalog.dataset("image_folder")


def test_train_validation_and_test_are_found(tmp_path):
    splits = load(make_image_folder(tmp_path, ("sad", "happy"), {"train": 3, "val": 2, "test": 1}))
    assert splits.classes == ("happy", "sad")
    assert splits.train.items == tuple(
        f"train/{name}/{number}.png" for name in ("happy", "sad") for number in range(3)
    )
    assert splits.train.labels().tolist() == [0, 0, 0, 1, 1, 1]
    assert (len(splits.validation.items), len(splits.test.items)) == (4, 2)
    assert not splits.train.images.decode(np.arange(6), 16)[1]


def test_only_train_is_needed_and_validation_has_two_names(tmp_path):
    make_image_folder(tmp_path, counts={"train": 1})
    assert load(tmp_path).validation is load(tmp_path).test is None
    make_image_folder(tmp_path, counts={"validation": 1})
    assert load(tmp_path).validation.items[0] == "validation/happy/0.png"
    make_image_folder(tmp_path, counts={"val": 1})
    with pytest.raises(DatasetError, match="both val and validation: keep one"):
        load(tmp_path)


def test_numbers_are_sorted_as_numbers_and_words_as_words(tmp_path):
    assert load(make_image_folder(tmp_path / "a", ("10", "2", "1"), {"train": 1})).classes == ("1", "2", "10")
    assert load(make_image_folder(tmp_path / "b", ("10", "2", "x"), {"train": 1})).classes == ("10", "2", "x")


def test_collections_side_by_side_are_pooled(tmp_path):
    for collection, classes in (("kdef", ("happy", "sad")), ("raf", ("sad", "fear"))):
        for split in ("train", "test"):
            made = make_image_folder(tmp_path / "made" / collection / split, classes, {"x": 2})
            shutil.copytree(made / "x", tmp_path / split / collection)
    splits = load(tmp_path)
    assert splits.classes == ("fear", "happy", "sad")
    assert np.bincount(splits.train.labels()).tolist() == [2, 2, 4]
    assert splits.test.items[0] == "test/kdef/happy/0.png"


def test_backups_hidden_files_and_other_files_are_left_out(tmp_path):
    make_image_folder(tmp_path, ("a", "b"), {"train": 1})
    folder = tmp_path / "train" / "a"
    image = Image.new("RGB", (8, 8))
    for name in ("one.JPG", "two.jpeg", "three.Bmp", "four.webp", "five.TIF", "six.tiff", "größe.png"):
        image.save(folder / name)
    for name in ("0.png~", ".hidden.png", "notes.txt", "Thumbs.db"):
        shutil.copy(folder / "0.png", folder / name)
    (tmp_path / "train" / ".cache").mkdir()
    (folder / "nested.png").mkdir()
    splits = load(tmp_path)
    train = splits.train
    assert train.labels().tolist() == [0] * 8 + [1]
    assert splits.notes == (
        "3 files in class folders are no images (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp).",
    )
    assert not train.images.decode(np.arange(9), 8)[1]


def test_a_broken_link_is_unreadable_by_name(tmp_path):
    make_image_folder(tmp_path, ("a", "b"), {"train": 1})
    (tmp_path / "train" / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    train = load(tmp_path).train
    assert train.items[1] == "train/a/gone.png"
    assert train.images.decode(np.arange(3), 8)[1] == {1: "file is missing"}


def test_a_name_that_is_not_utf8_is_read_and_gets_a_printable_id(tmp_path):
    make_image_folder(tmp_path, ("a", "b"), {"train": 1})
    (tmp_path / "train/a/0.png").rename(tmp_path / "train" / "a" / os.fsdecode(b"\xe4.png"))
    splits = load(tmp_path)
    assert splits.train.items[0] == r"train/a/\xe4.png"
    assert not splits.train.images.decode(np.arange(2), 8)[1]
    assert splits.fingerprint()


def test_different_classes_in_the_splits_are_named(tmp_path):
    make_image_folder(tmp_path, ("a", "b"), {"train": 1})
    make_image_folder(tmp_path, ("a", "c"), {"test": 1})
    with pytest.raises(DatasetError, match=r"train and test under .* different classes: b, c only in one of them"):
        load(tmp_path)


def test_a_class_of_train_without_images_is_named(tmp_path):
    make_image_folder(tmp_path, ("a", "b"), {"train": 1})
    (tmp_path / "train" / "b" / "0.png").unlink()
    with pytest.raises(DatasetError, match=r"no image of class b in .*train"):
        load(tmp_path)


def test_another_layout_is_told_what_is_expected(tmp_path):
    make_image_folder(tmp_path, ("a", "b"), {"train": 1})
    with pytest.raises(DatasetError, match="has no folder train: expected train/CLASS/IMAGE"):
        load(tmp_path / "train")
    with pytest.raises(DatasetError, match="has no folder train"):
        load(tmp_path / "nowhere")
    shutil.rmtree(tmp_path / "train" / "a")
    shutil.rmtree(tmp_path / "train" / "b")
    with pytest.raises(DatasetError, match="train holds no images in class folders: expected"):
        load(tmp_path)


RAF_ORDER = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
RAF_NAMES = dict(zip("1234567", RAF_ORDER, strict=True))


def test_named_folders_are_classes_of_a_known_space_in_its_order(tmp_path):
    splits = load(make_image_folder(tmp_path, tuple(RAF_NAMES)), names=RAF_NAMES)
    assert splits.classes == EKMAN_NEUTRAL
    for split in splits.named().values():
        assert split.labels().tolist() == [
            EKMAN_NEUTRAL.index(RAF_NAMES[item.split("/")[1]]) for item in split.items
        ]


def test_named_folders_may_share_a_class_and_keep_their_order_in_no_known_space(tmp_path):
    names = {"joy": "pleased", "fun": "pleased", "sad": "not pleased"}
    train = load(make_image_folder(tmp_path, tuple(names), {"train": 2}), names=names).train
    assert load(tmp_path, names=names).classes == ("pleased", "not pleased")
    assert train.labels().tolist() == [int("sad" in item) for item in train.items]


@pytest.mark.parametrize("classes", ["123456", "12345678"])
def test_other_folders_than_those_named_are_refused(tmp_path, classes):
    make_image_folder(tmp_path, tuple(classes), {"train": 1})
    with pytest.raises(DatasetError, match=r"the class folders of .* `names` gives .*: they differ in [78]\."):
        load(tmp_path, names=RAF_NAMES)


def test_another_class_makes_other_data_so_that_no_index_shifts_unseen(tmp_path):
    make_image_folder(tmp_path, ("a", "c"), {"train": 1})
    before = load(tmp_path)
    make_image_folder(tmp_path, ("b",), {"train": 1})
    after = load(tmp_path)
    assert after.classes == ("a", "b", "c")
    assert after.fingerprint() != before.fingerprint()


def test_names_that_are_not_utf8_stay_apart(tmp_path):
    make_image_folder(tmp_path, ("a", "b"), {"train": 1})
    for name in (b"\xe4.png", b"\xf6.png"):
        shutil.copy(tmp_path / "train" / "a" / "0.png", tmp_path / "train" / "a" / os.fsdecode(name))
    assert load(tmp_path).train.items[1:3] == (r"train/a/\xe4.png", r"train/a/\xf6.png")
