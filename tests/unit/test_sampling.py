from typing import Literal

import pytest
import torch
from scipy.stats import chisquare

from search.training.sampling import epoch_order

Sampling = Literal["balanced", "subset"]

LABELS = torch.repeat_interleave(torch.tensor([0, 1, 3, -1]), torch.tensor([6000, 2000, 400, 50]))


def order(
    sampling: Sampling, run_seed: int = 0, epoch_seed: int = 0, labels: torch.Tensor = LABELS
) -> torch.Tensor:
    return epoch_order(labels, sampling, run_seed=run_seed, epoch_seed=epoch_seed)


def test_balanced_draws_each_class_and_each_of_its_items_as_often() -> None:
    shown = order("balanced")
    assert len(shown) == 8400
    counts = torch.bincount(LABELS[shown])
    assert counts[2] == 0
    assert chisquare(counts[counts > 0]).pvalue > 0.001
    rare = torch.bincount(shown, minlength=len(LABELS))[LABELS == 3]
    assert chisquare(rare).pvalue > 0.001


def test_subset_shows_as_many_of_each_class_the_same_ones_in_every_epoch() -> None:
    first, second, other = order("subset"), order("subset", epoch_seed=1), order("subset", run_seed=1)
    assert torch.bincount(LABELS[first]).tolist() == [400, 400, 0, 400]
    assert len(first.unique()) == 1200
    assert first.tolist() != second.tolist()
    assert set(first.tolist()) == set(second.tolist()) != set(other.tolist())
    positions = order("subset").sort().values
    assert positions[:400].max() > 3000  # drawn from the whole class, not cut off its head


@pytest.mark.parametrize("sampling", ["balanced", "subset"])
def test_the_seeds_decide_and_nothing_else(sampling: Sampling) -> None:
    first = order(sampling)
    torch.manual_seed(99)
    assert torch.equal(first, order(sampling))
    assert not torch.equal(first, order(sampling, epoch_seed=1))
