"""Abstract: votes in single quotes as distributions, ties, folds, and what is said of damaged copies."""

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import MIKELS, Task
from tests.make_emotion_datasets import make_abstract

load = catalog.dataset("abstract")

NATIVE = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")


def test_votes_are_shares_in_the_order_of_mikels(tmp_path):
    splits = load(make_abstract(tmp_path))
    assert splits.classes == MIKELS
    assert len(splits.train.items) + len(splits.test.items) == 65
    assert splits.notes == ("paintings with a tie for the first place: 6 (ties: keep).",)
    shares = {
        item: row
        for split in splits.named().values()
        for item, row in zip(split.items, split.targets[Task.DISTRIBUTION].values, strict=True)
    }
    first = dict(zip(MIKELS, shares["abstract_0001.jpg"].tolist(), strict=True))
    assert first == pytest.approx(dict.fromkeys(MIKELS, 0) | {"amusement": 8 / 14, "anger": 6 / 14})
    last = dict(zip(MIKELS, shares["abstract_0058.jpg"].tolist(), strict=True))  # the last one without a tie
    assert last == pytest.approx(dict.fromkeys(MIKELS, 0) | {"sadness": 8 / 14, "amusement": 6 / 14})
    assert all(row.sum() == pytest.approx(1) for row in shares.values())
    pixels, reasons = splits.train.images.decode(np.arange(3), 16)
    assert not reasons
    assert pixels.std() > 0


def test_ties_can_be_dropped(tmp_path):
    splits = load(make_abstract(tmp_path), ties="drop")
    labels = np.concatenate([split.labels() for split in splits.named().values()])
    counts = dict(zip(MIKELS, np.bincount(labels, minlength=8).tolist(), strict=True))
    assert counts == {name: 3 if name == "anger" else 8 for name in NATIVE}
    assert splits.notes == ("paintings with a tie for the first place: 6 (ties: drop).",)
    assert load(make_abstract(tmp_path / "none", ties=0)).notes == ()


def test_a_rare_emotion_is_on_both_sides_and_can_be_carved_again(tmp_path):
    splits = load(make_abstract(tmp_path), ties="drop")
    assert set(splits.test.labels().tolist()) == set(range(8))
    assert np.bincount(splits.train.labels()).min() == 2


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (
            1,
            "'','Amusement','Anger','Awe'",
            r"ABSTRACT_groundTruth\.csv:1: the first line should be an empty name",
        ),
        (3, "'abstract_0002.jpg',0,8,6", r"csv:3: 'abstract_0002.jpg,0,8,6' is not a painting and eight counts"),
        (4, "'abstract_0003.jpg',0,8,6,0,-1,0,0,0", r"csv:4: "),
        (5, "'abstract_0004.jpg',0,0,0,0,0,0,0,0", r"csv:5: .* one of them above 0"),
        (6, "'abstract_0001.jpg',0,1,0,0,0,0,0,0", r"csv:6: 'abstract_0001.jpg' comes more than once"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, text, message):
    file = make_abstract(tmp_path, (1,) * 8, 0) / "testImages_abstract" / "ABSTRACT_groundTruth.csv"
    lines = file.read_bytes().decode().split("\r\n")
    lines[line - 1] = text
    file.write_bytes("\r\n".join(lines).encode())
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_an_empty_or_missing_table(tmp_path):
    file = make_abstract(tmp_path, (1,) * 8, 0) / "testImages_abstract" / "ABSTRACT_groundTruth.csv"
    file.write_text(file.read_text().split("\n")[0])
    with pytest.raises(DatasetError, match="lists no painting"):
        load(tmp_path)
    file.unlink()
    with pytest.raises(
        DatasetError, match=r"no Abstract under .*: looked for testImages_abstract/ABSTRACT_ground"
    ):
        load(tmp_path)
