import copy
from collections.abc import Callable

import pytest
import torch
from pytorch_optimizer import SAM
from torch import Tensor, nn

from search import catalog
from search.training.optimizers import optimizer_of, parameter_groups, take_step
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


class TwoParts(nn.Module):
    """A backbone with a norm, a projection and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.projection = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def parts(self) -> dict[str, nn.Module]:
        return {"backbone": self.backbone, "projection": self.projection}

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.projection(self.backbone(inputs)))
        return outputs


def gradients_of(model: nn.Module, inputs: Tensor) -> Callable[[], Tensor]:
    def gradients() -> Tensor:
        loss: Tensor = model(inputs).square().mean()
        loss.backward()
        return loss.detach()

    return gradients


def test_parts_have_groups_with_their_ratio_and_their_decay() -> None:
    model = TwoParts()
    knobs = Knobs(weight_decay=0.1, backbone_lr_ratio=0.1, projection_lr_ratio=3.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {
        (group["lr_ratio"], group["weight_decay"]): {names[id(parameter)] for parameter in group["params"]}
        for group in parameter_groups(model, knobs)
    }
    assert groups == {
        (0.1, 0.1): {"backbone.0.weight"},
        (0.1, 0.0): {"backbone.0.bias", "backbone.1.weight", "backbone.1.bias"},
        (3.0, 0.1): {"projection.weight"},
        (3.0, 0.0): {"projection.bias"},
        (1.0, 0.1): {"head.weight"},
        (1.0, 0.0): {"head.bias"},
    }


def test_a_part_moves_by_its_share_of_the_learning_rate() -> None:
    moved = {}
    for ratio in (1.0, 0.25):
        torch.manual_seed(0)
        model = TwoParts()
        before = copy.deepcopy(model.state_dict())
        knobs = Knobs(optimizer="sgd", beta1=0.0, backbone_lr_ratio=ratio)
        gradients = gradients_of(model, torch.randn(8, 3))
        take_step(optimizer_of(model, knobs), model, gradients, lr=0.1, clip_norm=0.0)
        moved[ratio] = {name: value - before[name] for name, value in model.named_parameters()}
    for name in moved[1.0]:
        share = 0.25 if name.startswith("backbone") else 1.0
        torch.testing.assert_close(moved[0.25][name], share * moved[1.0][name])


QUADRATIC = torch.tensor([1.0, 4.0])  # its curvatures


class Quadratic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 1.0]))

    def forward(self) -> Tensor:
        return (QUADRATIC * self.weight**2).sum() / 2


def quadratic_step(knobs: Knobs, clip_norm: float = 0.0) -> tuple[Tensor, Tensor]:
    model = Quadratic()

    def gradients() -> Tensor:
        loss: Tensor = model()
        loss.backward()
        return loss.detach()

    loss = take_step(optimizer_of(model, knobs), model, gradients, lr=0.1, clip_norm=clip_norm)
    return model.weight.detach(), loss


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_sam_follows_the_gradient_of_the_weights_moved_uphill(clip_norm: float) -> None:
    weight, loss = quadratic_step(Knobs(optimizer="sgd", beta1=0.0, sam_rho=0.5), clip_norm)
    start = torch.tensor([3.0, 1.0])
    uphill = QUADRATIC * start  # (3, 4), of norm 5
    followed = QUADRATIC * (start + 0.5 * uphill / 5)
    assert followed.tolist() == pytest.approx([3.3, 5.6])
    if clip_norm:
        followed = followed / followed.norm()
    torch.testing.assert_close(weight, start - 0.1 * followed)
    assert loss.item() == pytest.approx(6.5)  # where the weights were


def test_sam_of_radius_0_is_its_base_optimizer() -> None:
    assert not isinstance(optimizer_of(Quadratic(), Knobs(sam_rho=0.0)), SAM)
    plain, _ = quadratic_step(Knobs(optimizer="adam"))
    sharp, _ = quadratic_step(Knobs(optimizer="adam", sam_rho=1e-12))
    torch.testing.assert_close(plain, sharp)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_sam_takes_any_base_optimizer_and_resumes_bit_for_bit(optimizer: str) -> None:
    knobs = Knobs(optimizer=optimizer, sam_rho=0.05, weight_decay=0.1)
    inputs = torch.randn(5, 8, 3, generator=torch.Generator().manual_seed(1))

    def run(model: nn.Module, steps: range, state: dict[str, object] | None = None) -> dict[str, object]:
        own = optimizer_of(model, knobs)
        if state is not None:
            own.load_state_dict(state)
        for step in steps:
            take_step(own, model, gradients_of(model, inputs[step]), lr=0.01, clip_norm=1.0)
        return copy.deepcopy(own.state_dict())

    torch.manual_seed(0)
    straight = TwoParts()
    resumed = copy.deepcopy(straight)
    run(straight, range(5))
    state = run(resumed, range(3))
    again = TwoParts()
    again.load_state_dict(resumed.state_dict())
    run(again, range(3, 5), state)
    assert all(torch.equal(again.state_dict()[name], value) for name, value in straight.state_dict().items())


def test_norms_take_in_the_first_pass_of_sam_only() -> None:
    inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    statistics = {}
    for rho in (0.0, 0.5):
        torch.manual_seed(0)
        model = TwoParts()
        knobs = Knobs(sam_rho=rho)
        take_step(optimizer_of(model, knobs), model, gradients_of(model, inputs), lr=0.1, clip_norm=0.0)
        statistics[rho] = (model.get_buffer("backbone.1.running_mean"), model.get_buffer("backbone.1.running_var"))
        assert model.get_submodule("backbone.1").momentum == 0.1
    torch.testing.assert_close(statistics[0.0], statistics[0.5], rtol=0, atol=0)
