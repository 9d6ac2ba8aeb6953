"""Twitter I: the table of votes and the lists of who agrees, which column is which, and damaged copies."""

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import POLAR, Task
from tests.make_emotion_datasets import make_twitter1

load = catalog.dataset("twitter1")


def by_number(splits, task):
    """The target of each photograph, in the order of their numbers."""
    found = {
        int(item.split(".")[0]): value
        for split in splits.named().values()
        for item, value in zip(split.items, split.targets[task].values.tolist(), strict=True)
    }
    return {number: found[number] for number in sorted(found)}


def test_the_table_gives_shares_negative_first(tmp_path):
    splits = load(make_twitter1(tmp_path))
    assert splits.classes == POLAR == ("negative", "positive")
    assert splits.notes == ()
    shares = by_number(splits, Task.DISTRIBUTION)
    assert list(shares) == list(range(30))
    assert shares[1] == pytest.approx([0.8, 0.2])
    assert shares[11] == pytest.approx([0.0, 1.0])
    assert (len(splits.train.items), len(splits.test.items)) == (24, 6)
    assert np.bincount(splits.test.labels()).tolist() == [3, 3]
    assert splits.test.images.decode(np.arange(6), 16)[1] == {}


@pytest.mark.parametrize(
    ("header", "swapped", "told"),
    [("image,num,pos,neg", True, True), ("0,1,2,3", False, False), ("pic,n,Positive,n0", True, True)],
)
def test_the_names_of_the_columns_say_which_is_which(tmp_path, header, swapped, told):
    splits = load(make_twitter1(tmp_path, header=header))
    assert by_number(splits, Task.DISTRIBUTION)[1] == pytest.approx([0.2, 0.8] if swapped else [0.8, 0.2])
    note = "the column names of amt_result.csv don't say which is negative: taken the third one."
    assert splits.notes == (() if told else (note,))


def test_only_those_on_whom_enough_agree(tmp_path):
    make_twitter1(tmp_path)
    assert {agree: len(by_number(load(tmp_path, agree=agree), Task.DISTRIBUTION)) for agree in (3, 4, 5)} == {
        3: 30,
        4: 20,
        5: 10,
    }


@pytest.mark.parametrize("form", ["agree", "agrees", "table"])
def test_hard_labels_are_the_same_from_every_form(tmp_path, form):
    make_twitter1(tmp_path, form=form)
    for agree in (3, 4, 5):
        labels = by_number(load(tmp_path / "Twitter_PCNN", labels="hard", agree=agree), Task.EXPRESSION)
        expected = {n: int(n % 6 > 2) for n in range(30) if max(n % 6, 5 - n % 6) >= agree}
        assert labels == expected


def test_a_name_in_another_encoding_is_left_to_be_named_unreadable(tmp_path):
    file = make_twitter1(tmp_path) / "Twitter_PCNN" / "amt_result.csv"
    file.write_bytes(file.read_bytes().replace(b"\n7.jpg", b"\ncaf\xe9.jpg"))
    splits = load(tmp_path)
    reasons = [
        (split.items[index], reason)
        for split in splits.named().values()
        for index, reason in split.images.decode(np.arange(len(split.items)), 16)[1].items()
    ]
    assert reasons == [("caf\N{REPLACEMENT CHARACTER}.jpg", "file is missing")]


def test_lists_alone_have_no_distributions(tmp_path):
    make_twitter1(tmp_path, form="agree")
    with pytest.raises(DatasetError, match=r"no amt_result\.csv, so no distributions: give labels: hard"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "0.jpg,5,5,0", r"amt_result\.csv:1: the first line is an image"),
        (3, "1.jpg,5,4,2", r"amt_result\.csv:3: '1.jpg,5,4,2' is not an image, a number of votes and two counts"),
        (4, "2.jpg,5,3", r"amt_result\.csv:4: "),
        (5, "3.jpg,0,0,0", r"amt_result\.csv:5: "),
        (6, "1.jpg,5,4,1", r"csv:6: '1.jpg' comes more than once"),
    ],
)
def test_a_damaged_line_of_the_table_is_named(tmp_path, line, text, message):
    file = make_twitter1(tmp_path, 12) / "Twitter_PCNN" / "amt_result.csv"
    lines = file.read_text().split("\n")
    lines[line - 1] = text
    file.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("text", ["1.jpg 2", "1.jpg", "1.jpg\t1"])
def test_a_damaged_line_of_a_list_is_named(tmp_path, text):
    file = make_twitter1(tmp_path, 12, "agree") / "Twitter_PCNN" / "three_agree.txt"
    lines = file.read_text().split("\n")
    lines[1] = text
    file.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=r"three_agree\.txt:2: .* is not an image name, a blank, and 0"):
        load(tmp_path, labels="hard")


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match=r"no Twitter I under .*: looked for Twitter_PCNN/Agg_AMT_Candidates"):
        load(tmp_path)
    file = make_twitter1(tmp_path) / "Twitter_PCNN" / "amt_result.csv"
    file.write_text("image,num,neg,pos\n")
    with pytest.raises(DatasetError, match="lists no photograph on which enough people agree"):
        load(tmp_path)
    file.unlink()
    with pytest.raises(DatasetError, match=r"neither amt_result\.csv nor five_agree\.txt nor twitter_five_agrees"):
        load(tmp_path, agree=5)
