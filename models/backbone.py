"""A network of torchvision or timm whose last layer is replaced: the single-task baseline, and frozen features."""

from torch import Tensor, nn

from search.backbones import backbone, width


def build(*, outputs: int, image_size: int, network: str = "resnet18", weights: str | None = None) -> nn.Module:
    """A network from float images (B, 3, image_size, image_size) to logits (B, outputs).

    network: resnet18, resnet34, resnet50, resnet101, mobilenet_v2, vit_b_16 or vit_b_32 of torchvision, or else
        the name of any model in timm.
    weights: file of its pretrained weights, a state dict saved by torch or in safetensors, with the names that the
        library gives them; its last layer is left out. Without a file they are random.

    Raises ModelError if there is no such network or images of that size do not fit it, WeightsError if the file
    does not fit the network.
    """
    trunk = backbone(network, image_size, weights)
    return Classifier(trunk, width(trunk, network, image_size), outputs)


def features(*, image_size: int, network: str = "resnet50", weights: str | None = None) -> nn.Module:
    """The same network without its last layer: images (B, 3, image_size, image_size) to vectors (B, D).

    D is 2048 of resnet50 and resnet101, 512 of resnet18 and resnet34, 1280 of mobilenet_v2, and 768 of the ViTs.
    """
    return backbone(network, image_size, weights)


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
