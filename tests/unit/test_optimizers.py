import pytest
import torch
from torch import nn

from search import catalog
from search.training.optimizers import learning_rate, optimizer_of, parameter_groups
from search.training.recipe import Knobs


@pytest.fixture
def model() -> nn.Module:
    """A small transformer on an IR-50 backbone, with tokens, norms and slopes."""
    build = catalog.model("clsfer")
    return build(outputs=3, image_size=16, width=4, depths=(1, 1, 1, 1), depth=1, heads=2)


def names(model: nn.Module, knobs: Knobs) -> tuple[set[str], set[str]]:
    """The names of the parameters with and without decay."""
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for group in parameter_groups(model, knobs):
        found[group["weight_decay"] > 0] |= {name_of[id(parameter)] for parameter in group["params"]}
    return found[True], found[False]


def test_decay_spares_norms_biases_and_tokens(model: nn.Module) -> None:
    decayed, spared = names(model, Knobs(weight_decay=0.1))
    assert {"cls_token", "pos_embed", "norm.weight", "norm.bias", "head.bias"} <= spared
    assert {"head.weight", "backbone.conv1.weight"} <= decayed
    sizes = {name: parameter.ndim for name, parameter in model.named_parameters()}
    assert all(sizes[name] > 1 for name in decayed)
    assert decayed | spared == sizes.keys()


def test_decay_norms_decays_everything(model: nn.Module) -> None:
    decayed, spared = names(model, Knobs(weight_decay=0.1, decay_norms=True))
    assert not spared
    assert decayed == {name for name, _ in model.named_parameters()}


def test_frozen_parameters_are_left_out(model: nn.Module) -> None:
    model.get_parameter("head.weight").requires_grad_(False)
    decayed, spared = names(model, Knobs(weight_decay=0.1))
    assert "head.weight" not in decayed | spared


def test_knobs_reach_the_optimizer(model: nn.Module) -> None:
    knobs = Knobs(lr=0.1, eps=1e-6, beta1=0.8, beta2=0.95, weight_decay=0.3)
    adamw = optimizer_of(model, knobs)
    assert type(adamw) is torch.optim.AdamW
    assert adamw.defaults["betas"] == (0.8, 0.95)
    assert adamw.defaults["eps"] == 1e-6
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.3, 0.0]
    assert type(optimizer_of(model, knobs.model_copy(update={"optimizer": "adam"}))) is torch.optim.Adam
    sgd = optimizer_of(model, knobs.model_copy(update={"optimizer": "sgd"}))
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.8, True)


def test_adam_couples_weight_decay_into_the_gradient_and_adamw_does_not() -> None:
    after = {}
    for name in ("adam", "adamw"):
        layer = nn.Linear(1, 1, bias=False)
        nn.init.constant_(layer.weight, 10.0)
        optimizer = optimizer_of(layer, Knobs(optimizer=name, lr=0.1, weight_decay=0.5))
        layer.weight.grad = torch.zeros_like(layer.weight)
        optimizer.step()
        after[name] = layer.weight.item()
    assert after["adam"] == pytest.approx(10 - 0.1)  # normalised away: one step of lr
    assert after["adamw"] == pytest.approx(10 * (1 - 0.1 * 0.5))


def test_sgd_without_momentum_is_allowed(model: nn.Module) -> None:
    assert not optimizer_of(model, Knobs(optimizer="sgd", beta1=0.0)).defaults["nesterov"]


def rates(knobs: Knobs, steps_per_epoch: int) -> list[float]:
    return [learning_rate(knobs, step, steps_per_epoch) for step in range(knobs.epochs * steps_per_epoch)]


def test_warm_up_rises_linearly_to_the_peak() -> None:
    values = rates(Knobs(epochs=4, lr=1.0, schedule="constant", warmup_epochs=1.5), 6)
    assert values[:9] == pytest.approx([(step + 1) / 10 for step in range(9)])
    assert values[9:] == [1.0] * 15


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
@pytest.mark.parametrize(("epochs", "warmup"), [(20, 0.0), (60, 5.0), (2, 1.0)])
def test_schedules_fall_from_the_peak_to_the_final_ratio(schedule: str, epochs: int, warmup: float) -> None:
    knobs = Knobs(epochs=epochs, lr=0.5, schedule=schedule, final_lr_ratio=0.04, warmup_epochs=warmup)
    values = rates(knobs, 5)
    after = values[round(warmup * 5) :]
    assert after[0] == pytest.approx(0.5)
    assert after[-1] == pytest.approx(0.02)
    assert after == sorted(after, reverse=True)


def test_halves_of_the_two_schedules() -> None:
    shape = {"epochs": 1, "lr": 1.0, "final_lr_ratio": 0.01, "warmup_epochs": 0.0}
    assert learning_rate(Knobs(schedule="cosine", **shape), 50, 101) == pytest.approx(0.505)
    assert learning_rate(Knobs(schedule="exponential", **shape), 50, 101) == pytest.approx(0.1)


def test_runs_of_any_length_decay_alike() -> None:
    short, long = (Knobs(epochs=epochs, schedule="exponential", warmup_epochs=0.0) for epochs in (20, 60))
    ends = [learning_rate(knobs, knobs.epochs * 10 - 1, 10) for knobs in (short, long)]
    assert ends[0] == pytest.approx(ends[1])


@pytest.mark.parametrize(
    "knobs", [Knobs(epochs=1), Knobs(epochs=1, warmup_epochs=1.0), Knobs(epochs=2, warmup_epochs=9.0)]
)
def test_rates_of_the_shortest_runs_are_positive_and_at_most_the_peak(knobs: Knobs) -> None:
    assert all(0 < rate <= knobs.lr for rate in rates(knobs, 1))
