"""A plain convolutional network: the small baseline to compare with."""

from torch import nn

from search.errors import SearchError


def build(
    *, outputs: int, image_size: int, widths: tuple[int, ...] = (64, 128, 512), dropout: float = 0.0
) -> nn.Module:
    """For each width a 3x3 convolution, batch norm, ReLU and 2x2 max pooling; then one linear layer.

    widths: channels of each convolution; the default ones have 667,392 parameters with their norms.
    dropout: on the features before the linear layer, in [0, 1).

    Raises SearchError if the poolings leave no pixel.
    """
    side = image_size // 2 ** len(widths)
    blocks = _blocks(image_size, widths)
    channels = (3, *widths)[-1]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * side * side, outputs))


def features(*, image_size: int, widths: tuple[int, ...] = (16, 32), side: int = 4) -> nn.Module:
    """The same convolutions with random weights, and their map averaged to side x side.

    Float images (B, 3, image_size, image_size) to vectors (B, last width x side^2). Untrained and cheap: for
    trying a study out. Raises SearchError if the poolings leave no pixel.
    """
    return nn.Sequential(*_blocks(image_size, widths), nn.AdaptiveAvgPool2d(side), nn.Flatten())


def _blocks(image_size: int, widths: tuple[int, ...]) -> list[nn.Module]:
    if image_size < 2 ** len(widths):
        raise SearchError(
            f"models/small_cnn.py: {len(widths)} widths halve images of {image_size} px to nothing; "
            f"give at most {image_size.bit_length() - 1} widths."
        )
    layers: list[nn.Module] = []
    channels = 3
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return layers
