"""CLSFER: an IR-50 face backbone, its feature map as tokens, and a transformer encoder with a class token.

The backbone is the `iresnet50` of insightface (https://github.com/deepinsight/insightface), named as there. A
block of the encoder is timm's ViT block, or class attention as in CaiT (Touvron et al., "Going deeper with Image
Transformers", https://arxiv.org/abs/2103.17239), or class attention as CLSFER published it: see `ClassBlock`.
"""

from collections import OrderedDict
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from timm.layers.drop import DropPath, calculate_drop_path_rates
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from search.errors import ModelError, WeightsError
from search.pretrained import read_state

Feature = Literal["s4", "s3+unit", "s3-view", "s3-unshuffle", "s3-196"]
BlockKind = Literal["vit", "cls", "cls_published"]

_RECOGNITION_HEAD = ("bn2.", "fc.", "features.")  # what follows the backbone in insightface's files
_LISTED_KEYS = 5


def build(
    *,
    outputs: int,
    image_size: int,
    width: int = 64,
    depths: tuple[int, int, int, int] = (3, 4, 14, 3),
    stem_stride: Literal[1, 2] = 1,
    feature: Feature = "s4",
    block: BlockKind = "cls",
    depth: int = 8,
    heads: int = 8,
    mlp_ratio: float = 4.0,
    qkv_bias: bool = False,
    qk_norm: bool = False,
    attn_drop: float = 0.0,
    drop_path: float = 0.0,
    weights: str | None = None,
) -> nn.Module:
    """A network from float images (B, 3, image_size, image_size) to logits (B, outputs).

    The defaults are IR-50 as insightface trains it, for 112 px; CLSFER was published for 224 px, `stem_stride` 2.

    width: channels of the backbone's first stage; its four stages have width x (1, 2, 4, 8).
    depths: residual units of each stage. Each stage halves the side of the map, rounding up.
    feature: the map that becomes tokens. The sizes named are those of 112 px and width 64.
        s4: stage 4, 49 tokens of 512.
        s3+unit: stage 4 cut down to its first unit, 49 tokens of 512.
        s3-view: stage 3 reshaped to 49 tokens of 1024, as CLSFER tried it. No patches: a token holds about five
            channels of the whole map.
        s3-unshuffle: stage 3, each 2x2 positions joined to one of 49 tokens, projected from 1024 to 512.
        s3-196: stage 3, 196 tokens, projected from 256 to 512.
    depth: blocks of the encoder. heads: attention heads of each, a divisor of the tokens' width.
    mlp_ratio: hidden width of a block's MLP, in token widths.
    qkv_bias: biases on queries, keys and values. qk_norm: LayerNorm on each head's queries and keys.
    attn_drop: dropout on attention weights, in [0, 1).
    drop_path: stochastic depth of the last block, in [0, 1), growing linearly from 0 at the first.
    weights: file of a pretrained insightface `iresnet50` for the backbone.

    Raises ModelError if arguments do not fit together, WeightsError if the file does not fit the backbone.
    """
    counts = {"outputs": outputs, "image_size": image_size, "width": width, "depth": depth, "heads": heads}
    for name, count in (counts | {"depths": min(depths)}).items():
        _require(count >= 1, f"{name} starts at 1, and {count} is given")
    for name, share in {"attn_drop": attn_drop, "drop_path": drop_path}.items():
        _require(0 <= share < 1, f"{name} lies in [0, 1), and {share} is given")
    stages = {"s4": depths, "s3+unit": (*depths[:3], 1)}.get(feature, depths[:3])
    side = -(-image_size // (stem_stride * 2 ** len(stages)))
    tokens = Tokens(feature, width, side)
    _require(tokens.dim % heads == 0, f"heads={heads} does not divide the tokens' width, {tokens.dim}")
    _require(int(tokens.dim * mlp_ratio) >= 1, f"mlp_ratio={mlp_ratio} leaves the MLP no hidden unit")
    kinds: dict[BlockKind, Any] = {
        "vit": partial(Block, norm_layer=nn.LayerNorm),
        "cls": partial(ClassBlock, published=False),
        "cls_published": partial(ClassBlock, published=True),
    }
    attention = {"qkv_bias": qkv_bias, "qk_norm": qk_norm, "attn_drop": attn_drop}
    rates = calculate_drop_path_rates(drop_path, depth)
    blocks = [kinds[block](tokens.dim, heads, mlp_ratio, drop_path=rate, **attention) for rate in rates]
    backbone = _iresnet(width, stages, stem_stride)
    if weights is not None:
        spare = _RECOGNITION_HEAD if feature == "s4" else (*_RECOGNITION_HEAD, "layer4.")
        _load(backbone, weights, spare)
    return Clsfer(backbone, tokens, blocks, outputs)


def _require(fits: bool, otherwise: str) -> None:
    if not fits:
        raise ModelError(f"model clsfer: {otherwise}.")


class Clsfer(nn.Module):
    """Backbone, tokens after a class token, blocks, LayerNorm, and a linear head on the class token.

    The class token and the positions start from a truncated normal of deviation 0.02. CLSFER started them at zero,
    where LayerNorm is steepest: they then hold most of the gradient's norm, and clipping starves all else.
    """

    def __init__(self, backbone: nn.Module, tokens: "Tokens", blocks: list[nn.Module], outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.tokens = tokens
        self.cls_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, tokens.dim), std=0.02))
        self.pos_embed = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(1, 1 + tokens.count, tokens.dim), std=0.02)
        )
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(tokens.dim)
        self.head = nn.Linear(tokens.dim, outputs)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that are tokens, as timm's models tell them."""
        return {"cls_token", "pos_embed"}

    def parts(self) -> dict[str, nn.Module]:
        """What may learn at a pace of its own."""
        return {"backbone": self.backbone}

    def forward(self, images: Tensor) -> Tensor:
        patches = self.tokens(self.backbone(images))
        x = torch.cat((self.cls_token.expand(len(patches), -1, -1), patches), dim=1)
        x = self.norm(self.blocks(x + self.pos_embed))
        logits: Tensor = self.head(x[:, 0])
        return logits


class Tokens(nn.Module):
    """A map (B, C, side, side) of stage 3 or 4 as tokens (B, count, dim)."""

    def __init__(self, feature: Feature, width: int, side: int) -> None:
        super().__init__()
        joins = feature in ("s3-view", "s3-unshuffle")
        _require(
            side % 2 == 0 or not joins, f"{feature} needs a stage-3 map of even side, and this one has {side}"
        )
        self.feature = feature
        self.count = side * side // 4 if joins else side * side
        self.dim = 16 * width if feature == "s3-view" else 8 * width
        self.projection: nn.Module = nn.Identity()
        if feature in ("s3-unshuffle", "s3-196"):
            self.projection = nn.Linear(16 * width if joins else 4 * width, self.dim)

    def forward(self, maps: Tensor) -> Tensor:
        if self.feature == "s3-view":
            return maps.reshape(-1, self.count, self.dim)
        if self.feature == "s3-unshuffle":
            maps = F.pixel_unshuffle(maps, 2)
        tokens: Tensor = self.projection(maps.flatten(2).transpose(1, 2))
        return tokens


class ClassBlock(nn.Module):
    """A pre-norm block in which only the class token attends and goes through the MLP.

    (B, N, dim) to (B, N, dim): the patches pass through unchanged, so that every block can read them.

    As published, (B, N, dim) to (B, 1, dim): the patches are dropped, so that blocks after the first attend to
    the class token alone, and their queries and keys get no gradient. And the logits are multiplied by
    sqrt(head width) instead of divided by it, so that each head starts out copying about one token.
    """

    def __init__(
        self, dim: int, num_heads: int, mlp_ratio: float, *, published: bool, drop_path: float, **attention: Any
    ) -> None:
        super().__init__()
        self.published = published
        self.norm1 = nn.LayerNorm(dim)
        self.attn = ClassAttention(dim, num_heads, inverted_scale=published, **attention)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        cls = x[:, :1] + self.drop_path(self.attn(self.norm1(x)))
        cls = cls + self.drop_path(self.mlp(self.norm2(cls)))
        return cls if self.published else torch.cat((cls, x[:, 1:]), dim=1)


class ClassAttention(nn.Module):
    """Multi-head attention of token 0 to all tokens, (B, N, dim) to (B, 1, dim)."""

    def __init__(
        self, dim: int, num_heads: int, *, qkv_bias: bool, qk_norm: bool, attn_drop: float, inverted_scale: bool
    ) -> None:
        super().__init__()
        head_dim = dim // num_heads
        self.num_heads = num_heads
        self.scale = head_dim ** (0.5 if inverted_scale else -0.5)
        self.attn_drop = attn_drop
        self.q = nn.Linear(dim, dim, bias=qkv_bias)
        self.k = nn.Linear(dim, dim, bias=qkv_bias)
        self.v = nn.Linear(dim, dim, bias=qkv_bias)
        self.q_norm = nn.LayerNorm(head_dim) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(head_dim) if qk_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q_norm(self._split(self.q(x[:, :1])))
        k = self.k_norm(self._split(self.k(x)))
        v = self._split(self.v(x))
        dropout = self.attn_drop if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=self.scale)
        attended: Tensor = self.proj(x.transpose(1, 2).flatten(2))
        return attended

    def _split(self, x: Tensor) -> Tensor:
        """(B, N, dim) to (B, heads, N, dim / heads)."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


class ResidualUnit(nn.Module):
    """BN, 3x3 convolution, BN, PReLU, strided 3x3 convolution, BN, plus the shortcut; nothing after the sum."""

    def __init__(self, channels: int, out_channels: int, stride: Literal[1, 2]) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.prelu = nn.PReLU(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride == 2:
            shortcut = nn.Conv2d(channels, out_channels, 1, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        # The stride is taken before the 1x1 convolution, which is the same: inside it, with fewer than 16 channels
        # in channels_last, oneDNN's backward writes out of bounds (github.com/uxlfoundation/oneDNN/issues/6035).
        shortcut = x if self.downsample is None else self.downsample(x[:, :, ::2, ::2])
        x = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        total: Tensor = self.bn3(self.conv2(x)) + shortcut
        return total


def _iresnet(width: int, stages: tuple[int, ...], stem_stride: int) -> nn.Sequential:
    """Stem and stages of insightface's iresnet, a stage for each number of units: images to (B, C, side, side)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, width, 3, stem_stride, padding=1, bias=False),
        bn1=nn.BatchNorm2d(width),
        prelu=nn.PReLU(width),
    )
    channels = width
    for stage, units in enumerate(stages):
        out = width * 2**stage
        first = ResidualUnit(channels, out, stride=2)
        layers[f"layer{stage + 1}"] = nn.Sequential(first, *(ResidualUnit(out, out, 1) for _ in range(units - 1)))
        channels = out
    return nn.Sequential(layers)


def _load(backbone: nn.Module, path: str, spare: tuple[str, ...]) -> None:
    """Fill the backbone from a file of insightface's iresnet: a state dict, bare or under "state_dict".

    Keys that start with one of `spare` may be left over, and old files may lack num_batches_tracked. Any other
    difference raises WeightsError.
    """
    given, expected = read_state(path), backbone.state_dict()
    fitting = {key: given[key] for key in expected if key in given}
    differences = {
        "missing": [k for k in expected if k not in given and not k.endswith(".num_batches_tracked")],
        "unexpected": [k for k in given if k not in expected and not k.startswith(spare)],
        "of another shape": [
            f"{k} {tuple(tensor.shape)}, not {tuple(expected[k].shape)}"
            for k, tensor in fitting.items()
            if tensor.shape != expected[k].shape
        ],
    }
    if any(differences.values()):
        evolve = any(key.startswith(("input_layer.", "body.")) for key in given)
        found = "This looks like face.evoLVe's IR-50, another network; " if evolve else ""
        raise WeightsError(
            f"{path} does not fit the backbone: {'; '.join(map(_listed, differences, differences.values()))}. "
            f"{found}give insightface's iresnet50, and the width and depths it was trained with."
        )
    backbone.load_state_dict(fitting)


def _listed(kind: str, keys: list[str]) -> str:
    more = ", ..." if len(keys) > _LISTED_KEYS else ""
    return f"{len(keys)} {kind}" + (f" ({', '.join(keys[:_LISTED_KEYS])}{more})" if keys else "")
