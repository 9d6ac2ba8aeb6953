"""torchvision's and timm's networks by name, without their last layers: what the models of images build on.

The networks are those of "Deep Residual Learning" (https://arxiv.org/abs/1512.03385), "MobileNetV2"
(https://arxiv.org/abs/1801.04381) and "An Image is Worth 16x16 Words" (https://arxiv.org/abs/2010.11929), with
torchvision's names and weights, and everything in timm's list (`timm.list_models()`) with timm's.
"""

from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from search.errors import ModelError
from search.pretrained import fitting, one_line, read_state, without

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


def backbone(name: str, image_size: int, weights: str | None) -> nn.Module:
    """A network from float images (B, 3, image_size, image_size) to vectors (B, D).

    D is 2048 of resnet50 and resnet101, 512 of resnet18 and resnet34, 1280 of mobilenet_v2, and 768 of the ViTs.

    name: resnet18, resnet34, resnet50, resnet101, mobilenet_v2, vit_b_16 or vit_b_32 of torchvision, or else the
        name of any model in timm.
    weights: file of its pretrained weights, with the names that the library gives them; its last layer is left
        out, and positions of a ViT are stretched to the images. Without a file they are random.

    Raises ModelError if there is no such network or it can't be built for images of that size, WeightsError if the
    file does not fit the network.
    """
    if name in _LAST_LAYER:
        build = _of_torchvision
    elif timm.is_model(name):
        build = _of_timm
    else:
        raise ModelError(f"no network {name!r}; give one of timm's, or of {', '.join(_LAST_LAYER)}.")
    if weights is not None:
        state = read_state(weights)
        with fitting(weights, name):
            return build(name, image_size, state)
    try:
        return build(name, image_size, None)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{name} can't be built: {one_line(error)}") from error


def width(network: nn.Module, name: str, image_size: int) -> int:
    """D of a `backbone`, by trying it on one image. Raises ModelError if images of that size do not fit it."""
    network.eval()
    try:
        with torch.no_grad():
            vectors: Tensor = network(torch.zeros(1, 3, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ModelError(f"{name} takes no images of {image_size} px: {one_line(error)}") from error
    network.train()
    return vectors.shape[-1]


def _of_torchvision(name: str, image_size: int, state: dict[str, Tensor] | None) -> nn.Module:
    is_vit = name.startswith("vit_")
    patch = int(name.removeprefix("vit_b_")) if is_vit else 1
    if image_size % patch:
        raise ModelError(f"{name} cuts {patch} px patches, and {image_size} px is no multiple.")
    network: nn.Module = torchvision.models.get_model(name, **{"image_size": image_size} if is_vit else {})
    network.set_submodule(_LAST_LAYER[name], nn.Identity())
    if state is not None:
        state = without(state, _LAST_LAYER[name])
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
        state = without(state, *((last,) if isinstance(last, str) else last))
        # timm itself adapts what it is given to the network, and is strict if both have as many classes: none.
        given = {"state_dict": state, "num_classes": 0, "label_offset": 0, "custom_load": False}
        arguments |= {"pretrained": True, "pretrained_cfg_overlay": given}
    network: nn.Module = timm.create_model(name, **arguments)
    return network
