"""The temporal network against the published sizes and formula, and what each output may depend on."""

import importlib
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search import catalog
from search.errors import ModelError

build = catalog.model("tcn")
TaskAttention = importlib.import_module("search.models.tcn").TaskAttention

COLUMNS = {"valence_arousal": 2, "action_units": 12, "expression": 7}
SMALL: dict[str, Any] = {"columns": COLUMNS, "features": {"images": 6, "sounds": 3}, "channels": 8, "dropout": 0.0}


pytestmark = pytest.mark.usefixtures("one_thread")


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_published_parameters() -> None:
    model = build(columns=COLUMNS, features={"images": 512})
    assert parameters(model.temporal) == 968_832
    assert {name: tuple(head.weight.shape) for name, head in model.heads.items()} == {
        "valence_arousal": (2, 128),
        "action_units": (12, 128),
        "expression": (7, 128),
    }


@pytest.mark.parametrize(("tasks", "counted"), [(2, 33_282), (3, 49_923)])
def test_published_parameters_of_the_attention(tasks: int, counted: int) -> None:
    columns = dict(list(COLUMNS.items())[:tasks])
    features = {"images": 512}
    plain, attentive = (build(columns=columns, features=features, attention=on) for on in (False, True))
    assert parameters(attentive.attention) == parameters(attentive) - parameters(plain) == counted


def test_a_task_alone_needs_no_attention() -> None:
    assert build(**SMALL | {"columns": {"expression": 7}}, attention=True).attention is None


@pytest.mark.parametrize("task_index", ["correct", "as_published"])
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("sounds", [False, True])
def test_outputs_and_gradients(sounds: bool, attention: bool, task_index: str) -> None:
    model = build(**SMALL, sounds=sounds, attention=attention, task_index=task_index)
    outputs = model(torch.randn(2, 10, 9))
    assert outputs.shape == (2, 10, 21)
    outputs.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def read_by(model: nn.Module, width: int, frames: int) -> Tensor:
    """Whether the last output's sum depends on each input, (frames, width)."""
    vectors = torch.randn(1, frames, width, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(vectors)[0, -1].sum(), vectors)
    return gradient[0] != 0


def test_an_output_does_not_depend_on_what_comes_later() -> None:
    model = build(**SMALL, sounds=True, attention=True).eval()
    vectors = torch.randn(2, 30, 9)
    later = vectors.clone()
    later[:, 20:] = torch.randn(2, 10, 9)
    torch.testing.assert_close(model(later)[:, :20], model(vectors)[:, :20])
    assert not torch.equal(model(later)[:, 20:], model(vectors)[:, 20:])


@pytest.mark.parametrize(("arguments", "frames"), [({}, 121), ({"blocks": 2, "kernel_size": 3}, 13)])
def test_receptive_field(arguments: dict[str, int], frames: int) -> None:
    torch.manual_seed(0)
    seen = read_by(build(**SMALL, **arguments), 9, frames + 20).any(dim=1)
    assert seen.tolist() == [False] * 20 + [True] * frames


@pytest.mark.parametrize(("sounds", "read"), [(False, [True] * 6 + [False] * 3), (True, [True] * 9)])
def test_the_parts_of_the_vectors_that_are_read(sounds: bool, read: list[bool]) -> None:
    assert read_by(build(**SMALL, sounds=sounds), 9, 5).any(dim=0).tolist() == read


@pytest.mark.parametrize("tasks", [2, 3])
def test_attention_formula(tasks: int) -> None:
    attention = TaskAttention(4, tasks)
    x = torch.randn(5, 4)
    a = torch.tanh(x @ attention.a.weight.T + attention.a.bias)
    b = torch.sigmoid(x @ attention.b.weight.T + attention.b.bias).reshape(5, 4, tasks - 1)
    for n in range(tasks - 1):
        a = a * b[..., n]
    expected = torch.softmax(a @ attention.out.weight.T + attention.out.bias, dim=1)
    torch.testing.assert_close(attention(x), expected)
    torch.testing.assert_close(attention(x.reshape(1, 5, 4)).sum(-1), torch.ones(1, 5))


def weights_used(tasks: list[str], task_index: str) -> list[int | None]:
    """The index of the weight by which each task's vector is multiplied, None where it stays as it is."""
    model = build(**SMALL | {"columns": dict.fromkeys(tasks, 8)}, attention=True, task_index=task_index)
    for head in model.heads.values():
        nn.init.eye_(head.weight)
        nn.init.zeros_(head.bias)
    vectors = torch.randn(1, 1, 9)
    plain = model.temporal(vectors[..., :6].transpose(1, 2)).transpose(1, 2)
    weights = model.attention(plain)[0, 0]
    factors = (model(vectors).unflatten(-1, (len(tasks), 8)) / plain.unsqueeze(-2))[0, 0]
    found: list[int | None] = []
    for factor in factors.mean(dim=-1):
        near = [i for i, weight in enumerate(weights) if torch.isclose(factor, weight, atol=1e-5)]
        found.append(near[0] if near else None)
        assert near or torch.isclose(factor, torch.tensor(1.0), atol=1e-5)
    return found


@pytest.mark.parametrize(
    ("tasks", "published"),
    [
        (["valence_arousal", "action_units", "expression"], [1, None, None]),
        (["expression", "action_units", "valence_arousal"], [None, None, 1]),
        (["action_units", "expression"], [1, None]),
        (["ekman_neutral", "action_units"], [None, 1]),
    ],
)
def test_tasks_that_the_attention_reaches(tasks: list[str], published: list[int | None]) -> None:
    torch.manual_seed(0)
    assert weights_used(tasks, "correct") == list(range(len(tasks)))
    assert weights_used(tasks, "as_published") == published


def test_whole_channels_are_dropped() -> None:
    layers = build(**SMALL | {"dropout": 0.5}).temporal[0].layers
    dropped = layers.dropout1(torch.ones(4, 8, 10))
    assert set(dropped.sum(dim=-1).flatten().tolist()) == {0.0, 20.0}


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = build(**SMALL | {"columns": {"valence_arousal": 2}})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    vectors = torch.randn(4, 20, 9)
    targets = vectors[..., :2].cumsum(dim=1).tanh()
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.mse_loss(model(vectors), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < targets.var().item() / 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": {"images": 6}, "sounds": True}, "sounds is on, and the vectors hold none"),
        ({"blocks": 0}, "blocks starts at 1, and 0"),
        ({"kernel_size": 0}, "kernel_size starts at 1"),
        ({"dropout": 1.0}, r"dropout lies in \[0, 1\), and 1.0"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(**SMALL | arguments)
