"""The cache: filled once and whole, carved from train only, verified on open, safe among processes."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search import catalog
from search.data import Split, Splits
from search.errors import CacheError, DatasetError
from search.tasks import Task
from search.training.cache import Prepared, open_prepared, prepare, read_manifest
from tests.make_datasets import make_image_folder

load = catalog.dataset("image_folder")
SETTINGS = {"name": "faces", "image_size": 16, "validation_share": 0.2, "split_seed": 0, "bad_share": 0.0}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_image_folder(tmp_path / "faces", counts={"train": 10, "test": 3}, size=24)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def reopened(splits: Splits, cache: Path, **changes: object) -> Prepared:
    return open_prepared(prepare(splits, cache=cache, **{**SETTINGS, **changes}))


def assert_rows_match(cached, split: Split) -> None:
    """Every cached row has the pixels, label and group of its item."""
    rows = np.array([split.items.index(item) for item in cached.items])
    assert (cached.images == split.images.decode(rows, cached.images.shape[1])[0]).all()
    for task, target in split.targets.items():
        assert (cached.targets[task].values == target.values[rows]).all()
        assert cached.targets[task].values.dtype == target.values.dtype
        assert (cached.targets[task].mask == target.mask[rows]).all()
    assert (cached.groups is None) == (split.groups is None)
    assert split.groups is None or (cached.groups == split.groups[rows]).all()


def test_a_data_set_is_decoded_once_and_mapped(root, cache):
    calls = []
    splits = load(root)
    folder = prepare(splits, cache=cache, progress=lambda *done: calls.append(done), **SETTINGS)
    data = open_prepared(folder)
    assert calls[-1] == (39, 39)
    assert (data.folder, data.image_size, data.classes) == (folder, 16, splits.classes)
    assert isinstance(data.train.images, np.memmap)
    assert not data.train.images.flags.writeable
    assert data.train.images.shape == (24, 16, 16, 3)
    assert data.validation.images.shape == (6, 16, 16, 3)
    assert sorted([*data.train.items, *data.validation.items]) == sorted(splits.train.items)
    assert tuple(data.test.items) == splits.test.items
    for cached, split in ((data.train, splits.train), (data.validation, splits.train), (data.test, splits.test)):
        assert_rows_match(cached, split)
    assert np.bincount(data.validation.targets[Task.EXPRESSION].values).tolist() == [2, 2, 2]

    calls.clear()
    assert prepare(load(root), cache=cache, progress=lambda *done: calls.append(done), **SETTINGS) == folder
    assert not calls


def test_every_kind_of_target_and_the_groups_are_kept(cache):
    splits = catalog.dataset("synthetic_faces")(Path(), images=70, test_images=14, subjects=12)
    data = reopened(splits, cache)
    assert set(data.train.targets) == set(splits.train.targets)
    assert not set(data.train.groups) & set(data.validation.groups)
    for cached, split in ((data.train, splits.train), (data.validation, splits.train), (data.test, splits.test)):
        assert_rows_match(cached, split)


def test_a_given_validation_split_is_used_as_it_is(root, cache):
    make_image_folder(root, counts={"val": 2}, seed=1, size=24)
    splits = load(root)
    data = reopened(splits, cache)
    assert tuple(data.train.items) == splits.train.items
    assert tuple(data.validation.items) == splits.validation.items
    assert read_manifest(data.folder).carved is None
    assert reopened(splits, cache, split_seed=5, validation_share=0.5).folder == data.folder


def test_without_a_test_split_there_is_none(root, cache):
    shutil.rmtree(root / "test")
    assert reopened(load(root), cache).test is None


def test_what_changes_the_content_changes_the_folder(root, cache):
    first = reopened(load(root), cache)
    others = [
        reopened(load(root), cache, **change)
        for change in ({"image_size": 12}, {"split_seed": 1}, {"validation_share": 0.5}, {"bad_share": 0.1})
    ]
    shutil.copy(root / "train" / "sad" / "1.png", root / "train" / "sad" / "2.png")
    others.append(reopened(load(root), cache))
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 6
    assert tuple(first.validation.items) != tuple(others[1].validation.items)
    assert open_prepared(first.folder).fingerprint == first.fingerprint


def test_copies_and_subjects_stay_on_one_side(root, cache):
    for file in list((root / "train").rglob("*.png")):
        with Image.open(file) as image:
            image.save(file.with_suffix(".jpg"), quality=90)
    train, test = load(root).train, load(root).test
    subjects = np.array([int(Path(item).stem) // 2 for item in train.items])
    data = reopened(
        Splits(load(root).classes, Split(train.images, train.targets, train.items, subjects), test=test), cache
    )
    sides = [{Path(item).with_suffix("") for item in split.items} for split in (data.train, data.validation)]
    assert not sides[0] & sides[1]
    assert not set(data.train.groups) & set(data.validation.groups)


def test_a_few_unreadable_images_are_left_out_by_name(root, cache):
    (root / "train" / "sad" / "4.png").write_bytes(b"")
    (root / "test" / "happy" / "0.png").write_bytes(b"<html>")
    splits = load(root)
    data = reopened(splits, cache, bad_share=0.06)
    assert read_manifest(data.folder).unreadable == {
        "train": {"train/sad/4.png": "file is empty"},
        "test": {"test/happy/0.png": "not an image (BMP, JPEG, PNG, TIFF, WEBP)"},
    }
    assert read_manifest(data.folder).counts == {"train": 23, "validation": 6, "test": 8}
    assert "train/sad/4.png" not in [*data.train.items, *data.validation.items]
    assert_rows_match(data.train, splits.train)
    assert_rows_match(data.test, splits.test)


def test_too_many_unreadable_images_are_refused_and_nothing_stays(root, cache):
    for number in range(7):
        (root / "train" / "sad" / f"{number}.png").write_bytes(b"")
    with pytest.raises(
        DatasetError,
        match=r"7 of 39 images can't be read, above the allowed share of 0.1: train/sad/0.png \(file is empty\)",
    ) as refused:
        prepare(load(root), cache=cache, **{**SETTINGS, "bad_share": 0.1})
    assert "and 2 more" in str(refused.value)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


def test_a_split_or_class_without_a_readable_image_is_refused(root, cache):
    for file in (root / "test").rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match="no image of the test split can be read"):
        prepare(load(root), cache=cache, **{**SETTINGS, "bad_share": 0.9})
    shutil.rmtree(root / "test")
    for file in (root / "train" / "sad").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match="only 0 separate images or subjects of class 'sad'"):
        prepare(load(root), cache=cache, **{**SETTINGS, "bad_share": 0.9})
    for file in root.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match="no image of the train split can be read"):
        prepare(load(root), cache=cache, **{**SETTINGS, "bad_share": 1.0})


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: flip_a_byte(folder / "train.images"),
            "train.images was changed: its size or checksum differs",
        ),
        (lambda folder: flip_a_byte(folder / "validation.npz"), "validation.npz was changed"),
        (lambda folder: (folder / "test.images").write_bytes(b""), "test.images was changed"),
        (lambda folder: (folder / "test.npz").unlink(), "test.npz is missing"),
        (
            lambda folder: (folder / "manifest.json").write_text("{"),
            "manifest.json is missing, damaged or of another",
        ),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (shutil.rmtree, "manifest.json is missing"),
    ],
)
def test_damage_is_found_on_open(root, cache, damage, message):
    folder = prepare(load(root), cache=cache, **SETTINGS)
    damage(folder)
    with pytest.raises(CacheError, match=rf"{folder}: {message}.* run `search data prepare` again"):
        open_prepared(folder)


def test_a_folder_of_another_version_is_refused(root, cache):
    folder = prepare(load(root), cache=cache, **SETTINGS)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(CacheError, match="of another version"):
        open_prepared(folder)


def test_a_cache_that_cannot_be_written_is_named(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"can't be written: .*set SEARCH_HOME"):
        prepare(load(root), cache=tmp_path / "file", **SETTINGS)


PROCESS = """
import sys, time
from pathlib import Path
from search import catalog
from search.training.cache import prepare

def progress(done, total):
    print(done, flush=True)
    time.sleep(0.5)

splits = catalog.dataset("image_folder")(Path(sys.argv[1]))
print(prepare(splits, name="faces", image_size=16, validation_share=0.2, split_seed=0, bad_share=0.0,
              cache=Path(sys.argv[2]), progress=progress))
"""


def start(root: Path, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, str(root), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_of_two_processes_at_once_one_fills_and_both_find_the_same(root, cache):
    outputs = [process.communicate(timeout=60)[0].split() for process in [start(root, cache) for _ in range(2)]]
    assert sorted(len(output) for output in outputs) == [1, 3]
    assert outputs[0][-1] == outputs[1][-1]
    assert open_prepared(Path(outputs[0][-1])).train.images.shape == (24, 16, 16, 3)
