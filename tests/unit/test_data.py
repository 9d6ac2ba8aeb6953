"""What a data set hands over: checks, labels, chunks and fingerprints."""

import numpy as np
import pytest

from search.data import CHUNK, Indices, Pixels, Split, Splits, Target, decode_all
from search.errors import DatasetError
from search.tasks import Task


class Numbered:
    """Image k is filled with k; the `bad` ones are unreadable."""

    def __init__(self, count: int, bad: tuple[int, ...] = ()) -> None:
        self.count, self.bad = count, bad

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        return f"{self.count} {self.bad}"

    def decode(self, indices: Indices, size: int) -> tuple[Pixels, dict[int, str]]:
        reasons = {position: "bad" for position, index in enumerate(indices) if index in self.bad}
        pixels = np.zeros((len(indices), size, size, 3), np.uint8) + indices[:, None, None, None].astype(np.uint8)
        return pixels, reasons


def expression(labels: list[int]) -> dict[Task, Target]:
    values = np.array(labels)
    return {Task.EXPRESSION: Target(values, np.ones(len(values), np.bool_))}


def split(labels: list[int], **changes: object) -> Split:
    given = {
        "images": Numbered(len(labels)),
        "targets": expression(labels),
        "items": tuple(f"{number}.png" for number in range(len(labels))),
    }
    return Split(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": ("a",)}, "differ in length: .*'items': 1"),
        ({"targets": expression([0])}, "'expression targets': 1"),
        ({"groups": np.array([1])}, "'groups': 1"),
        ({"items": ("a", "b", "a")}, "'a' comes more than once"),
    ],
)
def test_a_split_that_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(DatasetError, match=message):
        split([0, 1, 1], **changes)


@pytest.mark.parametrize("label", [2, -2])
def test_a_label_without_a_class_is_refused(label):
    with pytest.raises(DatasetError, match=r"a label of the test split .* number of classes, 2"):
        Splits(("no", "yes"), split([0, 1]), test=split([0, label]))


def test_labels_are_the_expression_where_there_is_one():
    target = Target(np.array([1, 0, 1]), np.array([True, True, False]))
    assert split([0, 0, 0], targets={Task.EXPRESSION: target}).labels().tolist() == [1, 0, -1]


def test_labels_of_a_distribution_are_its_likeliest_classes():
    values = np.array([[0.1, 0.9], [0.6, 0.4], [0.0, 1.0]], np.float32)
    mask = np.array([[True, True], [True, True], [True, False]])
    assert split([0, 0, 0], targets={Task.DISTRIBUTION: Target(values, mask)}).labels().tolist() == [1, 0, -1]


def test_without_classes_there_are_no_labels():
    target = Target(np.zeros((3, 2), np.float32), np.ones(3, np.bool_))
    assert split([0, 0, 0], targets={Task.VALENCE_AROUSAL: target}).labels().tolist() == [-1, -1, -1]


def test_decode_all_gives_every_readable_image_once_and_reasons_by_index():
    bad = (3, CHUNK, 2 * CHUNK + 1)
    indices, values, reasons = [], [], {}
    for chunk, pixels, unreadable in decode_all(Numbered(2 * CHUNK + 2, bad), 4):
        assert pixels.shape == (len(chunk), 4, 4, 3)
        indices += chunk.tolist()
        values += pixels[:, 0, 0, 0].tolist()
        reasons |= unreadable
    assert indices == [index for index in range(2 * CHUNK + 2) if index not in bad]
    assert values == [index % 256 for index in indices]
    assert reasons == dict.fromkeys(bad, "bad")


def test_named_lists_the_splits_there_are_in_order():
    part = split([0])
    assert list(Splits(("a",), part, test=part).named()) == ["train", "test"]
    assert list(Splits(("a",), part, part, part).named()) == ["train", "validation", "test"]


def test_the_fingerprint_changes_with_anything_that_training_could_see():
    groups = np.array([0, 1])
    splits = [
        Splits(("a", "b"), split([0, 1])),
        Splits(("b", "a"), split([0, 1])),
        Splits(("a", "b"), split([1, 1])),
        Splits(("a", "b"), split([0, 1], items=("x", "y"))),
        Splits(("a", "b"), split([0, 1], groups=groups)),
        Splits(("a", "b"), split([0, 1], groups=groups + 1)),
        Splits(("a", "b"), split([0, 1], images=Numbered(2, bad=(1,)))),
        Splits(("a", "b"), split([0, 1]), split([0, 1])),
        Splits(("a", "b"), split([0, 1]), test=split([0, 1])),
    ]
    assert len({each.fingerprint() for each in splits}) == len(splits)
    assert splits[0].fingerprint() == Splits(("a", "b"), split([0, 1])).fingerprint()
