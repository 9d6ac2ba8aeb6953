import pytest
import torch
import torch.nn.functional as F

from search.training.losses import balanced_weights, training_loss
from search.training.recipe import Knobs

RAF_TRAIN_COUNTS = (1290, 281, 717, 4772, 1982, 705, 2524)


def test_balanced_weights_of_raf_db() -> None:
    labels = torch.repeat_interleave(torch.arange(7), torch.tensor(RAF_TRAIN_COUNTS))
    expected = [1.358915, 6.238434, 2.444909, 0.367351, 0.884460, 2.486525, 0.694532]
    weights = balanced_weights(labels, 7)
    assert weights.tolist() == pytest.approx(expected, abs=1e-6)
    assert weights[labels].mean().item() == pytest.approx(1)


def test_a_class_that_does_not_occur_weighs_nothing() -> None:
    assert balanced_weights(torch.tensor([0, 0, 2]), 3).tolist() == [0.75, 0.0, 1.5]


def test_plain_loss_is_cross_entropy_with_class_indices() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 0])
    loss = training_loss(Knobs(), labels, 4)
    torch.testing.assert_close(loss(logits, F.one_hot(labels, 4).float()), F.cross_entropy(logits, labels))


def test_label_smoothing_is_that_of_torch() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 0])
    loss = training_loss(Knobs(label_smoothing=0.2), labels, 4)
    expected = F.cross_entropy(logits, labels, label_smoothing=0.2)
    torch.testing.assert_close(loss(logits, F.one_hot(labels, 4).float()), expected)


def test_mixed_loss_is_the_mixture_of_losses() -> None:
    logits = torch.randn(2, 3)
    one, other = torch.tensor([0, 1]), torch.tensor([2, 2])
    loss = training_loss(Knobs(), one, 3)
    mixed = loss(logits, 0.3 * F.one_hot(one, 3).float() + 0.7 * F.one_hot(other, 3).float())
    torch.testing.assert_close(mixed, 0.3 * F.cross_entropy(logits, one) + 0.7 * F.cross_entropy(logits, other))


def test_balanced_loss_weighs_each_image_and_averages_over_images() -> None:
    logits, labels = torch.randn(4, 2), torch.tensor([0, 0, 0, 1])
    loss = training_loss(Knobs(class_weights="balanced"), labels, 2)
    each = F.cross_entropy(logits, labels, reduction="none")
    expected = (each * torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0])).mean()
    torch.testing.assert_close(loss(logits, F.one_hot(labels, 2).float()), expected)


def test_half_precision_logits_give_a_full_precision_loss() -> None:
    loss = training_loss(Knobs(), torch.tensor([0, 1]), 2)
    assert loss(torch.randn(2, 2, dtype=torch.bfloat16), torch.eye(2)).dtype == torch.float32
