"""The survey of a data set with something of everything wrong in it."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from search import catalog, console
from search.data import Split, Splits, Target
from search.tasks import Task
from search.training.survey import Sizes, survey
from tests.make_datasets import draw_face, make_image_folder


def test_a_survey_counts_and_names(tmp_path):
    make_image_folder(tmp_path, ("happy", "sad"), {"train": 4, "val": 2, "test": 3}, size=40)
    draw_face(0, np.random.default_rng(9), 60).crop((0, 0, 50, 60)).save(tmp_path / "train" / "happy" / "tall.png")
    (tmp_path / "train" / "sad" / "1.png").write_bytes(b"")
    (tmp_path / "test" / "sad" / "2.png").write_bytes(b"<html>")
    shutil.copy(tmp_path / "train" / "happy" / "0.png", tmp_path / "test" / "happy" / "copy.png")
    Image.open(tmp_path / "train" / "sad" / "0.png").save(tmp_path / "val" / "sad" / "same-pixels.bmp")

    found = survey(catalog.dataset("image_folder")(tmp_path), 32)

    assert found.classes == ("happy", "sad")
    assert list(found.splits) == ["train", "validation", "test"]
    train = found.splits["train"]
    assert (train.items, train.counts, train.unlabelled, train.groups) == (9, {"happy": 5, "sad": 4}, 0, None)
    assert train.sizes == Sizes(width=(40, 40, 50), height=(40, 40, 60), not_square=1)
    assert train.unreadable == {"train/sad/1.png": "file is empty"}
    assert found.splits["validation"].unreadable == {}
    assert list(found.splits["test"].unreadable) == ["test/sad/2.png"]
    assert found.duplicates == (
        {"train": ("train/happy/0.png",), "test": ("test/happy/copy.png",)},
        {"train": ("train/sad/0.png",), "validation": ("val/sad/same-pixels.bmp",)},
    )
    assert json.loads(json.dumps(dataclasses.asdict(found)))["splits"]["test"]["counts"] == {"happy": 4, "sad": 3}


def test_a_data_set_without_files_or_labels_is_surveyed_too():
    faces = catalog.dataset("synthetic_faces")(Path(), images=42, test_images=14, subjects=6)
    count = len(faces.train.items)
    hidden = Target(faces.train.targets[Task.EXPRESSION].values, np.arange(count) < 3)
    train = Split(faces.train.images, {Task.EXPRESSION: hidden}, faces.train.items, np.zeros(count, np.int64))
    found = survey(Splits(faces.classes, train), 24).splits["train"]
    assert (found.items, sum(found.counts.values()), found.unlabelled) == (count, 3, count - 3)
    assert (found.groups, found.sizes, found.unreadable) == (1, None, {})


def test_the_notes_of_a_data_set_are_shown_and_change_no_fingerprint():
    faces = catalog.dataset("synthetic_faces")(Path(), images=14, test_images=7, subjects=6)
    noted = dataclasses.replace(faces, notes=("3 files are left out: [a], b, c.",))
    assert noted.fingerprint() == faces.fingerprint()
    found = survey(noted, 16)
    assert found.notes == noted.notes
    with console.terminal.capture() as capture:
        console.show(console.survey_tables(found))
    assert "3 files are left out: [a], b, c." in capture.get()


def test_nothing_readable_leaves_the_sizes_unknown(tmp_path):
    make_image_folder(tmp_path, ("happy", "sad"), {"train": 1})
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"")
    found = survey(catalog.dataset("image_folder")(tmp_path), 16)
    assert found.splits["train"].sizes is None
    assert len(found.splits["train"].unreadable) == 2
    assert found.duplicates == ()
