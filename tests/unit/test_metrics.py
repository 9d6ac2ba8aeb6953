import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from search.tasks import Task
from search.training.heads import Head
from search.training.losses import validation_loss
from search.training.metrics import classification_metrics, validation_metrics
from search.training.recipe import Knobs

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
PREDICTIONS = torch.tensor([0, 1, 1, 1, 2, 0])


def test_golden_values() -> None:
    metrics = classification_metrics(PREDICTIONS, LABELS, 3)
    assert metrics["accuracy"] == pytest.approx(0.6666667)
    assert metrics["macro_f1"] == pytest.approx(0.6555556)


def test_macro_f1_counts_every_class_of_the_label_space() -> None:
    assert classification_metrics(PREDICTIONS, LABELS, 7)["macro_f1"] == pytest.approx(0.2809524)


def test_every_metric_a_study_may_name_is_there() -> None:
    assert classification_metrics(PREDICTIONS, LABELS, 3).keys() == {
        *("accuracy", "balanced_accuracy", "macro_f1", "expr_total")
    }


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees(seed: int) -> None:
    torch.manual_seed(seed)
    labels, predictions = torch.randint(0, 4, (2, 50))
    metrics = classification_metrics(predictions, labels, 6)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(labels, predictions))
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predictions))
    expected = f1_score(labels, predictions, labels=range(6), average="macro", zero_division=0)
    assert metrics["macro_f1"] == pytest.approx(expected)


def test_balanced_accuracy_leaves_out_classes_without_images_even_when_predicted() -> None:
    metrics = classification_metrics(torch.tensor([0, 0, 2, 1]), torch.tensor([0, 0, 0, 1]), 3)
    assert metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)


def test_one_constant_class_is_chance() -> None:
    labels = torch.arange(7).repeat(3)
    metrics = classification_metrics(torch.zeros(21, dtype=torch.int64), labels, 7)
    assert metrics["balanced_accuracy"] == pytest.approx(1 / 7)


def test_validation_loss_is_the_plain_cross_entropy() -> None:
    logits = torch.randn(6, 3)
    truth = F.one_hot(LABELS, 3).float()
    head = Head("expression", Task.EXPRESSION, ("a", "b", "c"), 0)
    loss = validation_loss(Knobs(class_weights="balanced", label_smoothing=0.1), [head])
    metrics = validation_metrics([head], loss, logits, truth, torch.ones(6, 3, dtype=torch.bool))
    assert metrics["validation_loss"] == pytest.approx(F.cross_entropy(logits, LABELS).item())
    assert metrics["accuracy"] == pytest.approx((logits.argmax(1) == LABELS).float().mean().item())
