"""RAF-DB in both of its layouts, and what is said of copies that are neither."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL
from tests.make_datasets import make_official_raf_db, make_recut_raf_db

load = catalog.dataset("raf_db")

# Native labels 1 to 7 are surprise, fear, disgust, happiness, sadness, anger, neutral.
CANONICAL = [5, 2, 1, 3, 4, 0, 6]


def labels_of_list(root: Path, split: str) -> list[int]:
    lines = (root / "basic" / "EmoLabel" / "list_patition_label.txt").read_text().split("\n")
    return [CANONICAL[int(line.split()[1]) - 1] for line in lines if line.startswith(split)]


def test_the_official_layout_in_canonical_order(tmp_path):
    splits = load(make_official_raf_db(tmp_path, train=3, test=2))
    assert splits.classes == EKMAN_NEUTRAL
    assert splits.validation is None
    assert splits.train.items[0] == "Image/aligned/train_00001_aligned.jpg"
    assert splits.test.items[-1] == "Image/aligned/test_0014_aligned.jpg"
    assert splits.train.labels().tolist() == labels_of_list(tmp_path, "train")
    assert splits.test.labels().tolist() == labels_of_list(tmp_path, "test")
    pixels, reasons = splits.train.images.decode(np.arange(21), 100)
    assert not reasons
    with Image.open(tmp_path / "basic" / splits.train.items[4]) as image:
        assert (pixels[4] == np.asarray(image)).all()


def test_the_last_line_counts_without_a_newline_and_with_one(tmp_path):
    make_official_raf_db(tmp_path, train=1, test=1)
    file = tmp_path / "basic" / "EmoLabel" / "list_patition_label.txt"
    assert not file.read_text().endswith("\n")
    before = load(tmp_path).test.labels().tolist()
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert load(tmp_path).test.labels().tolist() == before
    assert len(before) == 7


def test_the_folder_basic_itself_is_the_same_data(tmp_path):
    make_official_raf_db(tmp_path, train=1, test=1)
    assert load(tmp_path / "basic").fingerprint() == load(tmp_path).fingerprint()


def test_original_photographs_are_read_on_request(tmp_path):
    make_official_raf_db(tmp_path, train=1, test=1)
    with pytest.raises(DatasetError, match=r"Image/original is missing: unpack RAF-DB's original images there"):
        load(tmp_path, images="original")
    (tmp_path / "basic" / "Image" / "aligned").rename(tmp_path / "basic" / "Image" / "original")
    for file in (tmp_path / "basic" / "Image" / "original").iterdir():
        file.rename(file.with_name(file.name.replace("_aligned", "")))
    splits = load(tmp_path, images="original")
    assert splits.train.items[0] == "Image/original/train_00001.jpg"
    assert not splits.train.images.decode(np.arange(7), 16)[1]
    with pytest.raises(DatasetError, match=r"Image/aligned is missing"):
        load(tmp_path)


@pytest.mark.parametrize(
    "line", ["train_00001.jpg 8", "train_00001.jpg", "val_00001.jpg 3", "", "train_00001.jpg 5 5"]
)
def test_a_malformed_line_is_named(tmp_path, line):
    make_official_raf_db(tmp_path, train=1, test=1)
    file = tmp_path / "basic" / "EmoLabel" / "list_patition_label.txt"
    lines = file.read_text().split("\n")
    file.write_text("\n".join([*lines[:2], line, *lines[2:]]))
    with pytest.raises(
        DatasetError, match=r"list_patition_label.txt:3: .* is not an image name and a label from 1"
    ):
        load(tmp_path)


def test_a_listed_image_that_is_not_there_is_unreadable_by_name(tmp_path):
    make_official_raf_db(tmp_path, train=1, test=1)
    (tmp_path / "basic" / "Image" / "aligned" / "train_00003_aligned.jpg").unlink()
    splits = load(tmp_path)
    assert splits.train.images.decode(np.arange(7), 16)[1] == {2: "file is missing"}


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("inner", [True, False])
def test_the_recut_layout_has_the_same_labels(tmp_path, lists, inner):
    make_recut_raf_db(tmp_path, train=3, test=2, lists=lists)
    splits = load(tmp_path / "DATASET" if inner else tmp_path)
    assert splits.classes == EKMAN_NEUTRAL
    assert (len(splits.train.items), len(splits.test.items)) == (21, 14)
    for split in (splits.train, splits.test):
        assert split.labels().tolist() == [CANONICAL[int(Path(item).parent.name) - 1] for item in split.items]
        assert not split.images.decode(np.arange(len(split.items)), 16)[1]


def test_the_lists_of_a_recut_copy_may_lie_within_it_and_name_what_is_missing(tmp_path):
    make_recut_raf_db(tmp_path, train=1, test=1)
    for name in ("train_labels.csv", "test_labels.csv"):
        (tmp_path / name).rename(tmp_path / "DATASET" / name)
    next((tmp_path / "DATASET" / "train" / "4").iterdir()).unlink()
    train = load(tmp_path).train
    _, reasons = train.images.decode(np.arange(7), 16)
    assert [train.items[index].split("/")[1] for index in reasons] == ["4"]


def test_a_recut_copy_without_a_test_folder_has_no_test_split(tmp_path):
    make_recut_raf_db(tmp_path, train=1, test=0, lists=False)
    assert load(tmp_path).test is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na.jpg,1\n", r"train_labels.csv:1: the first line is not 'image,label'"),
        ("", r"train_labels.csv:1: the first line is not 'image,label'"),
        ("image,label\na.jpg,1\nb.jpg,0\n", r"train_labels.csv:3: 'b.jpg,0' is not an image name and a label"),
        ("image,label\na.jpg\n", r"train_labels.csv:2: 'a.jpg' is not"),
        ("image,label\n", "lists no training image"),
    ],
)
def test_a_malformed_list_of_a_recut_copy_is_named(tmp_path, text, message):
    make_recut_raf_db(tmp_path, train=1, test=1)
    (tmp_path / "train_labels.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_a_recut_copy_has_no_original_photographs(tmp_path):
    with pytest.raises(DatasetError, match="holds aligned images only"):
        load(make_recut_raf_db(tmp_path, train=1, test=1), images="original")


def test_neither_layout_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        DatasetError, match=r"looked for basic/EmoLabel/list_patition_label.txt .* DATASET/train/1"
    ):
        load(tmp_path)
    with pytest.raises(DatasetError, match="no RAF-DB under"):
        load(tmp_path / "nowhere")
