"""The folds that data sets without a split are dealt into."""

import numpy as np

from search.folds import FOLDS, deal

NAMES = [f"image {number}" for number in range(103)]
STRATA = [0] * 60 + [1] * 40 + [2] * 3
FIRST = [3, 1, 0, 2, 1, 0, 2, 0, 1, 3, 4, 4]  # folds of the first twelve


def test_the_folds_of_a_class_differ_by_at_most_one() -> None:
    folds = deal(NAMES, STRATA)
    counts = [np.bincount(folds[np.array(STRATA) == stratum], minlength=FOLDS).tolist() for stratum in range(3)]
    assert counts == [[12] * 5, [8] * 5, [1, 1, 1, 0, 0]]


def test_a_name_keeps_its_fold_in_any_order() -> None:
    folds = dict(zip(NAMES, deal(NAMES, STRATA), strict=True))
    assert dict(zip(NAMES[::-1], deal(NAMES[::-1], STRATA[::-1]), strict=True)) == folds


def test_the_folds_do_not_follow_the_numbers_and_never_change() -> None:
    assert deal(NAMES[:12], STRATA[:12]).tolist() == FIRST
