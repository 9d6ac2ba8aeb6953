"""wikimedia_commons_emotions: RAF-DB's order, odd files, backups."""

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL
from tests.make_fer_datasets import RAF_ORDER, make_wikimedia

load = catalog.dataset("wikimedia_commons_emotions")


def test_the_folders_are_in_the_order_of_raf_db(tmp_path):
    splits = load(make_wikimedia(tmp_path, per_class=2))
    assert list(splits.named()) == ["train"]
    assert splits.classes == EKMAN_NEUTRAL
    train = splits.train
    assert len(train.items) == 7 * 2 + 3
    assert train.labels().tolist() == [RAF_ORDER[int(item[0]) - 1] for item in train.items]
    for item, label in zip(train.items, train.labels(), strict=True):
        if "_" in item and "It's" not in item:
            assert item.split("/")[1].startswith(EKMAN_NEUTRAL[label])
    assert {"1/It's_هیجان,_1.JPG", "4/transparent.png", r"7/Sch\xf6n.jpg"} <= set(train.items)
    assert not train.images.decode(np.arange(17), 16)[1]
    assert splits.notes == ("14 backup files (~) are left out.",)


def test_the_folder_above_will_do(tmp_path):
    make_wikimedia(tmp_path / "wikimedia_commons_emotions")
    assert load(tmp_path).fingerprint() == load(tmp_path / "wikimedia_commons_emotions").fingerprint()


def test_without_backups_there_is_nothing_to_note(tmp_path):
    for backup in list(make_wikimedia(tmp_path).rglob("*~")):
        backup.unlink()
    assert load(tmp_path).notes == ()


def test_a_missing_or_empty_folder_is_named(tmp_path):
    make_wikimedia(tmp_path)
    for image in list((tmp_path / "3").glob("*.jpg")):
        image.unlink()
    with pytest.raises(DatasetError, match=r"/3 holds no image \(.jpeg, .jpg, .png\) of disgust"):
        load(tmp_path)
    (tmp_path / "5").rename(tmp_path / "sad")
    (tmp_path / "3" / "a.png").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"/5 is missing: each expression should have its folder, 1 to 7"):
        load(tmp_path)
    with pytest.raises(DatasetError, match=r"nowhere/1 is missing"):
        load(tmp_path / "nowhere")
