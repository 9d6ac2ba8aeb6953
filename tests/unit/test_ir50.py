"""The frozen face network: its names and sizes are those of the original, and its weights file is held to them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search import catalog
from search.errors import ModelError, UnknownName, WeightsError

features = catalog.features("ir50")

SMALL: dict[str, Any] = {"image_size": 48, "width": 4, "depths": (1, 2, 1, 1)}


pytestmark = pytest.mark.usefixtures("one_thread")


def on_paper() -> nn.Module:
    """The published network without memory."""
    with torch.device("meta"):
        network: nn.Module = features(image_size=48).eval()
    return network


def test_published_network() -> None:
    network = on_paper()
    assert len(network.get_submodule("body")) == 24  # type: ignore[arg-type]
    (linear,) = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert (linear.in_features, linear.out_features) == (512 * 5 * 5, 512)
    assert network(torch.empty(2, 3, 48, 48, device="meta")).shape == (2, 512)


def test_names_are_those_of_the_original() -> None:
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    firsts = {3: 64, 7: 128, 21: 256}  # the first unit of each later stage, and the channels before it
    norms = {f"body.{unit}.res_layer.{i}" for unit in range(24) for i in (0, 4)}
    norms |= {f"body.{unit}.shortcut_layer.1" for unit in firsts} | {"input_layer.1"}
    norms |= {"output_layer.0", "output_layer.4"}
    expected = {f"{norm}.{name}" for norm in norms for name in statistics}
    expected |= {f"body.{unit}.res_layer.{i}.weight" for unit in range(24) for i in (1, 2, 3)}
    expected |= {f"body.{unit}.shortcut_layer.0.weight" for unit in firsts}
    expected |= {"input_layer.0.weight", "input_layer.2.weight", "output_layer.3.weight", "output_layer.3.bias"}
    state = on_paper().state_dict()
    assert state.keys() == expected
    for unit, channels in firsts.items():
        assert state[f"body.{unit}.res_layer.3.weight"].shape == (2 * channels, 2 * channels, 3, 3)


def test_unit_vectors_of_the_middle() -> None:
    network = features(**SMALL).eval()
    images = torch.rand(3, 3, 48, 48)
    vectors = network(images)
    assert vectors.shape == (3, 32)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    border = images.clone()
    border[..., :4, :] = border[..., -4:, :] = border[..., :4] = border[..., -4:] = 9.0
    torch.testing.assert_close(network(border), vectors)
    border[..., 4, 4] = 9.0
    assert not torch.allclose(network(border), vectors)


@pytest.mark.parametrize("crop", [33, 40, 48])
def test_crops_of_any_size(crop: int) -> None:
    assert features(**SMALL, crop=crop).eval()(torch.rand(1, 3, 48, 48)).shape == (1, 32)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {f"backbone.{k}": v for k, v in state.items()} | {"logits.weight": torch.ones(8, 32)},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
    ],
    ids=["bare", "backbone. and logits.", "module. in state_dict"],
)
def test_weights_are_loaded(tmp_path: Path, wrapped: Callable[[dict[str, Tensor]], dict[str, Any]]) -> None:
    theirs = features(**SMALL).state_dict()
    torch.save(wrapped(theirs), tmp_path / "ir50.pth")
    ours = features(**SMALL, weights=str(tmp_path / "ir50.pth")).state_dict()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda state: {k: v for k, v in state.items() if "body.4" not in k}, 'Missing key.*"body.4.'),
        (lambda state: state | {"body.9.weight": torch.ones(1)}, 'Unexpected key.*"body.9.weight"'),
        (
            lambda state: state | {"output_layer.3.weight": torch.ones(32, 32 * 49)},
            "size mismatch for output_layer.3",
        ),
        (lambda state: {"conv1.weight": torch.ones(1)}, 'Missing key.*Unexpected key.*"conv1.weight"'),
    ],
    ids=["missing", "unexpected", "trained on 112 px", "another network"],
)
def test_weights_of_another_network(
    tmp_path: Path, spoilt: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str
) -> None:
    torch.save(spoilt(features(**SMALL).state_dict()), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=rf"other.pth does not fit ir50: .*{message}") as refusal:
        features(**SMALL, weights=str(tmp_path / "other.pth"))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"crop": 49}, r"crop lies in \[1, 48\], the images' size, and 49"),
        ({"crop": 0}, "crop lies in"),
        ({"width": 0}, "width and depths start at 1, and 0"),
        ({"depths": (1, 0, 1, 1)}, "width and depths start at 1"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        features(**SMALL | arguments)


def test_it_is_no_model_to_train() -> None:
    with pytest.raises(UnknownName, match=r"models/ir50.py can't be used for that: it defines no `build`"):
        catalog.model("ir50")
