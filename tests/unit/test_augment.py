import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2

from search.training.augment import (
    NORMALIZATIONS,
    STRENGTHS,
    Strength,
    _affine_grid,
    _draw,
    _kept,
    _rectangles,
    augment,
    mixing,
    normalize,
)


@pytest.fixture
def images() -> Tensor:
    """uint8 (16, 3, 12, 12), channels last in memory as batches are."""
    pixels = torch.randint(0, 256, (16, 12, 12, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return pixels.permute(0, 3, 1, 2)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_normalize_is_what_torchvision_does(images: Tensor, normalization: str) -> None:
    mean, deviation = NORMALIZATIONS[normalization]
    expected = v2.Normalize(list(mean), list(deviation))(images.float() / 255)
    torch.testing.assert_close(normalize(images, normalization), expected)


def test_half_spans_minus_one_to_one() -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    torch.testing.assert_close(normalize(ends, "half")[:, 0, 0, 0], torch.tensor([-1.0, 1.0]))


def test_none_only_normalizes(images: Tensor) -> None:
    assert torch.equal(augment(images, "none", "half"), normalize(images, "half"))


@pytest.mark.parametrize("strength", STRENGTHS)
def test_images_depend_on_the_seed_alone(images: Tensor, strength: str) -> None:
    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return augment(images, strength, "imagenet")

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))


@pytest.mark.parametrize("strength", STRENGTHS)
def test_every_image_draws_its_own_change(strength: str) -> None:
    same = torch.randint(0, 256, (1, 3, 24, 24), dtype=torch.uint8).expand(8, 3, 24, 24)
    changed = augment(same, strength, "none")
    assert all(not torch.equal(changed[0], other) for other in changed[1:])


@pytest.mark.parametrize("strength", STRENGTHS)
def test_changed_images_stay_within_the_range_of_pictures(images: Tensor, strength: str) -> None:
    changed = augment(images, strength, "half")
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert -1 <= changed.min() < changed.max() <= 1


def test_stronger_changes_differ_more_from_the_image() -> None:
    ramp = torch.linspace(0, 255, 32).to(torch.uint8)
    pictures = (ramp[:, None] // 2 + ramp[None] // 2).expand(64, 3, 32, 32)
    torch.manual_seed(0)
    plain = normalize(pictures, "half")
    strengths = ("light", "standard", "strong")
    changes = [(augment(pictures, name, "half") - plain).std().item() for name in strengths]
    assert changes == sorted(changes)


def test_erase_flips_and_erases_and_leaves_the_rest() -> None:
    torch.manual_seed(0)
    pictures = torch.randint(1, 256, (400, 3, 24, 24), dtype=torch.uint8)
    plain, changed = normalize(pictures, "none"), augment(pictures, "erase", "none")
    erased = changed == 0
    same, mirrored = (
        ((changed - other).abs() < 1e-5).logical_or(erased).flatten(1).all(1) for other in (plain, plain.flip(-1))
    )
    assert (same | mirrored).all()
    shares = erased.all(1).flatten(1).float().mean(1)
    assert 0.4 < mirrored.float().mean() < 0.6
    assert 0.4 < (shares > 0).float().mean() < 0.6
    assert 0.01 < shares[shares > 0].min() < shares.max() < 0.13


def test_a_placement_without_change_returns_the_image(images: Tensor) -> None:
    grid = _affine_grid(torch.eye(2, 3).expand(16, 2, 3), 12)
    moved = F.grid_sample(images.float(), grid, align_corners=False)
    torch.testing.assert_close(moved, images.float(), atol=1e-3, rtol=0)


def test_a_flip_alone_mirrors_the_image(images: Tensor) -> None:
    torch.manual_seed(0)
    placement, light, rectangles = _draw(16, Strength())
    moved = F.grid_sample(images.float(), _affine_grid(placement, 12), align_corners=False)
    flipped = placement[:, 0, 0] < 0
    assert 0 < flipped.sum() < 16
    torch.testing.assert_close(moved[flipped], images.float()[flipped].flip(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(moved[~flipped], images.float()[~flipped], atol=1e-3, rtol=0)
    assert torch.equal(light, torch.tensor([[1.0, 0.0]]).expand(16, 2))
    assert (_kept(rectangles, 12) == 1).all()


def test_affine_grid_is_the_one_of_torch() -> None:
    placement = torch.randn(5, 2, 3)
    expected = F.affine_grid(placement, [5, 3, 9, 9], align_corners=False)
    torch.testing.assert_close(_affine_grid(placement, 9), expected)


def test_placements_keep_to_their_ranges() -> None:
    strength = STRENGTHS["strong"]
    placement, light, _ = _draw(4000, strength)
    scale = 1 / placement[:, :, :2].det().abs().sqrt()
    angle = torch.atan2(-placement[:, 0, 1], placement[:, 1, 1]).rad2deg()
    for values, centre, reach in (
        (scale, 1, strength.zoom),
        (angle, 0, strength.rotation),
        (placement[:, 0, 2] / 2, 0, strength.shift),
        (placement[:, 1, 2] / 2, 0, strength.shift),
        (light[:, 0], 1, strength.light),
        (light[:, 1], 0, strength.light / 2),
    ):
        assert (values - centre).abs().max() == pytest.approx(reach, rel=0.02)
    assert (placement[:, 0, 0] < 0).float().mean() == pytest.approx(0.5, abs=0.04)


def test_rectangles_have_their_share_and_area() -> None:
    strength = STRENGTHS["standard"]
    left, top, right, bottom = _rectangles(4000, strength).unbind(1)
    area, aspect = (right - left) * (bottom - top), (right - left) / (bottom - top)
    erased = area > 0
    assert erased.float().mean() == pytest.approx(strength.erased, abs=0.04)
    low, high = strength.erased_area
    assert low - 1e-6 <= area[erased].min() < area[erased].max() <= high + 1e-6
    assert 0.3 - 1e-3 <= aspect[erased].min() < aspect[erased].max() <= 3.3 + 1e-3
    assert min(left.min(), top.min()) >= 0
    assert max(right.max(), bottom.max()) <= 1 + 1e-6


def test_kept_is_zero_within_the_rectangle() -> None:
    mask = _kept(torch.tensor([[0.25, 0.5, 0.75, 1.0]]), 8)[0, 0]  # left, top, right, bottom
    expected = torch.ones(8, 8)
    expected[4:8, 2:6] = 0
    assert torch.equal(mask, expected)


def test_no_alpha_leaves_the_batch_as_it_is(images: Tensor) -> None:
    targets = torch.eye(4)[torch.arange(16) % 4]
    mixed, labels = mixing(0.0, 0.0)(images, targets)
    assert mixed is images
    assert labels is targets


@pytest.mark.parametrize("alphas", [(0.4, 0.0), (0.0, 0.4), (0.4, 0.4)])
def test_mixed_targets_are_distributions_that_follow_the_images(alphas: tuple[float, float]) -> None:
    count = 8
    images = torch.eye(count).view(count, count, 1, 1).expand(count, count, 16, 16).contiguous()
    targets = torch.eye(count)  # image i is 1 in channel i, so its mean over pixels is its target
    mix = mixing(*alphas)
    for seed in range(10):
        torch.manual_seed(seed)
        mixed, labels = mix(images, targets)
        torch.testing.assert_close(labels.sum(dim=1), torch.ones(count))
        torch.testing.assert_close(mixed.mean(dim=(2, 3)), labels)


def test_with_both_on_each_batch_draws_one() -> None:
    images = torch.eye(2).view(2, 2, 1, 1).expand(2, 2, 16, 16).contiguous()
    mix = mixing(1.0, 1.0)
    kinds = set()
    for seed in range(20):
        torch.manual_seed(seed)
        values = mix(images, torch.eye(2))[0].unique().tolist()
        kinds.add("cutmix" if set(values) <= {0.0, 1.0} else "mixup")
    assert kinds == {"cutmix", "mixup"}


def test_mixing_keeps_the_memory_layout() -> None:
    images = torch.rand(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    mixed, _ = mixing(0.5, 0.0)(images, torch.eye(4))
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert math.isfinite(mixed.sum())
