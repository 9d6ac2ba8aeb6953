"""EmoSet-118K: the makers' three lists, two views, and damaged copies."""

import json

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import MIKELS, POLAR
from tests.make_emotion_datasets import make_emoset

load = catalog.dataset("emoset")

POSITIVE = {"amusement", "awe", "contentment", "excitement"}


def emotions(split):
    return [item.split("/")[1] for item in split.items]


@pytest.mark.parametrize("ids", [True, False])
def test_the_lists_are_the_splits_in_the_order_of_mikels(tmp_path, ids):
    splits = load(make_emoset(tmp_path, ids=ids))
    assert splits.classes == MIKELS
    assert [len(split.items) for split in splits.named().values()] == [32, 8, 16]
    assert splits.train.items[0] == "image/amusement/amusement_00000.jpg"
    for split in splits.named().values():
        assert [MIKELS[label] for label in split.labels()] == emotions(split)
        assert split.images.decode(np.arange(len(split.items)), 16)[1] == {}


def test_polar_puts_negative_first(tmp_path):
    splits = load(make_emoset(tmp_path) / "EmoSet-118K", view="polar")
    assert splits.classes == POLAR == ("negative", "positive")
    for split in splits.named().values():
        assert split.labels().tolist() == [int(emotion in POSITIVE) for emotion in emotions(split)]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            ["joy", "joy_1", "image/joy/1.jpg", "annotation/joy/1.json"],
            r"val\.json, entry 2: the emotion 'joy' is none",
        ),
        (
            ["awe", "image/awe/1.jpg"],
            r"val\.json, entry 2: \['awe', 'image/awe/1\.jpg'\] is not \[emotion, id, image",
        ),
        ({"emotion": "awe"}, r"val\.json, entry 2: .* is not \[emotion, id, image, annotation\]"),
        (["awe", 1, 2, 3], r"val\.json, entry 2: "),
    ],
)
def test_a_damaged_entry_is_named(tmp_path, entry, message):
    file = make_emoset(tmp_path) / "EmoSet-118K" / "val.json"
    entries = json.loads(file.read_text())
    file.write_text(json.dumps([entries[0], entry, *entries[2:]]))
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_lists_that_are_cut_short_empty_or_missing(tmp_path):
    file = make_emoset(tmp_path) / "EmoSet-118K" / "test.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1)[:-40])
    with pytest.raises(DatasetError, match=r"test\.json:\d+: this is no JSON .* Download it again"):
        load(tmp_path)
    file.write_text("{}")
    with pytest.raises(DatasetError, match=r"test\.json should be a list of \[emotion, id, image, annotation\]"):
        load(tmp_path)
    file.unlink()
    with pytest.raises(DatasetError, match=r"test\.json is missing: EmoSet's three lists belong together"):
        load(tmp_path)
    with pytest.raises(DatasetError, match=r"no EmoSet under .*: looked for EmoSet-118K/train\.json"):
        load(tmp_path / "nowhere")
