"""IR-50 as ABAW2's baseline used it: a frozen network that turns a small face into a unit vector.

Architecture and names are those of sucv/ABAW2 (https://arxiv.org/abs/2107.01175), after the `Backbone` of ArcFace
in PyTorch, with stride 1 in the first stage. It is not insightface's `iresnet50`, whose weights do not fit.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from search.errors import ModelError
from search.pretrained import fitting, read_state


def features(
    *,
    image_size: int,
    crop: int = 40,
    width: int = 64,
    depths: tuple[int, int, int, int] = (3, 4, 14, 3),
    weights: str | None = None,
) -> nn.Module:
    """A network from float images (B, 3, image_size, image_size) to unit vectors (B, 8 width).

    The defaults are the published ones: 512 of the middle 40 px of 48, normalized by mean 0.5 and deviation 0.5.

    crop: side of the middle part of an image that is looked at, in px.
    width: channels of the first stage; the four have width x (1, 2, 4, 8). depths: residual units of each.
    weights: file of a network trained on crops of that size, with the prefix "backbone." and beside "logits." or
        without either; bare or under "state_dict". Without a file they are random.

    Raises ModelError if the arguments do not fit together, WeightsError if the file does not fit the network.
    """
    if not 1 <= crop <= image_size:
        raise ModelError(f"model ir50: crop lies in [1, {image_size}], the images' size, and {crop} is given.")
    if min(width, *depths) < 1:
        raise ModelError(f"model ir50: width and depths start at 1, and {width} and {depths} are given.")
    network = Ir(crop, width, depths)
    if weights is not None:
        state = {key.removeprefix("backbone."): tensor for key, tensor in read_state(weights).items()}
        with fitting(weights, "ir50"):
            network.load_state_dict({k: tensor for k, tensor in state.items() if not k.startswith("logits.")})
    return network


class Ir(nn.Module):
    """Stem, residual units, and a linear layer on the whole map, with the names of the original."""

    def __init__(self, crop: int, width: int, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.crop = crop
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        units, channels, side = [], width, crop
        for stage, depth in enumerate(depths):
            stride, out = (1 if stage == 0 else 2), width * 2**stage
            units += [Unit(channels, out, stride), *(Unit(out, out, 1) for _ in range(depth - 1))]
            channels, side = out, -(-side // stride)
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(channels * side * side, channels),
            nn.BatchNorm1d(channels),
        )

    def forward(self, images: Tensor) -> Tensor:
        first = (images.shape[-1] - self.crop) // 2
        middle = slice(first, first + self.crop)
        x = self.body(self.input_layer(images[..., middle, middle]))
        return F.normalize(self.output_layer(x))


class Unit(nn.Module):
    """BN, 3x3 convolution, PReLU, strided 3x3 convolution, BN, plus the shortcut; nothing after the sum."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.Identity()
        if channels != out_channels:
            shortcut = nn.Conv2d(channels, out_channels, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return total
