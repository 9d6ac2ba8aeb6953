"""The emotion spaces against the published widths, and the penalty that makes heads invertible."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from search import catalog
from search.errors import ModelError, WeightsError

build = catalog.model("emotion_spaces")

SPACES = {"polar": 2, "valence_arousal": 2, "ekman": 6, "ekman_neutral": 7, "mikels": 8}
SMALL: dict[str, Any] = {"columns": SPACES, "image_size": 32, "network": "test_resnet"}


pytestmark = pytest.mark.usefixtures("one_thread")


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def on_paper(**arguments: Any) -> nn.Module:
    """A network without memory: its shapes alone are counted."""
    with torch.device("meta"):
        model: nn.Module = build(**{"image_size": 224, "columns": SPACES} | arguments)
    return model


@pytest.mark.parametrize(
    ("network", "backbone", "width"),
    [
        ("resnet18", 11_176_512, 512),
        ("resnet50", 23_508_032, 2048),
        ("resnet101", 42_500_160, 2048),
        ("mobilenet_v2", 2_223_872, 1280),
        ("vit_b_16", 85_798_656, 768),
        ("vit_b_32", 87_455_232, 768),
    ],
)
def test_parameters_of_the_backbone_and_the_projection(network: str, backbone: int, width: int) -> None:
    model = on_paper(network=network)
    assert parameters(model.get_submodule("backbone")) == backbone
    assert parameters(model.get_submodule("projection")) == 32 * width + 32


def test_parameters_of_the_heads() -> None:
    linear, mlp = on_paper(head="linear"), on_paper(head="mlp")
    assert parameters(linear.get_submodule("heads")) == sum(33 * columns for columns in SPACES.values())
    assert parameters(linear.get_submodule("inverse_heads")) == sum(
        32 * (columns + 1) for columns in SPACES.values()
    )
    hidden = {"polar": 51, "valence_arousal": 51, "ekman": 57, "ekman_neutral": 58, "mikels": 60}
    for name, columns in SPACES.items():
        widths = [
            layer.weight.shape for layer in mlp.get_submodule(f"heads.{name}") if isinstance(layer, nn.Linear)
        ]
        assert widths == [(hidden[name], 32), (columns, hidden[name])]
        inverse = mlp.get_submodule(f"inverse_heads.{name}")
        assert [layer.weight.shape for layer in inverse if isinstance(layer, nn.Linear)] == [
            (hidden[name], columns),
            (32, hidden[name]),
        ]


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_logits_penalty_and_gradients(head: str) -> None:
    model = build(**SMALL, head=head)
    logits, penalty = model(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 25) and penalty.shape == ()
    (logits.square().mean() + penalty).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 25)


def test_columns_are_in_the_order_of_the_heads() -> None:
    model = build(**SMALL).eval()
    images = torch.rand(2, 3, 32, 32)
    x = model.projection(model.backbone(images))
    expected = torch.cat([model.heads[name](x) for name in SPACES], dim=1)
    torch.testing.assert_close(model(images), expected)


def test_penalty_is_the_error_of_the_inverse_heads() -> None:
    model = build(**SMALL | {"columns": {"polar": 2, "mikels": 8}}, inverse_weight=4.0)
    vectors: list[Tensor] = []
    model.projection.register_forward_hook(lambda _module, _inputs, output: vectors.append(output))
    logits, penalty = model(torch.rand(6, 3, 32, 32))
    (x,) = vectors
    polar = (model.inverse_heads["polar"](logits[:, :2]) - x).square().mean()
    mikels = (model.inverse_heads["mikels"](logits[:, 2:]) - x).square().mean()
    torch.testing.assert_close(penalty, 4.0 * (polar + mikels) / 2)


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = build(**SMALL | {"columns": {"mikels": 8, "ekman": 6}}, inverse_weight=1.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    images, labels = torch.rand(12, 3, 32, 32), torch.arange(12) % 6
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        logits, penalty = model(images)
        loss = F.cross_entropy(logits[:, 8:], labels) + penalty
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_the_penalty_alone_teaches_the_inverse_heads() -> None:
    torch.manual_seed(0)
    model = build(**SMALL)
    optimizer = torch.optim.Adam([*model.heads.parameters(), *model.inverse_heads.parameters()], lr=3e-2)
    images = torch.rand(12, 3, 32, 32)
    penalties = []
    for _ in range(20):
        optimizer.zero_grad()
        _, penalty = model(images)
        penalty.backward()
        optimizer.step()
        penalties.append(penalty.item())
    assert penalties[-1] < penalties[0] / 2


def test_parts_have_learning_rates_of_their_own() -> None:
    model = build(**SMALL)
    assert model.parts() == {"backbone": model.backbone, "projection": model.projection}


@pytest.mark.parametrize("network", ["mobilenet_v2", "test_resnet"])
def test_weights_are_loaded_but_for_the_classifier(tmp_path: Path, network: str) -> None:
    if network == "mobilenet_v2":
        theirs = torchvision.models.mobilenet_v2().state_dict()
    else:
        theirs = timm.create_model(network).state_dict()
    torch.save(theirs, tmp_path / "weights.pth")
    ours = build(**SMALL | {"network": network}, weights=str(tmp_path / "weights.pth")).backbone.state_dict()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())
    del theirs[next(iter(ours))]
    torch.save(theirs, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=f"does not fit {network}: .* Missing key"):
        build(**SMALL | {"network": network}, weights=str(tmp_path / "weights.pth"))


def test_positions_of_a_vit_are_stretched_to_the_images(tmp_path: Path) -> None:
    with torch.device("meta"):
        published = torchvision.models.vit_b_32()
    state = {key: torch.zeros(1).expand(tensor.shape) for key, tensor in published.state_dict().items()}
    torch.save(state | {"encoder.pos_embedding": torch.rand(1, 50, 768)}, tmp_path / "vit.pth")
    model = build(columns=SPACES, image_size=64, network="vit_b_32", weights=str(tmp_path / "vit.pth"))
    assert model.backbone.encoder.pos_embedding.shape == (1, 5, 768)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exchange": 0}, "exchange starts at 1"),
        ({"inverse_weight": -1.0}, "inverse_weight at 0"),
        ({"network": "resnet19"}, "no network 'resnet19'"),
        ({"network": "vit_b_16", "image_size": 50}, "50 px is no multiple"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(**SMALL | arguments)
