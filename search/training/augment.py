"""Random image changes as batched tensor arithmetic: every image draws its own parameters.

All draws come from torch's global CPU generator, which the caller seeds at every step; so a step's images depend
on that seed alone, wherever they are computed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

# Mean and standard deviation of each channel, for pixels in [0, 1].
NORMALIZATIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclass(frozen=True)
class Strength:
    """How far images change. Parameters are uniform within their range; every strength flips half of the images.

    rotation: degrees, either way.
    zoom: the scale lies in 1 ± zoom.
    shift: share of the side, either way, on each axis.
    light: contrast lies in 1 ± light, brightness in ± light / 2 of the full range.
    erased: share of the images that lose one rectangle, of `erased_area` of the image and an aspect ratio between
        0.3 and 3.3 (Zhong et al., "Random Erasing Data Augmentation", https://arxiv.org/abs/1708.04896).
    """

    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    light: float = 0.0
    erased: float = 0.0
    erased_area: tuple[float, float] = (0.02, 0.1)


STRENGTHS: dict[str, Strength] = {
    "light": Strength(shift=1 / 12),
    "erase": Strength(erased=0.5),
    "standard": Strength(rotation=15.0, zoom=0.1, shift=0.05, light=0.2, erased=0.5),
    "strong": Strength(rotation=25.0, zoom=0.2, shift=0.1, light=0.4, erased=0.75, erased_area=(0.02, 0.33)),
}


def normalize(images: Tensor, normalization: str) -> Tensor:
    """uint8 (B, 3, S, S) as float32, moved and scaled as NORMALIZATIONS says."""
    mean, deviation = _mean_and_deviation(normalization, images.device)
    return torch.addcmul(-mean / deviation, images.float(), 1 / (255 * deviation))


def augment(images: Tensor, augmentation: str, normalization: str) -> Tensor:
    """uint8 (B, 3, S, S) changed at random and normalized: float32 (B, 3, S, S).

    augmentation: "none" or a key of STRENGTHS.
    Erased rectangles are 0 after normalization.
    """
    if augmentation == "none":
        return normalize(images, normalization)
    strength = STRENGTHS[augmentation]
    count, _, side, _ = images.shape
    placement, light, rectangles = _draw(count, strength)
    grid = _affine_grid(placement.to(images.device), side)
    plain = images.to(torch.float32, memory_format=torch.contiguous_format)
    moved = F.grid_sample(plain, grid, padding_mode="reflection", align_corners=False)
    _relight(moved, light.to(images.device), normalization)
    return moved.mul_(_kept(rectangles.to(images.device), side))


def mixing(mixup_alpha: float, cutmix_alpha: float) -> Mix:
    """A function of float images (B, 3, S, S) and label distributions (B, K) that mixes neighbours of the batch.

    Each batch draws one of the two; an alpha of 0 leaves that one out, and two zeros leave batches as they are.
    """
    choices: list[Mix] = []
    if mixup_alpha:
        choices.append(v2.MixUp(alpha=mixup_alpha))
    if cutmix_alpha:
        choices.append(v2.CutMix(alpha=cutmix_alpha))
    return v2.RandomChoice(choices) if choices else lambda images, labels: (images, labels)


def _draw(count: int, strength: Strength) -> tuple[Tensor, Tensor, Tensor]:
    """Per image: the placement (N, 2, 3), contrast and brightness (N, 2), and the erased rectangle (N, 4)."""
    flip, angle, zoom, right, down, contrast, brightness = (2 * torch.rand(7, count) - 1).unbind()
    angle = angle * math.radians(strength.rotation)
    scale = 1 / (1 + zoom * strength.zoom)
    sine, cosine = scale * angle.sin(), scale * angle.cos()
    mirror = torch.where(flip < 0, -1.0, 1.0)
    # Maps output to input coordinates, both in [-1, 1]: an extent of 2 for one side.
    horizontal = torch.stack((mirror * cosine, -sine, 2 * strength.shift * right), dim=1)
    vertical = torch.stack((mirror * sine, cosine, 2 * strength.shift * down), dim=1)
    placement = torch.stack((horizontal, vertical), dim=1)
    light = torch.stack((1 + strength.light * contrast, strength.light / 2 * brightness), dim=1)
    return placement, light, _rectangles(count, strength)


def _rectangles(count: int, strength: Strength) -> Tensor:
    """(N, 4): left, top, right, bottom of the erased part in shares of the side; empty where nothing is erased."""
    chance, area, aspect, left, top = torch.rand(5, count).unbind()
    low, high = strength.erased_area
    area = (low + (high - low) * area) * (chance < strength.erased)
    aspect = torch.exp(math.log(0.3) + aspect * (math.log(3.3) - math.log(0.3)))
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    left, top = left * (1 - width), top * (1 - height)
    return torch.stack((left, top, left + width, top + height), dim=1)


def _centres(side: int, device: torch.device) -> Tensor:
    """Centres of a row of pixels, in shares of the side: (S,)."""
    return (torch.arange(side, device=device) + 0.5) / side


def _affine_grid(placement: Tensor, side: int) -> Tensor:
    """What F.affine_grid returns, (N, S, S, 2), at a quarter of its time on a CPU."""
    centres = 2 * _centres(side, placement.device) - 1
    across, down, moved = placement[:, None, None].unbind(-1)  # each (N, 1, 1, 2)
    return (down * centres.view(1, side, 1, 1) + moved) + across * centres.view(1, 1, side, 1)


def _relight(images: Tensor, light: Tensor, normalization: str) -> None:
    """In place: new contrast and brightness for images in [0, 255], within the range of a picture, normalized."""
    mean, deviation = _mean_and_deviation(normalization, images.device)
    contrast, brightness = light[:, :, None, None, None].unbind(1)
    grey = images.mean(dim=(1, 2, 3), keepdim=True) / 255  # contrast turns about each image's own mean
    offset = (grey * (1 - contrast) + brightness - mean) / deviation
    torch.addcmul(offset, images, contrast / (255 * deviation), out=images)
    images.clamp_(-mean / deviation, (1 - mean) / deviation)


def _kept(rectangles: Tensor, side: int) -> Tensor:
    """1 outside the rectangles and 0 within: (N, 1, S, S)."""
    centres = _centres(side, rectangles.device)
    left, top, right, bottom = rectangles[:, :, None].unbind(1)  # each (N, 1)
    columns = (centres >= left) & (centres < right)
    rows = (centres >= top) & (centres < bottom)
    return 1 - (rows[:, None, :, None] & columns[:, None, None, :]).float()


def _mean_and_deviation(normalization: str, device: torch.device) -> tuple[Tensor, Tensor]:
    mean, deviation = torch.tensor(NORMALIZATIONS[normalization], device=device)[:, :, None, None].unbind()
    return mean, deviation  # each (3, 1, 1)
