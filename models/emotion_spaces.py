"""Emotion spaces: a shared projection of a network's features, and a head, with its inverse, for each label space.

The model is that of Kahsolt/EmotionSpaces. Images of several data sets, each labelled in a space of its own
(polar, valence and arousal, Ekman's six, Mikels' eight), meet in one narrow exchange space. An inverse head leads
from a space's logits back to it, so that what is said in one space can be told in another.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search.backbones import backbone, width
from search.errors import ModelError

Head = Literal["linear", "mlp"]


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
    trunk = backbone(network, image_size, weights)
    if network == "mobilenet_v2":
        trunk.set_submodule("classifier", nn.Identity())  # without the dropout before its last layer
    projection = nn.Linear(width(trunk, network, image_size), exchange)
    return EmotionSpaces(trunk, projection, columns, head, inverse_weight)


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
