import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from search.tasks import ACTION_UNITS, Task
from search.training.class_weights import effective_weights
from search.training.heads import Head
from search.training.losses import concordance_loss, training_loss
from search.training.metrics import concordance
from search.training.recipe import Knobs

UNITS = tuple(f"AU{number}" for number in ACTION_UNITS)


def expression(knobs: Knobs, logits: Tensor, targets: Tensor, train: Tensor | None = None) -> Tensor:
    """The loss of expressions that all have a label. train: those of the training split, int64 (N,)."""
    classes = logits.shape[1]
    head = Head("expression", Task.EXPRESSION, tuple("abcdefg")[:classes], 0)
    values = torch.eye(classes) if train is None else F.one_hot(train, classes).float()
    loss = training_loss(knobs, [head], values, torch.ones_like(values).bool())
    return loss(logits, targets, torch.ones_like(targets).bool())


def test_plain_loss_is_cross_entropy_with_class_indices() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 0])
    loss = expression(Knobs(), logits, F.one_hot(labels, 4).float())
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels))


def test_label_smoothing_is_that_of_torch() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 0])
    loss = expression(Knobs(label_smoothing=0.2), logits, F.one_hot(labels, 4).float())
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels, label_smoothing=0.2))


def test_mixed_loss_is_the_mixture_of_losses() -> None:
    logits = torch.randn(2, 3)
    one, other = torch.tensor([0, 1]), torch.tensor([2, 2])
    loss = expression(Knobs(), logits, 0.3 * F.one_hot(one, 3).float() + 0.7 * F.one_hot(other, 3).float())
    torch.testing.assert_close(loss, 0.3 * F.cross_entropy(logits, one) + 0.7 * F.cross_entropy(logits, other))


def test_the_gradient_of_a_distribution_is_that_of_its_divergence() -> None:
    logits = torch.randn(5, 4, requires_grad=True)
    truth = torch.rand(5, 4).softmax(dim=1)
    (ours,) = torch.autograd.grad(expression(Knobs(), logits, truth), logits)
    divergence = F.kl_div(logits.log_softmax(dim=1), truth, reduction="batchmean")
    torch.testing.assert_close(ours, torch.autograd.grad(divergence, logits)[0])


def test_balanced_loss_weighs_each_image_and_averages_over_images() -> None:
    logits, labels = torch.randn(4, 2), torch.tensor([0, 0, 0, 1])
    loss = expression(Knobs(class_weights="balanced"), logits, F.one_hot(labels, 2).float(), train=labels)
    each = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(loss, (each * torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0])).mean())


def test_effective_weights_reach_the_loss() -> None:
    logits, labels = torch.randn(4, 2), torch.tensor([0, 0, 0, 1])
    knobs = Knobs(class_weights="effective", effective_beta=0.5)
    loss = expression(knobs, logits, F.one_hot(labels, 2).float(), train=labels)
    each = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(loss, (each * effective_weights(labels, 2, 0.5)[labels]).mean())


def test_half_precision_logits_give_a_full_precision_loss() -> None:
    assert expression(Knobs(), torch.randn(2, 2, dtype=torch.bfloat16), torch.eye(2)).dtype == torch.float32


def test_the_loss_of_valence_and_arousal_is_one_minus_ccc() -> None:
    predicted, truth = torch.rand(40, 2), torch.rand(40, 2)
    each = [1 - concordance(predicted[:, i], truth[:, i]) for i in range(2)]
    loss = concordance_loss(predicted, truth, torch.ones(40, 2).bool())
    assert loss.item() == pytest.approx(sum(each) / 2, abs=1e-6)


def test_golden_concordance_loss() -> None:
    truth, predicted = torch.tensor([[3, -0.5, 2, 7]]).T, torch.tensor([[2.5, 0, 2, 8]]).T
    loss = concordance_loss(predicted, truth, torch.ones(4, 1).bool())
    assert 1 - loss.item() == pytest.approx(0.976789, abs=1e-6)


@pytest.mark.parametrize("truth", [[0.3, 0.3, 0.3, 0.1], [0.3, 0.5, 0.2, 0.1]])
def test_labels_without_spread_or_fewer_than_two_have_no_part(truth: list[float]) -> None:
    mask = torch.tensor([[1, 1, 1, 0]]).bool().T if truth[0] == truth[1] else torch.tensor([[0, 1, 0, 0]]).bool().T
    predicted = torch.rand(4, 1, requires_grad=True)
    loss = concordance_loss(predicted, torch.tensor([truth]).T, mask)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, predicted)
    assert torch.count_nonzero(gradient) == 0


HEADS = [
    Head("expression", Task.EXPRESSION, tuple("abcdefg"), 0),
    Head("valence_arousal", Task.VALENCE_AROUSAL, ("valence", "arousal"), 7),
    Head("action_units", Task.ACTION_UNITS, UNITS, 9),
]
ALL_LOSSES = [
    Knobs(),
    Knobs(class_weights="balanced", label_smoothing=0.1, valence_arousal_loss="mse", action_unit_loss="focal"),
    Knobs(valence_arousal_loss="ccc+mse", action_unit_loss="weighted_bce"),
]


def labelled(items: int) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, values and a mask in which single units and whole tasks are missing."""
    generator = torch.Generator().manual_seed(3)
    outputs = torch.randn(items, 21, generator=generator)
    classes = torch.randint(7, (items,), generator=generator)
    rest = torch.rand(items, 14, generator=generator)
    values = torch.cat([F.one_hot(classes, 7), rest[:, :2] * 2 - 1, (rest[:, 2:] > 0.6).float()], dim=1)
    missing = torch.rand(items, 15, generator=generator) < 0.4
    mask = ~torch.cat([missing[:, :1].expand(-1, 7), missing[:, 1:]], dim=1)
    return outputs, values, mask


@pytest.mark.parametrize("knobs", ALL_LOSSES, ids=["plain", "other", "third"])
def test_a_missing_label_has_a_gradient_of_exactly_0_and_the_others_have_one(knobs: Knobs) -> None:
    outputs, values, mask = labelled(64)
    outputs.requires_grad_()
    loss = training_loss(knobs, HEADS, values, mask)
    (gradient,) = torch.autograd.grad(loss(outputs, values, mask), outputs)
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask] != 0).float().mean() > 0.99


@pytest.mark.parametrize("knobs", ALL_LOSSES, ids=["plain", "other", "third"])
def test_what_stands_in_a_missing_label_does_not_matter(knobs: Knobs) -> None:
    outputs, values, mask = labelled(64)
    loss = training_loss(knobs, HEADS, values, mask)
    other = torch.where(mask, values, 1 - values)
    assert torch.equal(loss(outputs, values, mask), loss(outputs, other, mask))


@pytest.mark.parametrize("knobs", ALL_LOSSES, ids=["plain", "other", "third"])
def test_a_task_without_a_label_in_the_batch_contributes_nothing(knobs: Knobs) -> None:
    outputs, values, mask = labelled(64)
    loss = training_loss(knobs, HEADS, values, mask)
    only = torch.zeros_like(mask)
    only[:, :7] = mask[:, :7]
    without = training_loss(knobs, HEADS[:1], values, mask)
    torch.testing.assert_close(loss(outputs, values, only), without(outputs, values, only))
    assert loss(outputs, values, torch.zeros_like(mask)).item() == 0


def test_weights_of_the_tasks() -> None:
    outputs, values, mask = labelled(64)

    def total(**weights: float) -> float:
        return training_loss(Knobs(**weights), HEADS, values, mask)(outputs, values, mask).item()

    none = {"expression_weight": 0.0, "valence_arousal_weight": 0.0, "action_unit_weight": 0.0}
    parts = [total(**none | {name: 1.0}) for name in none]
    assert total(valence_arousal_weight=1.0, expression_weight=0.1, action_unit_weight=0.1) == pytest.approx(
        0.1 * parts[0] + parts[1] + 0.1 * parts[2]
    )


def test_windows_count_as_their_frames() -> None:
    outputs, values, mask = labelled(60)
    loss = training_loss(Knobs(), HEADS, values, mask)
    as_windows = [tensor.reshape(3, 20, 21) for tensor in (outputs, values, mask)]
    torch.testing.assert_close(loss(*as_windows), loss(outputs, values, mask))


def test_action_units_weigh_absent_over_present() -> None:
    values = torch.zeros(10, 12)
    values[:2, 0] = 1
    mask = torch.ones(10, 12).bool()
    head = Head("action_units", Task.ACTION_UNITS, UNITS, 0)
    loss = training_loss(Knobs(action_unit_loss="weighted_bce"), [head], values, mask)
    weights = torch.tensor([4.0] + [1.0] * 11)
    logits = torch.randn(10, 12)
    expected = F.binary_cross_entropy_with_logits(logits, values, pos_weight=weights)
    torch.testing.assert_close(loss(logits, values, mask), expected)


def test_focal_loss_is_the_published_one() -> None:
    head = Head("action_units", Task.ACTION_UNITS, UNITS, 0)
    mask = torch.ones(1, 12).bool()
    loss = training_loss(Knobs(action_unit_loss="focal"), [head], mask.float(), mask)
    p = 0.3
    logit = torch.full((1, 12), math.log(p / (1 - p)))
    present = -0.95 * (1 - p) * math.log(p)
    absent = -0.05 * p * math.log(1 - p)
    assert loss(logit, torch.ones(1, 12), mask).item() == pytest.approx(present, abs=1e-6)
    assert loss(logit, torch.zeros(1, 12), mask).item() == pytest.approx(absent, abs=1e-6)
