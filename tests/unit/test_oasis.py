"""OASIS: a file with bare carriage returns, valence and arousal, series kept together, and damaged copies."""

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import Task
from tests.make_emotion_datasets import make_oasis

load = catalog.dataset("oasis")


def affect(splits):
    return {
        item: row.tolist()
        for split in splits.named().values()
        for item, row in zip(split.items, split.targets[Task.VALENCE_AROUSAL].values, strict=True)
    }


def test_means_run_from_minus_one_to_one(tmp_path):
    splits = load(make_oasis(tmp_path))
    assert b"\n" not in (tmp_path / "OASIS_database_2016" / "OASIS.csv").read_bytes()
    assert splits.classes == ()
    found = affect(splits)
    assert len(found) == 50
    assert found["Theme a 1"] == pytest.approx([2 * 1 / 6 - 1, 1 - 2 * 1 / 3], abs=1e-5)
    assert np.array(list(found.values())).min() == -1
    assert np.array(list(found.values())).max() == 1


def test_blanks_after_themes_and_transparency_do_no_harm(tmp_path):
    splits = load(make_oasis(tmp_path))
    assert all(item == item.strip() for item in affect(splits))
    for split in splits.named().values():
        assert split.images.decode(np.arange(len(split.items)), 16)[1] == {}


def test_a_series_is_a_group_on_one_side(tmp_path):
    splits = load(make_oasis(tmp_path))
    sides = [
        {(item.rsplit(" ", 1)[0], int(group)) for item, group in zip(split.items, split.groups, strict=True)}
        for split in splits.named().values()
    ]
    assert not sides[0] & sides[1]
    assert len(sides[0]) + len(sides[1]) == 20
    assert len({group for _, group in sides[0] | sides[1]}) == 20
    assert len(sides[1]) == 4  # one series of each category


def test_as_published_are_scores_over_all_photographs(tmp_path):
    make_oasis(tmp_path)
    scores = np.array(list(affect(load(tmp_path, scale="as_published")).values()))
    assert scores.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert scores.std(axis=0) == pytest.approx([1, 1], abs=1e-6)


def test_other_line_ends_and_a_folder_with_a_capital_are_the_same(tmp_path):
    before = affect(load(make_oasis(tmp_path)))
    folder = tmp_path / "OASIS_database_2016"
    for end in (b"\n", b"\r\n"):
        content = (folder / "OASIS.csv").read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        (folder / "OASIS.csv").write_bytes(content.replace(b"\n", end))
        assert affect(load(folder)) == before
    (folder / "images").rename(folder / "Images")
    assert load(tmp_path).test.images.decode(np.arange(2), 16)[1] == {}


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, ",Theme,Category,Valence_mean", r"OASIS\.csv:1: the first line names no column Arousal_mean"),
        (3, "I2,Theme b 1,Object,Pixabay,7.5,1,100,3,1,100", r"OASIS\.csv:3: theme 'Theme b 1' has valence '7.5'"),
        (
            4,
            "I3,Theme b 2,Object,Pixabay,2.5",
            r"OASIS\.csv:4: theme 'Theme b 2' has valence '2.5' and arousal ''",
        ),
        (4, "I3,Theme a 1 ,Object,Pixabay,2.5,1,100,3,1,100", r"OASIS\.csv:4: 'Theme a 1' comes more than once"),
        (4, "I3,,Object,Pixabay,2.5,1,100,3,1,100", r"OASIS\.csv:4: theme ''"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, text, message):
    file = make_oasis(tmp_path, 4) / "OASIS_database_2016" / "OASIS.csv"
    lines = file.read_bytes().decode().split("\r")
    lines[line - 1] = text
    file.write_bytes("\r".join(lines).encode())
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_an_empty_or_missing_file(tmp_path):
    file = make_oasis(tmp_path, 4) / "OASIS_database_2016" / "OASIS.csv"
    file.write_bytes(file.read_bytes().split(b"\r")[0])
    with pytest.raises(DatasetError, match="lists no photograph"):
        load(tmp_path)
    file.unlink()
    with pytest.raises(DatasetError, match=r"no OASIS under .*: looked for OASIS_database_2016/OASIS\.csv"):
        load(tmp_path)
