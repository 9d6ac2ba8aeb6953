"""FER+ in both forms: the official rules, the join with FER2013, and what is said of damaged copies."""

from pathlib import Path

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL_CONTEMPT, Task
from tests.make_fer_datasets import (
    cells,
    fer_plus_name,
    fer_plus_votes,
    make_fer_plus,
    make_fer_plus_folders,
    rewrite,
)

load = catalog.dataset("ferplus")

FORMS = {"table": make_fer_plus, "folders": make_fer_plus_folders}
forms = pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
NATIVE_TO_CANONICAL = [6, 3, 5, 4, 0, 1, 2, 7]

# Votes for neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown and no face, and what
# the authors' own program (microsoft/FERPlus, src/ferplus.py) makes of them: the majority, then the distributions
# of probability and of multi_target, by class. The first one is the first row of the real fer2013new.csv.
RULES = [
    ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], None, {"neutral": 4 / 7, "anger": 3 / 7}, {"neutral": 0.5, "anger": 0.5}),
    ([6, 0, 1, 1, 0, 0, 0, 0, 2, 0], "neutral", {"neutral": 1.0}, {"neutral": 1.0}),
    ([0, 10, 0, 0, 0, 0, 0, 0, 0, 0], "happiness", {"happiness": 1.0}, {"happiness": 1.0}),
    ([0, 5, 5, 0, 0, 0, 0, 0, 0, 0], None, *2 * [{"happiness": 0.5, "surprise": 0.5}]),
    ([0, 0, 0, 2, 0, 0, 0, 0, 8, 0], None, None, None),
    ([0] * 9 + [10], None, None, None),
    ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None, None, None),
    ([3, 3, 0, 0, 0, 0, 0, 0, 4, 0], None, None, None),
    (
        [5, 2, 0, 0, 0, 0, 0, 0, 2, 0],  # a tie with unknown takes the expression and ends
        "neutral",
        {"neutral": 5 / 7, "happiness": 2 / 7},
        {"neutral": 1.0},
    ),
    ([4, 2, 2, 2, 0, 0, 0, 0, 0, 0], None, None, None),  # a tie makes four
    (
        [4, 3, 2, 0, 0, 0, 0, 1, 0, 0],
        None,
        {"neutral": 4 / 7, "happiness": 3 / 7},
        {"neutral": 0.5, "happiness": 0.5},
    ),
    (
        [4, 2, 2, 0, 0, 0, 0, 1, 1, 0],
        None,
        {"neutral": 0.5, "happiness": 0.25, "surprise": 0.25},
        None,
    ),
    ([0, 0, 0, 0, 0, 0, 0, 6, 4, 0], "contempt", {"contempt": 1.0}, {"contempt": 1.0}),
]


def only(folder: Path, votes: list[int]) -> None:
    """Makes every line of every label.csv one with these votes, but the last, which is clearly of happiness."""
    for file in folder.glob("*/label.csv"):
        names = [row[0] for row in cells(file)]
        chosen = [votes] * (len(names) - 1) + [[0, 9, 1, 0, 0, 0, 0, 0, 0, 0]]
        texts = [",".join(map(str, row)) for row in chosen]
        lines = [f'{name},"(0, 0, 48, 48)",{text}' for name, text in zip(names, texts, strict=True)]
        file.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_fer_plus_folders(tmp_path_factory.mktemp("ferplus"), train=1, test=1)


@pytest.mark.parametrize(("votes", "majority", "probability", "multi_target"), RULES)
def test_the_rules_are_the_official_ones(folders, votes, majority, probability, multi_target):
    only(folders, votes)
    found = load(folders).train
    assert len(found.items) == (5 if majority else 1)
    assert found.labels()[0] == EKMAN_NEUTRAL_CONTEMPT.index(majority or "happiness")
    expectations = {"probability": probability, "crossentropy": probability, "multi_target": multi_target}
    for rule, expected in expectations.items():
        found = load(folders, rule=rule).train
        row = found.targets[Task.DISTRIBUTION].values[0]
        wanted = expected or {"happiness": 1.0}
        assert len(found.items) == (5 if expected else 1)
        assert row.dtype == np.float32
        np.testing.assert_allclose(row, [wanted.get(name, 0.0) for name in EKMAN_NEUTRAL_CONTEMPT], atol=1e-7)


@forms
def test_usage_splits_and_the_majority_labels(tmp_path, make):
    splits = load(make(tmp_path, train=3, test=2))
    assert splits.classes == EKMAN_NEUTRAL_CONTEMPT
    row = 0
    for split, rows in zip(splits.named().values(), (21, 14, 14), strict=True):
        listed = [*enumerate(fer_plus_votes(rows), start=row)]
        kept = [(index, votes) for index, votes in listed if max(votes[:8]) > 4 and index != 20]
        assert split.items == tuple(fer_plus_name(index) for index, _ in kept)
        assert split.labels().tolist() == [NATIVE_TO_CANONICAL[int(np.argmax(votes))] for _, votes in kept]
        assert set(split.targets) == {Task.EXPRESSION}
        assert not split.images.decode(np.arange(len(kept)), 48)[1]
        row += rows
    left_out = "Left out as unknown or no face by the rule majority: "
    assert splits.notes[0] == f"{left_out}2 of 19 in train, 2 of 13 in validation, 2 of 13 in test."


@forms
def test_the_distributions_are_another_task_with_more_items(tmp_path, make):
    splits = load(make(tmp_path, train=3, test=2), rule="crossentropy")
    target = splits.train.targets[Task.DISTRIBUTION]
    assert target.values.shape == (18, 8)
    np.testing.assert_allclose(target.values.sum(axis=1), 1, atol=1e-6)
    assert splits.train.items[0] == fer_plus_name(2)
    assert splits.notes[0].startswith("Left out as unknown or no face by the rule crossentropy: 1 of 19 in train")


def test_rows_without_a_name_or_with_one_again_are_counted_and_images_are_those_of_the_same_row(tmp_path):
    splits = load(make_fer_plus(tmp_path, train=3, test=2))
    assert splits.notes[1:] == (
        "3 rows are left out, as fer2013new.csv gives no name to what is no face.",
        "1 rows are left out, as fer2013new.csv has the same image before.",
    )
    plain = catalog.dataset("fer2013")(tmp_path)
    for split, other in zip(splits.named().values(), plain.named().values(), strict=True):
        pixels, _ = split.images.decode(np.arange(len(split.items)), 48)
        expected, _ = other.images.decode(np.arange(3, 3 + len(split.items)), 48)
        assert (pixels == expected).all()


def test_the_images_may_be_in_the_other_table_and_in_a_folder_of_their_own(tmp_path):
    before = load(make_fer_plus(tmp_path)).fingerprint()
    (tmp_path / "fer2013").mkdir()
    rows = cells(tmp_path / "fer2013.csv")
    lines = [" Usage, emotion, pixels", *(f"{usage},{code},{pixels}" for code, pixels, usage in rows[1:])]
    (tmp_path / "fer2013" / "icml_face_data.csv").write_text("\n".join(lines))
    (tmp_path / "fer2013.csv").unlink()
    assert load(tmp_path).fingerprint() == before


def test_a_folder_may_be_inside_data_or_alone(tmp_path):
    before = load(make_fer_plus_folders(tmp_path / "data")).fingerprint()
    assert load(tmp_path).fingerprint() == before
    for name in ("FER2013Valid", "FER2013Test"):
        (tmp_path / "data" / name).rename(tmp_path / name)
    assert list(load(tmp_path).named()) == ["train"]


def test_a_listed_image_that_is_not_there_is_unreadable(tmp_path):
    make_fer_plus_folders(tmp_path)
    (tmp_path / "FER2013Train" / fer_plus_name(3)).unlink()
    assert load(tmp_path).train.images.decode(np.arange(3), 16)[1] == {0: "file is missing"}


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "Usage,Image name,happiness", r"fer2013new.csv:1: the first line is .*, not the columns Usage, Image"),
        (3, "Training,fer0000001.png,6,0,1,1,0,0,0,0,2", r"fer2013new.csv:3: .* are not ten numbers of votes"),
        (4, "Training,fer0000002.png,6,0,x,1,0,0,0,0,2,0", r"fer2013new.csv:4: '6,0,x,1,0.*' are not ten numbers"),
        (4, "Training,fer0000002.png,6,0,-1,1,0,0,0,0,2,0", r"fer2013new.csv:4: .* are not ten numbers of votes"),
        (5, "Test,fer0000003.png,6,0,1,1,0,0,0,0,2,0", r"fer2013new.csv:5: the Usage 'Test' is none of Training,"),
        (
            6,
            "PrivateTest,fer0000004.png,6,0,1,1,0,0,0,0,2,0",
            r"csv:6: the Usage is PrivateTest, and 'Training' in .*fer2013.csv:6: the two tables must",
        ),
    ],
)
def test_a_damaged_table_is_named_with_its_line(tmp_path, line, text, message):
    make_fer_plus(tmp_path)
    rewrite(tmp_path / "fer2013new.csv", line, text)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("shorter", ["fer2013new.csv", "fer2013.csv"])
def test_a_table_that_ends_early_is_refused(tmp_path, shorter):
    make_fer_plus(tmp_path)
    lines = (tmp_path / shorter).read_text().split("\n")
    (tmp_path / shorter).write_text("\n".join(lines[:40]))
    with pytest.raises(DatasetError, match=rf"has more rows than .*{shorter}: one of them is cut short"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('fer0000001.png,"(0, 0, 48, 48)",4,0,0', r"Train/label.csv:2: 5 cells, not 12 \(image, box"),
        ('fer0000001.png,"(0, 48, 48)",4,0,0,1,3,2,0,0,0,0', r"Train/label.csv:2: '\(0, 48, 48\)' is not a box"),
        ('fer0000001.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,', r"Train/label.csv:2: .* are not ten numbers"),
    ],
)
def test_a_damaged_list_of_a_folder_is_named_with_its_line(tmp_path, text, message):
    make_fer_plus_folders(tmp_path)
    rewrite(tmp_path / "FER2013Train" / "label.csv", 2, text)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no FER\+ under .*: looked for fer2013new.csv, and for the folder"):
        load(tmp_path)
    make_fer_plus(tmp_path)
    (tmp_path / "fer2013.csv").unlink()
    with pytest.raises(DatasetError, match=r"but no image: put FER2013's fer2013.csv or icml_face_data.csv"):
        load(tmp_path)
    make_fer_plus_folders(tmp_path / "folders")
    (tmp_path / "folders" / "FER2013Valid" / "label.csv").unlink()
    with pytest.raises(DatasetError, match=r"FER2013Valid/label.csv is missing: get it from"):
        load(tmp_path / "folders")


def test_no_label_at_all_is_refused(tmp_path):
    make_fer_plus_folders(tmp_path)
    for file in tmp_path.glob("*/label.csv"):
        file.write_text("")
    with pytest.raises(DatasetError, match="has no training image with a label by the rule majority"):
        load(tmp_path)
