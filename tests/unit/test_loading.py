from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search.data import Target
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL, MIKELS, Task
from search.training.cache import Prepared
from search.training.heads import Layout, classes_of, layout
from search.training.loading import training_batches

from .test_batches import sequences
from .test_heads import hard, prepared, recipe

CPU = torch.device("cpu")
OTHER = [0] * 20 + [7] * 4


def two_data_sets(**knobs: Any) -> tuple[Layout, Any]:
    chosen = recipe(output_heads="per_space", **knobs)
    companions = (("art", "both", prepared(hard(OTHER), MIKELS, "art")),)
    found = layout(chosen, prepared(hard([0] * 8 + [6] * 16), EKMAN_NEUTRAL, companions=companions))
    return found, training_batches(found, chosen.knobs, CPU, seed=0)


def shares(batches: Any, batch_size: int = 8, epochs: int = 40) -> dict[int, float]:
    """How often each column is the label of an item."""
    columns = torch.cat([b.values.argmax(1) for seed in range(epochs) for b in batches.shuffled(batch_size, seed)])
    counts = torch.bincount(columns).double() / len(columns)
    return {index: count for index, count in enumerate(counts.tolist()) if count}


def test_the_class_of_an_item_is_a_column_of_the_output() -> None:
    found, natural = two_data_sets()
    classes = classes_of(found, natural.values, natural.mask)
    assert classes.tolist() == [0] * 8 + [6] * 16 + [7] * 20 + [14] * 4
    assert classes_of(found, natural.values, torch.zeros_like(natural.mask)).tolist() == [-1] * 48


def test_pooled_data_sets_are_balanced_over_all_their_classes() -> None:
    _, natural = two_data_sets()
    _, balanced = two_data_sets(class_sampling="balanced")
    assert len(natural) == len(balanced) == 48
    assert shares(natural) == pytest.approx({0: 8 / 48, 6: 16 / 48, 7: 20 / 48, 14: 4 / 48})
    assert shares(balanced) == pytest.approx({0: 0.25, 6: 0.25, 7: 0.25, 14: 0.25}, abs=0.05)


def test_a_subset_of_pooled_data_sets_is_cut_to_the_rarest_class_of_all() -> None:
    _, subset = two_data_sets(class_sampling="subset")
    assert len(subset) == 16
    assert shares(subset) == pytest.approx({0: 0.25, 6: 0.25, 7: 0.25, 14: 0.25})


def test_alternating_data_sets_are_each_sampled_by_themselves() -> None:
    _, subset = two_data_sets(class_sampling="subset", batches="alternating")
    assert len(subset) == 2 * 8 + 2 * 4
    for index, batch in enumerate(subset.shuffled(8, seed=0)):
        counts = torch.bincount(batch.values.argmax(1), minlength=15)
        assert counts.nonzero().squeeze(1).tolist() == ([0, 6] if index % 2 == 0 else [7, 14])
        assert index % 2 == 0 or counts[7] == counts[14] == 4


def test_windows_of_sequences_are_not_sampled_by_class(tmp_path: Path) -> None:
    split = sequences((9, 4, 2), tmp_path / "vectors")
    labels = {Task.EXPRESSION: Target(np.zeros(15, np.int64), np.ones(15, np.bool_))}
    split = replace(split, targets=labels)
    data = Prepared(tmp_path, "print", 8, EKMAN_NEUTRAL, split, split, None, widths={"images": 2})
    chosen = recipe(class_sampling="balanced")
    with pytest.raises(DatasetError, match=r"class_sampling balanced draws single images.* leave it at natural"):
        training_batches(layout(chosen, data), chosen.knobs, CPU, seed=0)
