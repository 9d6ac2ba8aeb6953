"""A ResNet pretrained without labels by SwAV, SimCLR or SimSiam, with a linear head or the published projection.

The classifier on SwAV's projection is that of trougnouf/TRAIL2021-challenge5: it sees a unit vector of 128, not
the network's 2048 features. SwAV: https://arxiv.org/abs/2006.09882; its weights are under CC BY-NC 4.0.
"""

from typing import Literal

import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from search.pretrained import fitting, read_state

Network = Literal["resnet18", "resnet34", "resnet50"]
Head = Literal["linear", "projection"]

_WRAPPERS = ("encoder.", "backbone.")  # what SimSiam's and SimCLR's files put before the network's keys
_LEFT_OVER = ("fc.", "projection_head.", "prototypes.", "projector.", "predictor.")
_PROJECTION = "projection_head."


def build(
    *, outputs: int, network: Network = "resnet50", head: Head = "linear", weights: str | None = None
) -> nn.Module:
    """A network from float images (B, 3, S, S) to logits (B, outputs).

    network: torchvision's; SwAV's is resnet50, the others are smaller.
    head: linear on the network's features; or projection, the published one: linear to 2048, batch norm, ReLU,
        linear to 128, division by the L2 norm, then linear to the outputs.
    weights: file of pretrained weights, bare or under "state_dict", with or without the prefix "module.":
        SwAV (swav_800ep_pretrain.pth.tar): torchvision's keys, projection_head.*, prototypes.*;
        SimSiam (facebookresearch/simsiam): encoder.*, with the projector under encoder.fc.*, and predictor.*;
        SimCLR: torchvision's keys, as tonylins/simclr-converter makes them of Google's; encoder.* and projector.*
        (Spijkervet/SimCLR); or backbone.* (sthalles/SimCLR).
        The network's weights must be there, all but its last layer's; the projection starts from SwAV's
        projection_head if there is one. Without a file all are random.

    Raises WeightsError if the file holds anything else, or not all of that.
    """
    backbone = torchvision.models.get_model(network)
    width: int = backbone.fc.in_features
    backbone.set_submodule("fc", nn.Identity())
    projection = Projection(width) if head == "projection" else None
    if weights is not None:
        _load(weights, network, backbone, projection)
    return Pretrained(backbone, projection, nn.Linear(128 if projection else width, outputs))


class Projection(nn.Sequential):
    """SwAV's projection head, with the layers' numbers in its files: (B, width) to unit vectors (B, 128)."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 2048), nn.BatchNorm1d(2048), nn.ReLU(), nn.Linear(2048, 128))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer(x)
        return F.normalize(x)


class Pretrained(nn.Module):
    """Backbone, projection if there is one, and a linear layer."""

    def __init__(self, backbone: nn.Module, projection: Projection | None, classifier: nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = projection
        self.classifier = classifier

    def parts(self) -> dict[str, nn.Module]:
        """What may have learning rates of their own."""
        parts = {"backbone": self.backbone}
        return parts if self.projection is None else parts | {"projection": self.projection}

    def forward(self, images: Tensor) -> Tensor:
        features = self.backbone(images)
        logits: Tensor = self.classifier(features if self.projection is None else self.projection(features))
        return logits


def _load(path: str, name: str, backbone: nn.Module, projection: Projection | None) -> None:
    given = {_unwrapped(key): tensor for key, tensor in read_state(path).items()}
    kept = {key: tensor for key, tensor in given.items() if not key.startswith(_LEFT_OVER)}
    projected = {k.removeprefix(_PROJECTION): v for k, v in given.items() if k.startswith(_PROJECTION)}
    with fitting(path, name):
        backbone.load_state_dict(kept)
        if projection is not None and projected:
            projection.load_state_dict(projected)


def _unwrapped(key: str) -> str:
    for wrapper in _WRAPPERS:
        key = key.removeprefix(wrapper)
    return key
