"""Networks pretrained without labels: the layouts of their files, written here, and the published head."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from search import catalog
from search.errors import WeightsError

build = catalog.model("swav")

State = dict[str, Tensor]


pytestmark = pytest.mark.usefixtures("one_thread")


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_published_head() -> None:
    with torch.device("meta"):
        model = build(outputs=7, head="projection")
    assert parameters(model.backbone) == 25_557_032 - 2049 * 1000
    widths = [layer.weight.shape for layer in model.projection if not isinstance(layer, nn.ReLU)]
    assert widths == [(2048, 2048), (2048,), (128, 2048)]
    assert model.classifier.weight.shape == (7, 128)


def test_parts_have_learning_rates_of_their_own() -> None:
    linear, projected = (build(outputs=7, network="resnet18", head=head) for head in ("linear", "projection"))
    assert linear.parts() == {"backbone": linear.backbone}
    assert projected.parts() == {"backbone": projected.backbone, "projection": projected.projection}


def test_the_classifier_sees_unit_vectors() -> None:
    model = build(outputs=7, network="resnet18", head="projection").eval()
    vectors = model.projection(model.backbone(torch.rand(3, 3, 32, 32)))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    assert vectors.shape == (3, 128)


@pytest.mark.parametrize("head", ["linear", "projection"])
def test_a_step_lowers_the_loss(head: str) -> None:
    torch.manual_seed(0)
    model = build(outputs=3, network="resnet18", head=head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    images, labels = torch.rand(6, 3, 32, 32), torch.arange(6) % 3
    before = F.cross_entropy(model(images), labels)
    before.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.parameters())
    optimizer.step()
    assert F.cross_entropy(model(images), labels) < before


@pytest.fixture(scope="module")
def trained() -> State:
    """What a trained network with torchvision's names holds, its last layer apart."""
    state = torchvision.models.resnet18().state_dict()
    return {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}


def projection_head(width: int = 512) -> State:
    layers = nn.Sequential(nn.Linear(width, 2048), nn.BatchNorm1d(2048), nn.ReLU(), nn.Linear(2048, 128))
    return {f"projection_head.{key}": tensor for key, tensor in layers.state_dict().items()}


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def swav(state: State) -> State:
    return prefixed("module.", state | projection_head() | {"prototypes.weight": torch.ones(3000, 128)})


def simsiam(state: State) -> dict[str, Any]:
    projector = {
        "fc.0.weight": torch.ones(512, 512),
        "fc.6.bias": torch.ones(512),
        "fc.7.running_mean": torch.ones(4),
    }
    encoder = prefixed("module.encoder.", state | projector)
    predictor = {"module.predictor.0.weight": torch.ones(4, 4)}
    return {"epoch": 100, "arch": "resnet18", "state_dict": encoder | predictor, "optimizer": {"state": {}}}


LAYOUTS: dict[str, Callable[[State], dict[str, Any]]] = {
    "SwAV": swav,
    "SwAV in state_dict": lambda state: {"state_dict": swav(state), "epoch": 400},
    "SimSiam": simsiam,
    "SimCLR by simclr-converter": lambda state: {"state_dict": state | {"fc.weight": torch.ones(1000, 512)}},
    "SimCLR of Spijkervet": lambda state: prefixed("encoder.", state) | {"projector.0.weight": torch.ones(4, 4)},
    "SimCLR of sthalles": lambda state: {
        "state_dict": prefixed("backbone.", state | {"fc.2.weight": torch.ones(128, 512)})
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_that_are_loaded(tmp_path: Path, trained: State, layout: str) -> None:
    torch.save(LAYOUTS[layout](trained), tmp_path / "weights.pth.tar")
    for head in ("linear", "projection"):
        model = build(outputs=7, network="resnet18", head=head, weights=str(tmp_path / "weights.pth.tar"))
        ours = model.backbone.state_dict()
        assert ours.keys() == trained.keys()
        assert all(torch.equal(tensor, trained[key]) for key, tensor in ours.items())


def test_the_projection_starts_from_that_of_swav(tmp_path: Path, trained: State) -> None:
    state = swav(trained)
    torch.save(state, tmp_path / "swav.pth.tar")
    model = build(outputs=7, network="resnet18", head="projection", weights=str(tmp_path / "swav.pth.tar"))
    for key, tensor in model.projection.state_dict().items():
        assert torch.equal(tensor, state[f"module.projection_head.{key}"])


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (
            lambda state: {k: v for k, v in state.items() if k != "module.conv1.weight"},
            'Missing key.*"conv1.weight"',
        ),
        (lambda state: state | {"module.layer9.weight": torch.ones(1)}, 'Unexpected key.*"layer9.weight"'),
        (lambda state: state | {"module.conv1.weight": torch.ones(2)}, "size mismatch for conv1.weight"),
        (lambda state: state | prefixed("module.", projection_head(2048)), "size mismatch for 0.weight"),
        (lambda state: {"prototypes.weight": torch.ones(1)}, "Missing key"),
    ],
    ids=["missing", "unexpected", "shape", "another projection", "no network"],
)
def test_weights_of_another_network(
    tmp_path: Path, trained: State, spoilt: Callable[[State], State], message: str
) -> None:
    torch.save(spoilt(swav(trained)), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=rf"other.pth does not fit resnet18: .*{message}") as refusal:
        build(outputs=7, network="resnet18", head="projection", weights=str(tmp_path / "other.pth"))
    assert "\n" not in str(refusal.value)
