import pytest
import torch

from search.training.class_weights import balanced_weights, class_weights, effective_weights
from search.training.recipe import Knobs

RAF_TRAIN_COUNTS = (1290, 281, 717, 4772, 1982, 705, 2524)
RAF_TRAIN = torch.repeat_interleave(torch.arange(7), torch.tensor(RAF_TRAIN_COUNTS))


def test_balanced_weights_of_raf_db() -> None:
    expected = [1.358915, 6.238434, 2.444909, 0.367351, 0.884460, 2.486525, 0.694532]
    weights = balanced_weights(RAF_TRAIN, 7)
    assert weights.tolist() == pytest.approx(expected, abs=1e-6)
    assert weights[RAF_TRAIN].mean().item() == pytest.approx(1)


def test_a_class_that_does_not_occur_weighs_nothing() -> None:
    labels = torch.tensor([0, 0, 2])
    assert balanced_weights(labels, 3).tolist() == [0.75, 0.0, 1.5]
    assert effective_weights(labels, 3, 0.9)[1] == 0


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999])
def test_effective_weights_are_the_inverse_effective_numbers(beta: float) -> None:
    numbers = [(1 - beta**count) / (1 - beta) for count in RAF_TRAIN_COUNTS]
    weights = effective_weights(RAF_TRAIN, 7, beta)
    products = [weight * number for weight, number in zip(weights.tolist(), numbers, strict=True)]
    assert products == pytest.approx([products[0]] * 7, rel=1e-5)
    assert weights[RAF_TRAIN].mean().item() == pytest.approx(1)


def test_effective_weights_lie_between_none_and_balanced() -> None:
    assert effective_weights(RAF_TRAIN, 7, 0.0).tolist() == pytest.approx([1.0] * 7)
    nearly = effective_weights(RAF_TRAIN, 7, 1 - 1e-12)
    torch.testing.assert_close(nearly, balanced_weights(RAF_TRAIN, 7), rtol=1e-4, atol=0)


def test_knobs_choose() -> None:
    assert class_weights(Knobs(), RAF_TRAIN, 7) is None
    balanced = class_weights(Knobs(class_weights="balanced"), RAF_TRAIN, 7)
    effective = class_weights(Knobs(class_weights="effective", effective_beta=0.99), RAF_TRAIN, 7)
    assert balanced is not None
    assert torch.equal(balanced, balanced_weights(RAF_TRAIN, 7))
    assert effective is not None
    assert torch.equal(effective, effective_weights(RAF_TRAIN, 7, 0.99))
