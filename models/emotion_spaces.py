"""Emotion spaces: a shared projection of a network's features, and a head, with its inverse, for each label space.

The model is that of Kahsolt/EmotionSpaces. Images of several data sets, each labelled in a space of its own
(polar, valence and arousal, Ekman's six, Mikels' eight), meet in one narrow exchange space. An inverse head leads
from a space's logits back to it, so that what is said in one space can be told in another.
"""

from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from search.errors import ModelError, WeightsError

Head = Literal["linear", "mlp"]

# torchvision's networks, each with the name of what follows its features
_CLASSIFIER = {
    "resnet18": "fc",
    "resnet34": "fc",
    "resnet50": "fc",
    "resnet101": "fc",
    "mobilenet_v2": "classifier",
    "vit_b_16": "heads",
    "vit_b_32": "heads",
}
_LONGEST_LINE = 200  # characters of each list of keys in a refusal


def build(
    *,
    columns: dict[str, int],
    image_size: int,
    network: str = "resnet50",
    weights: str | None = None,
    exchange: int = 32,
    head: Head = "linear",
    inverse_weight: float = 10.0,
) -> nn.Module:
    """A network from float images (B, 3, image_size, image_size) to logits (B, sum of the columns).

    In training it gives beside them the penalty, a scalar.

    columns: of each head's output, in order: a head for each space, or for each data set.
    network: resnet18, resnet34, resnet50, resnet101, mobilenet_v2, vit_b_16 or vit_b_32 of torchvision, or else
        the name of any model in timm.
    weights: file of its pretrained weights, a state dict saved by torch or in safetensors, with the names that the
        library gives them; its classifier is left out. Without a file they are random.
    exchange: width of the space that all heads share.
    head: linear, or mlp: linear, SiLU, linear, with 1.5 (exchange + columns) hidden units, rounded.
    inverse_weight: of the penalty, the mean over heads of the mean squared error between the exchange vector and
        what the inverse head makes of the logits. The original counts, of every batch, the head of its data set.

    Raises ModelError if there is no such network or images of that size do not fit it, WeightsError if the file
    does not fit the network.
    """
    if exchange < 1 or inverse_weight < 0:
        raise ModelError(
            "model emotion_spaces: exchange starts at 1 and inverse_weight at 0, "
            f"and {exchange} and {inverse_weight} are given."
        )
    backbone = _backbone(network, image_size, weights)
    projection = nn.Linear(_width(backbone, network, image_size), exchange)
    return EmotionSpaces(backbone, projection, columns, head, inverse_weight)


class EmotionSpaces(nn.Module):
    """Backbone, projection to the exchange space, and for each name a head out of it and an inverse head back."""

    def __init__(
        self,
        backbone: nn.Module,
        projection: nn.Linear,
        columns: dict[str, int],
        head: Head,
        inverse_weight: float,
    ) -> None:
        super().__init__()
        width = projection.out_features
        self.backbone = backbone
        self.projection = projection
        self.heads = nn.ModuleDict({name: _head(head, width, size) for name, size in columns.items()})
        self.inverse_heads = nn.ModuleDict({name: _head(head, size, width) for name, size in columns.items()})
        self.inverse_weight = inverse_weight

    def parts(self) -> dict[str, nn.Module]:
        """What may have learning rates of their own."""
        return {"backbone": self.backbone, "projection": self.projection}

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.projection(self.backbone(images))
        logits = [head(x) for head in self.heads.values()]
        outputs = torch.cat(logits, dim=1)
        if not self.training:
            return outputs
        inverses = zip(self.inverse_heads.values(), logits, strict=True)
        errors = torch.stack([F.mse_loss(inverse(z), x) for inverse, z in inverses])
        return outputs, self.inverse_weight * errors.mean()


def _head(kind: Head, inputs: int, outputs: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(inputs, outputs)
    hidden = round(1.5 * (inputs + outputs))
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def _backbone(network: str, image_size: int, weights: str | None) -> nn.Module:
    """Images (B, 3, image_size, image_size) to vectors (B, width)."""
    state = None if weights is None else _read(Path(weights))
    try:
        if network in _CLASSIFIER:
            return _of_torchvision(network, image_size, state)
        if timm.is_model(network):
            return _of_timm(network, image_size, state)
    except (RuntimeError, ValueError) as error:
        if state is None:
            raise ModelError(f"model emotion_spaces: {network} can't be built: {_one_line(error)}") from error
        raise WeightsError(f"{weights} does not fit {network}: {_one_line(error)}") from error
    raise ModelError(
        f"model emotion_spaces: no network {network!r}; give one of timm's, or of {', '.join(_CLASSIFIER)}."
    )


def _of_torchvision(name: str, image_size: int, state: dict[str, Tensor] | None) -> nn.Module:
    is_vit = name.startswith("vit_")
    patch = int(name.removeprefix("vit_b_")) if is_vit else 1
    if image_size % patch:
        raise ModelError(
            f"model emotion_spaces: {name} cuts {patch} px patches, and {image_size} px is no multiple."
        )
    network: nn.Module = torchvision.models.get_model(name, **{"image_size": image_size} if is_vit else {})
    network.set_submodule(_CLASSIFIER[name], nn.Identity())
    if state is not None:
        state = _without(state, _CLASSIFIER[name])
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
            f"model emotion_spaces: {name} takes no images of {image_size} px: {_one_line(error)}"
        ) from error
    network.train()
    return vectors.shape[-1]


def _without(state: dict[str, Tensor], *layers: str) -> dict[str, Tensor]:
    prefixes = tuple(f"{layer}." for layer in layers)
    kept = {key: value for key, value in state.items() if not key.startswith(prefixes)}
    if not kept:
        raise ValueError("it holds no weights but those of a classifier.")
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
