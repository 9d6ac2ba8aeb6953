"""AffectNet in both forms: codes, masks, boxes, and what is said of damaged copies."""

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL, EKMAN_NEUTRAL_CONTEMPT, Task
from tests.make_fer_datasets import (
    AFFECTNET_HEADER,
    affectnet_rows,
    make_affectnet_lists,
    make_affectnet_sets,
    rewrite,
)

load = catalog.dataset("affectnet")

FORMS = {"lists": make_affectnet_lists, "sets": make_affectnet_sets}
forms = pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
NATIVE_TO_CANONICAL = [6, 3, 4, 5, 2, 1, 0, 7]
TRAINING = "Manually_Annotated_file_lists/training.csv"


@forms
def test_eight_expressions_with_valence_and_arousal(tmp_path, make):
    splits = load(make(tmp_path, train=3, test=2))
    assert splits.classes == EKMAN_NEUTRAL_CONTEMPT
    assert splits.validation is None
    for split, per_class in ((splits.train, 3), (splits.test, 2)):
        rows = [row for row in affectnet_rows(per_class) if row[0] < 8]
        assert split.labels().tolist() == [NATIVE_TO_CANONICAL[code] for code, _, _ in rows]
        target = split.targets[Task.VALENCE_AROUSAL]
        assert target.values.dtype == np.float32
        assert target.mask.tolist() == [False] + [True] * (len(rows) - 1)
        np.testing.assert_array_equal(target.values[0], 0)
        np.testing.assert_allclose(target.values[1:], [row[1:] for row in rows[1:]], atol=1e-6)
        assert not split.images.decode(np.arange(len(rows)), 16)[1]
    assert splits.notes[0] == "train: left out by their expression: 3 none, 3 uncertain, 3 no face."
    assert "test: left out by their expression: 2 none, 2 uncertain, 2 no face." in splits.notes
    assert "train: 1 images have no valence and arousal in [-1, 1]." in splits.notes


@forms
def test_seven_expressions_leave_contempt_out(tmp_path, make):
    splits = load(make(tmp_path, train=3, test=2), expressions=7)
    assert splits.classes == EKMAN_NEUTRAL
    assert np.bincount(splits.train.labels()).tolist() == [3] * 7
    assert splits.notes[0] == "train: left out by their expression: 3 contempt, 3 none, 3 uncertain, 3 no face."


def test_the_box_of_the_face_is_taken_where_there_is_one(tmp_path):
    train = load(make_affectnet_lists(tmp_path)).train
    pixels, _ = train.images.decode(np.arange(4), 40)
    blue = (np.abs(pixels.astype(int) - (0, 0, 255)).max(axis=-1) < 40).mean(axis=(1, 2))
    assert (blue[[0, 2, 3]] < 0.1).all()
    assert blue[1] > 0.5


def test_an_image_listed_twice_is_taken_once_and_noted(tmp_path):
    splits = load(make_affectnet_lists(tmp_path))
    assert "train: 1 rows are left out, as their image is listed before." in splits.notes
    assert len(splits.train.items) == 3 * 8


def test_the_lists_may_be_in_a_folder_of_their_own(tmp_path):
    inner = make_affectnet_lists(tmp_path / "Manually_Annotated")
    assert load(inner).fingerprint() == load(tmp_path).fingerprint()


@pytest.mark.parametrize("value", ["1.0001", "nan", "-2"])
def test_what_is_outside_the_range_is_masked(tmp_path, value):
    file = make_affectnet_lists(tmp_path) / TRAINING
    cells = file.read_text().split("\n")[2].split(",")
    rewrite(file, 3, ",".join([*cells[:-1], value]))
    assert load(tmp_path).train.targets[Task.VALENCE_AROUSAL].mask.tolist() == [False, False] + [True] * 22


@pytest.mark.parametrize(
    ("line", "edit", "message"),
    [
        (1, lambda cells: cells[:-1], rf"training.csv:1: the first line is not {AFFECTNET_HEADER} in any order"),
        (4, lambda cells: cells[:-1], r"training.csv:4: the row has no arousal: it is damaged, or the"),
        (5, lambda cells: [*cells[:-3], "11", *cells[-2:]], r"training.csv:5: the expression '11' is not a code"),
        (5, lambda cells: [*cells[:-3], "1.5", *cells[-2:]], r"training.csv:5: the expression '1.5' is not"),
        (6, lambda cells: [*cells[:-2], "high", "0.1"], r"training.csv:6: 'high' is not a number"),
        (6, lambda cells: [cells[0], "left", *cells[2:]], r"training.csv:6: 'left' is not a number"),
        (7, lambda cells: [cells[0], "inf", *cells[2:]], r"training.csv:7: inf, 10, 40, 40 is not a face's x, y,"),
        (7, lambda cells: ["", *cells[1:]], r"training.csv:7: the row has no subDirectory_filePath"),
    ],
)
def test_a_damaged_list_is_named_with_its_line(tmp_path, line, edit, message):
    file = make_affectnet_lists(tmp_path) / TRAINING
    rewrite(file, line, ",".join(edit(file.read_text().split("\n")[line - 1].split(","))))
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_a_list_cut_short_in_its_last_row_is_named_with_its_line(tmp_path):
    file = make_affectnet_lists(tmp_path, train=1) / TRAINING
    file.write_text(file.read_text()[:-20])
    with pytest.raises(DatasetError, match=r"training.csv:13: the row has no expression"):
        load(tmp_path)


def test_the_numbers_of_the_crops_come_in_their_order(tmp_path):
    train = load(make_affectnet_sets(tmp_path)).train
    assert train.items[:10] == tuple(f"{number}.jpg" for number in (*range(8), 11, 12))


def test_a_crop_that_is_not_there_is_unreadable(tmp_path):
    (make_affectnet_sets(tmp_path) / "train_set" / "images" / "2.jpg").unlink()
    assert load(tmp_path).train.images.decode(np.arange(4), 16)[1] == {2: "file is missing"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("4_exp.npy", np.array("12"), r"annotations/4_exp.npy: the expression '12' is not a code from 0"),
        ("4_val.npy", np.array("x"), r"annotations/4_val.npy: 'x' is not a number"),
        ("4_aro.npy", np.zeros(2), r"annotations/4_aro.npy is no NumPy file of one value"),
        ("4_aro.npy", np.array([{}], object), r"annotations/4_aro.npy is no NumPy file of one value"),
        ("4_aro.npy", b"", r"annotations/4_aro.npy is no NumPy file of one value"),
        ("4_aro.npy", b"<html>", r"annotations/4_aro.npy is no NumPy file of one value"),
        ("4_aro.npy", None, r"annotations/4_aro.npy is missing: unpack AffectNet whole"),
    ],
)
def test_a_damaged_annotation_is_named(tmp_path, name, content, message):
    file = make_affectnet_sets(tmp_path) / "train_set" / "annotations" / name
    file.unlink()
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


@forms
def test_without_the_validation_set_there_is_no_test(tmp_path, make):
    make(tmp_path)
    for place in ("Manually_Annotated_file_lists/validation.csv", "val_set"):
        if (tmp_path / place).exists():
            (tmp_path / place).rename(tmp_path / "away")
    assert list(load(tmp_path).named()) == ["train"]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no AffectNet under .*: looked for .*training.csv, and for train_set"):
        load(tmp_path)
    (tmp_path / "train_set" / "annotations").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"train_set/images is missing: unpack AffectNet whole"):
        load(tmp_path)
    (tmp_path / "train_set" / "images").mkdir()
    with pytest.raises(DatasetError, match="lists no training image with an expression"):
        load(tmp_path)
