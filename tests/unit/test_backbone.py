"""torchvision's and timm's networks by name: their sizes, and the weights files that they take or refuse."""

import math
from collections.abc import Callable
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

build = catalog.model("backbone")
features = catalog.features("backbone")


pytestmark = pytest.mark.usefixtures("one_thread")


def on_paper(**arguments: Any) -> nn.Module:
    """A network without memory: its shapes alone are counted."""
    with torch.device("meta"):
        model: nn.Module = build(**{"image_size": 224} | arguments)
    return model


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("network", "counted"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("mobilenet_v2", 3_504_872),
        ("vit_b_16", 86_567_656),
        ("vit_b_32", 88_224_232),
    ],
)
def test_parameters_with_the_classes_of_imagenet(network: str, counted: int) -> None:
    assert parameters(on_paper(network=network, outputs=1000)) == counted


def test_resnet18_with_seven_outputs_on_48_px() -> None:
    model = on_paper(outputs=7, image_size=48)
    assert parameters(model) == 11_180_103
    sides = []
    for name in ("maxpool", "layer1", "layer2", "layer3", "layer4"):
        hook = lambda _module, _inputs, output: sides.append(output.shape[-1])
        model.get_submodule(f"backbone.{name}").register_forward_hook(hook)
    model(torch.empty(1, 3, 48, 48, device="meta"))
    assert sides == [12, 12, 6, 3, 2]


@pytest.mark.parametrize(
    ("network", "width"), [("resnet18", 512), ("resnet50", 2048), ("mobilenet_v2", 1280), ("vit_b_32", 768)]
)
def test_width_of_the_features(network: str, width: int) -> None:
    with torch.device("meta"):
        vectors = features(image_size=64, network=network).eval()(torch.empty(2, 3, 64, 64))
    assert vectors.shape == (2, width)


@pytest.mark.parametrize("network", ["test_resnet", "test_vit", "test_efficientnet.r160_in1k"])
def test_logits_and_gradients(network: str) -> None:
    model = build(outputs=5, image_size=32, network=network)
    logits = model(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 5)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.parts() == {"backbone": model.backbone}


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = build(outputs=3, image_size=32, network="test_resnet")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = torch.rand(12, 3, 32, 32), torch.arange(12) % 3
    for _ in range(10):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < math.log(3) / 2


WRAPPED: dict[str, Callable[[dict[str, Tensor]], dict[str, Any]]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "module.": lambda state: {f"module.{key}": value for key, value in state.items()},
    "without counters": lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
}


def pretrained(network: str) -> nn.Module:
    model: nn.Module
    if network == "mobilenet_v2":
        model = torchvision.models.get_model(network, num_classes=11)
    else:
        model = timm.create_model(network, num_classes=11)
    return model


@pytest.mark.parametrize(
    ("network", "wrapped", "last"),
    [
        ("mobilenet_v2", "bare", "classifier.1"),
        *(("test_resnet", wrapped, "fc") for wrapped in WRAPPED),
    ],
)
def test_weights_are_loaded_but_for_the_last_layer(tmp_path: Path, network: str, wrapped: str, last: str) -> None:
    theirs = pretrained(network).state_dict()
    torch.save(WRAPPED[wrapped](theirs), tmp_path / "weights.pth")
    model = build(outputs=7, image_size=32, network=network, weights=str(tmp_path / "weights.pth"))
    ours = model.backbone.state_dict()
    assert theirs.keys() - ours.keys() == {f"{last}.weight", f"{last}.bias"}
    assert all(torch.equal(ours[key], theirs[key]) for key in ours if not key.endswith("num_batches_tracked"))


def test_positions_of_a_vit_are_stretched_to_the_images(tmp_path: Path) -> None:
    with torch.device("meta"):
        published = torchvision.models.vit_b_32()
    state = {key: torch.zeros(1).expand(tensor.shape) for key, tensor in published.state_dict().items()}
    positions = torch.rand(1, 1 + 7 * 7, 768)
    torch.save(state | {"encoder.pos_embedding": positions}, tmp_path / "vit.pth")  # a file of kilobytes
    vit = features(image_size=96, network="vit_b_32", weights=str(tmp_path / "vit.pth"))
    stretched = vit.get_submodule("encoder").pos_embedding
    assert stretched.shape == (1, 1 + 3 * 3, 768)
    assert torch.equal(stretched[:, 0], positions[:, 0])
    for old, new in zip((1, 7, 25, 43, 49), (1, 3, 5, 7, 9), strict=True):  # corners and centre stay in place
        torch.testing.assert_close(stretched[:, new], positions[:, old])


def test_timm_stretches_positions_too(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_vit", img_size=64).state_dict(), tmp_path / "vit.pth")
    vit = features(image_size=32, network="test_vit", weights=str(tmp_path / "vit.pth"))
    assert vit.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 64)


@pytest.mark.parametrize("network", ["mobilenet_v2", "test_resnet"])
@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda state, first: {k: v for k, v in state.items() if k != first}, 'Missing key.*"{first}"'),
        (lambda state, first: state | {"layer9.weight": torch.ones(1)}, 'Unexpected key.*"layer9.weight"'),
        (lambda state, first: state | {first: torch.ones(2)}, "size mismatch for {first}"),
        (lambda state, first: {"fc.weight": torch.ones(1), "classifier.1.weight": torch.ones(1)}, ""),
    ],
    ids=["missing", "unexpected", "shape", "classifier alone"],
)
def test_weights_of_another_network(
    tmp_path: Path, network: str, spoilt: Callable[[dict[str, Tensor], str], dict[str, Tensor]], message: str
) -> None:
    state = pretrained(network).state_dict()
    first = next(iter(state))
    torch.save(spoilt(state, first), tmp_path / "other.pth")
    with pytest.raises(
        WeightsError, match=f"other.pth does not fit {network}: .*{message.format(first=first)}"
    ) as refusal:
        features(image_size=32, network=network, weights=str(tmp_path / "other.pth"))
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 1200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "resnet19"}, "no network 'resnet19'; give one of timm's, or of resnet18, "),
        ({"network": "hf-hub:somebody/something"}, "no network"),
        ({"network": "vit_b_16", "image_size": 50}, "vit_b_16 cuts 16 px patches, and 50 px is no multiple"),
        ({"network": "test_vit", "image_size": 8}, "test_vit .*8 px"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(**{"outputs": 7, "image_size": 32} | arguments)
