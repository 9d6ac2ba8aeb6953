"""The model against the figures CLSFER was published with, timm's class attention, and insightface's key names."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from timm.layers.norm import LayerNorm as TimmLayerNorm
from timm.models.cait import ClassAttn
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from search import catalog
from search.errors import ModelError, WeightsError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # thop asks distutils for a version
    from thop import profile

build = catalog.model("clsfer")


pytestmark = pytest.mark.usefixtures("one_thread")


SMALL: dict[str, Any] = {"outputs": 7, "image_size": 48, "width": 8, "depths": (1, 1, 2, 1), "depth": 3}
BLOCKS = ["vit", "cls", "cls_published"]
FEATURES = ["s4", "s3+unit", "s3-view", "s3-unshuffle", "s3-196"]


def published(**arguments: Any) -> nn.Module:
    """A full-size network, without memory: shapes alone are counted."""
    with torch.device("meta"):
        model: nn.Module = build(outputs=7, **{"image_size": 224, "stem_stride": 2} | arguments)
    return model


def thop_counts(model: nn.Module, image_size: int = 224) -> tuple[int, int]:
    """Operations and parameters as thop tells them: no attention products, no class token, no positions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This API is being deprecated")
        operations, parameters = profile(model, (image(image_size),), verbose=False)
    return round(operations), round(parameters)


def image(size: int) -> Tensor:
    return torch.empty(1, 3, size, size, device="meta")


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("block", "operations"), [("vit", 7_593_952_768), ("cls", 6_565_545_472), ("cls_published", 6_384_911_872)]
)
def test_published_size(block: str, operations: int) -> None:
    model = published(block=block)
    assert thop_counts(model) == (operations, 55_954_631)
    assert parameters(model) == 55_980_743


def test_published_baseline_had_a_final_norm_thop_does_not_count() -> None:
    model = published(block="vit")
    model.norm = TimmLayerNorm(512, device="meta")
    assert thop_counts(model) == (7_593_850_368, 55_953_607)
    assert 55_954_631 - 55_953_607 == 2 * 512


@pytest.mark.parametrize(("block", "billions"), [("vit", 7.575), ("cls_published", 6.347)])
def test_multiplications_with_those_of_attention(block: str, billions: float) -> None:
    with FlopCounterMode(display=False) as counter:
        published(block=block)(image(224))
    assert round(counter.get_total_flops() / 2e9, 3) == billions


@pytest.mark.parametrize(
    ("arguments", "giga", "mega"),
    [
        ({"block": "vit", "depth": 2}, 6.649, 37.050),
        ({"block": "vit", "depth": 4}, 6.964, 43.351),
        ({"block": "vit", "depth": 6}, 7.279, 49.653),
        ({"block": "cls_published", "depth": 2}, 6.366, 37.050),
        ({"block": "cls_published", "depth": 4}, 6.372, 43.351),
        ({"block": "cls_published", "depth": 6}, 6.379, 49.653),
        ({"block": "vit", "feature": "s3+unit", "qk_norm": True}, 7.133, 46.512),
        ({"block": "vit", "feature": "s3+unit"}, 7.131, 46.510),
        ({"block": "cls", "feature": "s3+unit"}, 6.102, 46.510),
        ({"block": "cls_published", "feature": "s3+unit"}, 5.922, 46.510),
        ({"block": "vit", "feature": "s3-view"}, 10.553, 118.379),
        ({"block": "cls_published", "feature": "s3-view"}, 5.720, 118.379),
        ({"block": "vit", "feature": "s3-unshuffle"}, 6.802, 43.361),
        ({"block": "cls", "feature": "s3-unshuffle"}, 5.774, 43.361),
        ({"block": "cls_published", "feature": "s3-unshuffle"}, 5.593, 43.361),
        ({"block": "vit", "feature": "s3-196"}, 10.507, 42.968),
        ({"block": "cls", "feature": "s3-196"}, 6.393, 42.968),
        ({"block": "cls_published", "feature": "s3-196"}, 5.671, 42.968),
        ({"block": "vit", "qkv_bias": True}, 7.594, 55.967),
    ],
    ids=str,
)
def test_variants(arguments: dict[str, Any], giga: float, mega: float) -> None:
    operations, counted = thop_counts(published(**arguments))
    assert (round(operations / 1e9, 3), round(counted / 1e6, 3)) == (giga, mega)


def test_insightface_stem_at_112_costs_what_a_strided_stem_costs_at_224() -> None:
    assert thop_counts(published(image_size=112, stem_stride=1), 112) == thop_counts(published())


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("feature", FEATURES)
def test_logits_of_a_small_network(block: str, feature: str) -> None:
    model = build(**SMALL, block=block, feature=feature, qk_norm=True, qkv_bias=True, drop_path=0.2, attn_drop=0.2)
    logits = model(torch.rand(4, 3, 48, 48))
    assert logits.shape == (4, 7)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("size", [16, 33, 50])
def test_maps_of_any_size(size: int) -> None:
    assert build(**SMALL | {"image_size": size})(torch.rand(2, 3, size, size)).shape == (2, 7)


def test_block_shapes() -> None:
    x = torch.randn(2, 10, 64)
    blocks = {kind: build(**SMALL, block=kind).blocks[0] for kind in BLOCKS}
    assert blocks["vit"](x).shape == blocks["cls"](x).shape == (2, 10, 64)
    assert blocks["cls_published"](x).shape == (2, 1, 64)
    assert torch.equal(blocks["cls"](x)[:, 1:], x[:, 1:])


@pytest.mark.parametrize(
    ("block", "attending"), [("cls", [True, True, True]), ("cls_published", [True, False, False])]
)
def test_gradient_of_queries_and_keys(block: str, attending: list[bool]) -> None:
    torch.manual_seed(0)
    model = build(**SMALL, block=block)
    F.cross_entropy(model(torch.rand(8, 3, 48, 48)), torch.arange(8) % 7).backward()  # type: ignore[no-untyped-call]
    for name in ("q", "k"):
        norms = [getattr(layer.attn, name).weight.grad.norm().item() for layer in model.blocks]
        assert [norm > 0 for norm in norms] == attending


@pytest.mark.parametrize(("block", "nats"), [("cls", 3.86), ("cls_published", 0.18)])
def test_entropy_of_attention_at_the_start(block: str, nats: float) -> None:
    """Uniform attention over 50 tokens has log 50 = 3.91 nats."""
    torch.manual_seed(0)
    attention = build(outputs=7, image_size=16, depths=(1, 1, 1, 1), depth=1, block=block).blocks[0].attn
    one_hot = torch.eye(50, 64).repeat(1, 8)
    attention.v.register_forward_hook(lambda _module, _inputs, output: one_hot.expand(len(output), -1, -1))
    attention.proj.register_forward_hook(lambda _module, inputs, _output: inputs[0])
    with torch.no_grad():
        weights = attention(F.layer_norm(torch.randn(64, 50, 512), (512,))).reshape(64, 8, 64)[..., :50]
    assert torch.allclose(weights.sum(-1), torch.ones(64, 8))
    assert torch.special.entr(weights).sum(-1).mean().item() == pytest.approx(nats, abs=0.02)


def test_class_attention_is_that_of_cait() -> None:
    ours = build(**SMALL, qkv_bias=True).blocks[0].attn
    theirs = ClassAttn(64, num_heads=8, qkv_bias=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 10, 64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_stage_3_joined_by_position_or_by_channel() -> None:
    maps = torch.arange(36.0).reshape(1, 1, 6, 6) + torch.arange(32.0).reshape(1, 32, 1, 1) * 36
    by_position = build(**SMALL, feature="s3-unshuffle").tokens
    by_position.projection = nn.Identity()
    assert set((by_position(maps)[0, 0] % 36).tolist()) == {0, 1, 6, 7}
    by_channel = build(**SMALL, feature="s3-view").tokens
    assert torch.equal(by_channel(maps)[0, 0], torch.arange(128.0))
    assert torch.equal(by_channel(maps.contiguous(memory_format=torch.channels_last)), by_channel(maps))


def test_dropped_paths_grow_with_depth_and_only_in_training() -> None:
    model = build(**SMALL, drop_path=0.4, attn_drop=0.3)
    assert [layer.drop_path.drop_prob for layer in model.blocks] == pytest.approx([0.0, 0.2, 0.4])
    x = torch.randn(16, 10, 64)
    assert not torch.equal(model.blocks(x), model.blocks(x))
    model.eval()
    assert torch.equal(model.blocks(x), model.blocks(x))


def test_shortcut_is_a_strided_convolution_in_every_memory_format() -> None:
    """oneDNN's own overruns its memory here: in channels_last, with 8 channels."""
    unit = build(**SMALL).backbone.layer1[0]
    convolution, norm = unit.downsample
    images, slope = torch.rand(64, 8, 48, 48), torch.randn(64, 8, 24, 24)
    shortcut = norm(F.conv2d(images, convolution.weight, stride=2))
    (expected,) = torch.autograd.grad((shortcut * slope).sum(), convolution.weight)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        output = unit.to(memory_format=memory_format)(images.to(memory_format=memory_format))
        (found,) = torch.autograd.grad((output * slope).sum(), convolution.weight)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize("block", BLOCKS)
def test_learns_32_random_images_by_heart(block: str) -> None:
    torch.manual_seed(0)
    model = build(**SMALL, block=block).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    images = torch.rand(32, 3, 48, 48).to(memory_format=torch.channels_last)
    labels = torch.randint(7, (32,))
    for _ in range(25):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < math.log(7) / 10


def test_tokens_are_named_for_no_weight_decay() -> None:
    model = build(**SMALL)
    assert model.no_weight_decay() == {"cls_token", "pos_embed"} <= dict(model.named_parameters()).keys()


def test_the_defaults_can_stand_in_a_study_file() -> None:
    arguments = catalog.arguments(build, given=("outputs", "image_size"))
    assert parameters(published(image_size=112, **arguments().model_dump())) == 55_980_743


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 6}, "heads=6 does not divide the tokens' width, 64"),
        ({"feature": "s3-view", "image_size": 40}, "even side, and this one has 5"),
        ({"feature": "s3-unshuffle", "image_size": 8}, "even side, and this one has 1"),
        ({"mlp_ratio": 0.0}, "mlp_ratio=0.0"),
        ({"attn_drop": 1.0}, r"attn_drop lies in \[0, 1\), and 1.0"),
        ({"drop_path": -0.1}, "drop_path lies in"),
        ({"depth": 0}, "depth starts at 1, and 0"),
        ({"depths": (1, 1, 0, 1)}, "depths starts at 1"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(**SMALL | arguments)


def insightface(model: nn.Module) -> dict[str, Tensor]:
    """The state dict insightface would have saved with this backbone."""
    head = {"bn2.weight": torch.ones(64), "fc.weight": torch.ones(512, 64), "features.bias": torch.ones(512)}
    backbone: nn.Module = model.get_submodule("backbone")
    return backbone.state_dict() | head


def test_backbone_has_insightface_names() -> None:
    keys = published().get_submodule("backbone").state_dict().keys()
    units = [(stage, unit) for stage, units in enumerate((3, 4, 14, 3), start=1) for unit in range(units)]
    norms = {f"layer{stage}.{unit}.bn{i}" for stage, unit in units for i in (1, 2, 3)}
    norms |= {f"layer{stage}.0.downsample.1" for stage in (1, 2, 3, 4)} | {"bn1"}
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{norm}.{name}" for norm in norms for name in statistics} | {"conv1.weight", "prelu.weight"}
    expected |= {f"layer{s}.{u}.{name}.weight" for s, u in units for name in ("conv1", "prelu", "conv2")}
    expected |= {f"layer{stage}.0.downsample.0.weight" for stage in (1, 2, 3, 4)}
    assert keys == expected


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},
    ],
    ids=["bare", "state_dict", "module.", "without counters"],
)
@pytest.mark.parametrize("feature", FEATURES)
def test_weights_are_loaded(
    tmp_path: Path, wrapped: Callable[[dict[str, Tensor]], dict[str, Any]], feature: str
) -> None:
    trained = build(**SMALL)
    torch.save(wrapped(insightface(trained)), tmp_path / "iresnet.pth")
    loaded = build(**SMALL, feature=feature, weights=str(tmp_path / "iresnet.pth"))
    theirs = trained.backbone.state_dict()
    for key, tensor in loaded.backbone.state_dict().items():
        assert torch.equal(tensor, theirs[key]), key


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (
            lambda state: {k: v for k, v in state.items() if k != "conv1.weight"},
            r"1 missing \(conv1.weight\); 0 unexp",
        ),
        (lambda state: state | {"layer3.2.bn1.weight": torch.ones(1)}, r"1 unexpected \(layer3.2.bn1.weight\)"),
        (
            lambda state: state | {"prelu.weight": torch.ones(64)},
            r"1 of another shape \(prelu.weight \(64,\), not \(8,\)\)\. give insightface's",
        ),
        (
            lambda state: {"input_layer.0.weight": torch.ones(1), "body.0.res_layer.0.weight": torch.ones(1)},
            r"\d\d missing \(conv1.weight, bn1.weight, .*, \.\.\.\); 2 unexpected .* face.evoLVe",
        ),
    ],
    ids=["missing", "unexpected", "shape", "evolve"],
)
def test_weights_of_another_network(
    tmp_path: Path, spoilt: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str
) -> None:
    torch.save(spoilt(insightface(build(**SMALL))), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=message):
        build(**SMALL, weights=str(tmp_path / "other.pth"))
