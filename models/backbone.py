"""A network of torchvision or timm whose last layer is replaced: the single-task baseline, and frozen features.

The networks are those of "Deep Residual Learning" (https://arxiv.org/abs/1512.03385), "MobileNetV2"
(https://arxiv.org/abs/1801.04381) and "An Image is Worth 16x16 Words" (https://arxiv.org/abs/2010.11929), with
torchvision's names and weights, and everything in timm's list (`timm.list_models()`) with timm's.
"""

from pathlib import Path
from textwrap import shorten
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from search.errors import ModelError, WeightsError

# torchvision's networks, each with the name of its last layer
_LAST_LAYER = {
    "resnet18": "fc",
    "resnet34": "fc",
    "resnet50": "fc",
    "resnet101": "fc",
    "mobilenet_v2": "classifier.1",
    "vit_b_16": "heads.head",
    "vit_b_32": "heads.head",
}
_LONGEST_LINE = 200  # characters of each list of keys in a refusal


def build(*, outputs: int, image_size: int, network: str = "resnet18", weights: str | None = None) -> nn.Module:
    """A network from float images (B, 3, image_size, image_size) to logits (B, outputs).

    network: resnet18, resnet34, resnet50, resnet101, mobilenet_v2, vit_b_16 or vit_b_32 of torchvision, or else
        the name of any model in timm.
    weights: file of its pretrained weights, a state dict saved by torch or in safetensors, with the names that the
        library gives them; its last layer is left out. Without a file they are random.

    Raises ModelError if there is no such network or images of that size do not fit it, WeightsError if the file
    does not fit the network.
    """
    backbone = features(image_size=image_size, network=network, weights=weights)
    return Classifier(backbone, _width(backbone, network, image_size), outputs)


def features(*, image_size: int, network: str = "resnet50", weights: str | None = None) -> nn.Module:
    """The same network without its last layer: images (B, 3, image_size, image_size) to vectors (B, D).

    D is 2048 of resnet50 and resnet101, 512 of resnet18 and resnet34, 1280 of mobilenet_v2, and 768 of the ViTs.
    """
    state = None if weights is None else _read(Path(weights))
    try:
        if network in _LAST_LAYER:
            return _of_torchvision(network, image_size, state)
        if timm.is_model(network):
            return _of_timm(network, image_size, state)
    except (RuntimeError, ValueError) as error:
        if state is None:
            raise ModelError(f"model backbone: {network} can't be built: {_one_line(error)}") from error
        raise WeightsError(f"{weights} does not fit {network}: {_one_line(error)}") from error
    raise ModelError(
        f"model backbone: no network {network!r}; give one of timm's, or of {', '.join(_LAST_LAYER)}."
    )


class Classifier(nn.Module):
    """A backbone and a linear layer on its features."""

    def __init__(self, backbone: nn.Module, width: int, outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(width, outputs)

    def parts(self) -> dict[str, nn.Module]:
        """What may have a learning rate of its own."""
        return {"backbone": self.backbone}

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.backbone(images))
        return logits


def _of_torchvision(name: str, image_size: int, state: dict[str, Tensor] | None) -> nn.Module:
    is_vit = name.startswith("vit_")
    patch = int(name.removeprefix("vit_b_")) if is_vit else 1
    if image_size % patch:
        raise ModelError(f"model backbone: {name} cuts {patch} px patches, and {image_size} px is no multiple.")
    network: nn.Module = torchvision.models.get_model(name, **{"image_size": image_size} if is_vit else {})
    network.set_submodule(_LAST_LAYER[name], nn.Identity())
    if state is not None:
        state = _without(state, _LAST_LAYER[name])
        if "encoder.pos_embedding" in state:
            state = interpolate_embeddings(image_size, patch, state)
        network.load_state_dict(state)
    return network


def _of_timm(name: str, image_size: int, state: dict[str, Tensor] | None) -> nn.Module:
    about = timm.get_pretrained_cfg(name)
    arguments: dict[str, Any] = {"num_classes": 0}
    if about is not None and about.fixed_input_size:
        arguments["img_size"] = image_size
    if state is not None:
        last = about.classifier if about is not None and about.classifier else ()
        state = _without(state, *((last,) if isinstance(last, str) else last))
        # timm itself adapts what it is given to the network, and is strict if both have as many classes: none.
        given = {"state_dict": state, "num_classes": 0, "label_offset": 0, "custom_load": False}
        arguments |= {"pretrained": True, "pretrained_cfg_overlay": given}
    network: nn.Module = timm.create_model(name, **arguments)
    return network


def _width(network: nn.Module, name: str, image_size: int) -> int:
    """The width of the features, by trying the network on one image."""
    network.eval()
    try:
        with torch.no_grad():
            vectors: Tensor = network(torch.zeros(1, 3, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"model backbone: {name} takes no images of {image_size} px: {_one_line(error)}"
        ) from error
    network.train()
    return vectors.shape[-1]


def _without(state: dict[str, Tensor], *layers: str) -> dict[str, Tensor]:
    prefixes = tuple(f"{layer}." for layer in layers)
    kept = {key: value for key, value in state.items() if not key.startswith(prefixes)}
    if not kept:
        raise ValueError("it holds no weights but those of a last layer.")
    return kept


def _read(path: Path) -> dict[str, Tensor]:
    """A state dict, bare or under "state_dict" or "model", without the prefix "module."."""
    if not path.is_file():
        raise WeightsError(f"{path} is no file; give a file of pretrained weights.")
    try:
        state: dict[str, Tensor] = timm.models.load_state_dict(str(path), weights_only=True)
    except Exception as error:  # torch.load fails on foreign bytes in a dozen ways
        raise WeightsError(
            f"{path} is damaged or no state dict: not loaded; save one with torch.save(model.state_dict(), path)."
        ) from error
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds more than tensors; save the state dict alone, with torch.save.")
    return state


def _one_line(error: Exception) -> str:
    return " ".join(shorten(line, _LONGEST_LINE, placeholder=" ...") for line in str(error).splitlines()[:5])
