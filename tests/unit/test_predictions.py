"""Predictions as they travel from a training process through the store to the statistics."""

from dataclasses import replace

import numpy as np

from search.predictions import Predictions
from search.tasks import Task


def predictions(groups: bool = False) -> Predictions:
    generator = np.random.default_rng(0)
    return Predictions(
        split="test",
        task=Task.EXPRESSION,
        classes=("anger", "joie née"),
        items=("a/1.png", "b/ü.png", "c"),
        groups=np.array([3, 3, 5]) if groups else None,
        truth=np.array([0, 1, 1]),
        predicted=generator.dirichlet([1, 1], 3).astype(np.float32),
    )


def test_bytes_keep_everything() -> None:
    for groups in (False, True):
        before = predictions(groups)
        after = Predictions.from_bytes(before.to_bytes())
        assert (after.split, after.task, after.classes, after.items) == (
            before.split,
            before.task,
            before.classes,
            before.items,
        )
        np.testing.assert_array_equal(after.truth, before.truth)
        np.testing.assert_array_equal(after.predicted, before.predicted)
        assert after.groups is None if before.groups is None else (after.groups == before.groups).all()
        assert after.digest() == before.digest()


def test_the_digest_is_of_the_items_and_their_labels_alone() -> None:
    one = predictions()
    assert replace(one, predicted=one.predicted[:, ::-1]).digest() == one.digest()
    assert replace(one, truth=np.array([1, 1, 1])).digest() != one.digest()
    assert replace(one, items=("a/1.png", "b/ü.png", "d")).digest() != one.digest()
    assert replace(one, split="validation").digest() != one.digest()
