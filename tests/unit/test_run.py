import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from search.data import Target
from search.errors import CacheError, DatasetError, Diverged
from search.tasks import Task
from search.training.arithmetic import memory_layout
from search.training.cache import CachedSplit, Prepared
from search.training.checkpoint import Checkpoints
from search.training.epoch import Epoch
from search.training.recipe import Knobs, Recipe
from search.training.run import train

CPU = torch.device("cpu")
SIZE = 16
CALLS_PER_EPOCH = 90 // 16 + 3  # training steps, and batches of the 45 validation images


def noisy_quadrants(count: int, seed: int, file: Path) -> CachedSplit:
    """Images of noise in which one of three quadrants is brighter: the label."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 3)
    images = rng.integers(0, 160, (count, SIZE, SIZE, 3), dtype=np.uint8)
    half = SIZE // 2
    for image, label in zip(images, labels, strict=True):
        top, left = divmod(int(label), 2)
        image[top * half : (top + 1) * half, left * half : (left + 1) * half] += 90
    images.tofile(file)
    return CachedSplit(
        images=np.memmap(file, np.uint8, "r", shape=images.shape),
        targets={Task.EXPRESSION: Target(labels, np.ones(count, np.bool_))},
        items=tuple(f"{file.name}/{index}" for index in range(count)),
        groups=None,
    )


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    return Prepared(
        folder=tmp_path,
        fingerprint="quadrants",
        image_size=SIZE,
        classes=("upper left", "upper right", "lower left"),
        train=noisy_quadrants(90, 1, tmp_path / "train"),
        validation=noisy_quadrants(45, 2, tmp_path / "validation"),
        test=None,
    )


def recipe(
    model: str = "small_cnn", arguments: dict[str, Any] | None = None, seed: int = 0, **knobs: Any
) -> Recipe:
    given = {"epochs": 4, "batch_size": 16, "lr": 3e-3, "augmentation": "none"} | knobs
    return Recipe(
        model=model,
        model_arguments={"widths": [4, 8]} if arguments is None else arguments,
        knobs=Knobs(**given),
        objective="accuracy",
        seed=seed,
    )


def epochs(
    recipe: Recipe, data: Prepared, folder: Path, attempt: int = 1, on_step: Callable[[], None] = lambda: None
) -> Iterator[Epoch]:
    return train(
        recipe,
        data,
        device=CPU,
        checkpoints=Checkpoints(folder, attempt),
        on_begin=lambda epochs: None,
        on_step=on_step,
    )


def checkpoint(folder: Path, attempt: int = 1) -> dict[str, Any]:
    state = Checkpoints(folder, attempt).newest()
    assert state is not None
    return state


def weights(folder: Path, attempt: int = 1) -> dict[str, torch.Tensor]:
    model: dict[str, torch.Tensor] = checkpoint(folder, attempt)["model"]
    return model


def equal(one: Any, other: Any) -> bool:
    """Whether two states are the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def test_a_separable_problem_is_learnt(data: Prepared, tmp_path: Path) -> None:
    history = list(epochs(recipe(epochs=6, schedule="cosine"), data, tmp_path / "run"))
    assert [epoch.number for epoch in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].metrics["accuracy"] > 0.9
    assert history[-1].metrics["train_loss"] < history[0].metrics["train_loss"]
    assert history[-1].metrics["lr"] == pytest.approx(3e-3 * 0.01)
    for epoch in history:
        assert epoch.metrics.keys() == {
            *("accuracy", "balanced_accuracy", "macro_f1", "expr_total", "abaw_mean"),
            *("recall_upper left", "recall_upper right", "recall_lower left"),
            *("validation_loss", "largest_class_share", "train_loss", "lr"),
        }
        assert all(math.isfinite(value) for value in epoch.metrics.values())
        assert epoch.samples_per_second > 0
        assert epoch.seconds > 0


@pytest.mark.parametrize(
    "knobs",
    [
        {"optimizer": "sgd", "lr": 0.02, "class_weights": "balanced"},
        {"optimizer": "adam", "precision": "bf16"},
        {"normalization": "imagenet", "label_smoothing": 0.1, "clip_norm": 0.0, "schedule": "exponential"},
        {"sam_rho": 0.05, "ema_decay": 0.9, "schedule": "step", "step_epochs": 2, "class_weights": "effective"},
        {"class_sampling": "balanced", "accumulate": 2, "batch_size": 8, "schedule": "plateau"},
        {"class_sampling": "subset", "optimizer": "adam"},
    ],
)
def test_every_knob_trains(data: Prepared, tmp_path: Path, knobs: dict[str, Any]) -> None:
    history = list(epochs(recipe(epochs=6, **knobs), data, tmp_path / "run"))
    assert history[-1].metrics["accuracy"] > 0.6


class Abandoned(Exception):
    pass


def abandon_after(steps: int) -> Callable[[], None]:
    left = iter(range(steps))

    def on_step() -> None:
        if next(left, None) is None:
            raise Abandoned

    return on_step


CLSFER = {"width": 4, "depths": [1, 1, 1, 1], "depth": 2, "heads": 2, "drop_path": 0.3, "attn_drop": 0.2}
REGULARISED = {"mixup_alpha": 0.4, "cutmix_alpha": 0.4, "augmentation": "strong", "label_smoothing": 0.1}


@pytest.mark.parametrize(
    "whole",
    [
        recipe(arguments={"widths": [4, 8], "dropout": 0.3}, seed=3, **REGULARISED),
        recipe("clsfer", CLSFER, seed=3, weight_decay=0.1, **REGULARISED),
        recipe(optimizer="sgd", seed=4, precision="bf16", augmentation="standard"),
    ],
    ids=["small_cnn", "clsfer", "sgd"],
)
@pytest.mark.parametrize("calls", [3, 18, 22], ids=["in epoch 1", "in epoch 3", "validating epoch 3"])
def test_a_resumed_run_equals_an_uninterrupted_one(
    data: Prepared, tmp_path: Path, whole: Recipe, calls: int
) -> None:
    straight = list(epochs(whole, data, tmp_path / "straight"))

    seen = []
    with pytest.raises(Abandoned):
        for epoch in epochs(whole, data, tmp_path / "resumed", on_step=abandon_after(calls)):
            seen.append(epoch)
    assert len(seen) == calls // CALLS_PER_EPOCH
    torch.manual_seed(12345)  # another process: nothing of the first one's generators is left
    resumed = list(epochs(whole, data, tmp_path / "resumed", attempt=2))

    assert resumed[: len(seen)] == seen
    assert [epoch.metrics for epoch in resumed] == [epoch.metrics for epoch in straight]
    final, expected = weights(tmp_path / "resumed", attempt=2), weights(tmp_path / "straight")
    assert final.keys() == expected.keys()
    assert all(torch.equal(final[name], expected[name]) for name in expected)


SHARPNESS = {
    "sam_rho": 0.05,
    "ema_decay": 0.9,
    "schedule": "plateau",
    "plateau_patience": 0,
    "epochs": 6,
    "lr": 0.05,
}


@pytest.mark.parametrize(
    "whole",
    [
        recipe("clsfer", CLSFER, seed=5, **SHARPNESS, **REGULARISED),
        recipe(optimizer="sgd", seed=6, accumulate=2, batch_size=7, class_sampling="balanced", **SHARPNESS),
        recipe(optimizer="adam", seed=7, class_sampling="subset", **SHARPNESS),
    ],
    ids=["clsfer", "accumulated", "subset"],
)
@pytest.mark.parametrize("calls", [8, 40])
def test_a_resumed_run_has_the_same_average_plateaus_and_samples(
    data: Prepared, tmp_path: Path, whole: Recipe, calls: int
) -> None:
    straight = list(epochs(whole, data, tmp_path / "straight"))
    with pytest.raises(Abandoned):
        list(epochs(whole, data, tmp_path / "resumed", on_step=abandon_after(calls)))
    torch.manual_seed(12345)
    resumed = list(epochs(whole, data, tmp_path / "resumed", attempt=2))

    assert [epoch.metrics for epoch in resumed] == [epoch.metrics for epoch in straight]
    rates = [epoch.metrics["lr"] for epoch in straight]
    assert rates[-1] < max(rates)  # it met a plateau
    final, expected = checkpoint(tmp_path / "resumed", attempt=2), checkpoint(tmp_path / "straight")
    for part in ("model", "average", "optimizer"):
        assert equal(final[part], expected[part])


def test_both_passes_of_sam_see_the_same_images_and_the_same_dropout(data: Prepared, tmp_path: Path) -> None:
    """With next to no distance between them, both passes have the same gradient, whatever is drawn at random."""
    knobs = {"arguments": {"widths": [4, 8], "dropout": 0.3}, "optimizer": "sgd", "epochs": 2, **REGULARISED}
    list(epochs(recipe(**knobs), data, tmp_path / "plain"))
    list(epochs(recipe(sam_rho=1e-9, **knobs), data, tmp_path / "sam"))
    plain, sam = weights(tmp_path / "plain"), weights(tmp_path / "sam")
    for name in plain:
        if "num_batches_tracked" not in name:
            torch.testing.assert_close(plain[name], sam[name], rtol=1e-3, atol=1e-5)


def test_the_averaged_model_is_what_is_validated_and_kept(data: Prepared, tmp_path: Path) -> None:
    def states(name: str, **knobs: Any) -> tuple[Epoch, dict[str, Any]]:
        run = train(
            recipe(epochs=1, **knobs),
            data,
            device=CPU,
            checkpoints=Checkpoints(tmp_path / name, 1),
            keep_best=True,
            on_begin=lambda epochs: None,
            on_step=lambda: None,
        )
        return next(run), checkpoint(tmp_path / name)

    (plain, without), (averaged, state) = states("plain"), states("averaged", ema_decay=0.9)
    assert "average" not in without
    assert equal(state["model"], without["model"])  # training itself is the same
    assert not equal(state["average"], state["model"])
    assert equal(state["best"]["model"], state["average"])
    assert averaged.metrics["train_loss"] == plain.metrics["train_loss"]
    assert averaged.metrics["validation_loss"] != plain.metrics["validation_loss"]


@pytest.mark.parametrize("ratio", [0.0, 0.1])
def test_a_frozen_backbone_keeps_its_weights_and_its_statistics(
    data: Prepared, tmp_path: Path, ratio: float
) -> None:
    whole = recipe("clsfer", CLSFER, epochs=1, backbone_lr_ratio=ratio, ema_decay=0.5, sam_rho=0.05)
    list(epochs(whole, data, tmp_path / "one"))
    list(
        epochs(
            whole.model_copy(update={"knobs": whole.knobs.model_copy(update={"epochs": 2})}),
            data,
            tmp_path / "two",
        )
    )
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    moved = {name for name in one if not torch.equal(one[name], two[name])}
    assert "head.weight" in moved
    assert any(name.startswith("backbone.") for name in moved) == (ratio > 0)


def test_a_run_that_gets_no_better_ends_and_stays_ended(data: Prepared, tmp_path: Path) -> None:
    whole = recipe(epochs=9, early_stopping=2, lr=1e-12, optimizer="sgd")
    first = list(epochs(whole, data, tmp_path))
    assert [epoch.number for epoch in first] == [1, 2, 3]
    assert list(epochs(whole, data, tmp_path, attempt=2, on_step=abandon_after(0))) == first


def test_batches_that_make_no_whole_step_are_left_out(data: Prepared, tmp_path: Path) -> None:
    calls: list[None] = []
    whole = recipe(epochs=1, batch_size=16, accumulate=2)
    list(epochs(whole, data, tmp_path, on_step=lambda: calls.append(None)))
    assert len(calls) == 90 // 16 // 2 * 2 + 3


def test_a_damaged_checkpoint_costs_one_epoch_and_changes_nothing(data: Prepared, tmp_path: Path) -> None:
    whole = recipe(**REGULARISED)
    straight = list(epochs(whole, data, tmp_path / "straight"))
    list(zip(range(3), epochs(whole, data, tmp_path / "resumed"), strict=False))
    newest = max((tmp_path / "resumed").rglob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = list(epochs(whole, data, tmp_path / "resumed", attempt=2))
    assert [epoch.metrics for epoch in resumed] == [epoch.metrics for epoch in straight]


def test_a_finished_run_is_told_again_without_training(data: Prepared, tmp_path: Path) -> None:
    first = list(epochs(recipe(), data, tmp_path))
    assert list(epochs(recipe(), data, tmp_path, attempt=2, on_step=abandon_after(0))) == first


def test_an_epoch_is_saved_before_it_is_yielded(data: Prepared, tmp_path: Path) -> None:
    for epoch in epochs(recipe(), data, tmp_path):
        state = Checkpoints(tmp_path, 1).newest()
        assert state is not None
        assert state["history"][-1]["number"] == epoch.number


def test_on_step_is_called_for_every_training_and_validation_batch(data: Prepared, tmp_path: Path) -> None:
    calls: list[None] = []
    list(epochs(recipe(epochs=2), data, tmp_path, on_step=lambda: calls.append(None)))
    assert len(calls) == 2 * CALLS_PER_EPOCH


def test_the_seed_decides_everything(data: Prepared, tmp_path: Path) -> None:
    runs = {
        name: [
            epoch.metrics for epoch in epochs(recipe(seed=seed, epochs=2, **REGULARISED), data, tmp_path / name)
        ]
        for name, seed in (("one", 7), ("again", 7), ("other", 8))
    }
    assert runs["one"] == runs["again"] != runs["other"]


@pytest.mark.parametrize("changed", [recipe(lr=1e-3), recipe(seed=1), recipe(arguments={"widths": [4, 4]})])
def test_checkpoints_of_another_recipe_are_refused(data: Prepared, tmp_path: Path, changed: Recipe) -> None:
    list(epochs(recipe(epochs=1), data, tmp_path))
    with pytest.raises(CacheError, match=r"another recipe or other data; delete the folder"):
        list(epochs(changed, data, tmp_path))


def test_checkpoints_of_other_data_are_refused(data: Prepared, tmp_path: Path) -> None:
    list(epochs(recipe(), data, tmp_path))
    with pytest.raises(CacheError, match=str(tmp_path)):
        list(epochs(recipe(), replace(data, fingerprint="circles"), tmp_path))


def test_a_batch_larger_than_the_training_split_is_refused(data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="batch_size is 91, and the training split has 90 labelled images"):
        next(epochs(recipe(batch_size=91), data, tmp_path))
    next(epochs(recipe(batch_size=90), data, tmp_path))


def test_images_without_a_label_are_left_out(data: Prepared, tmp_path: Path) -> None:
    target = data.train.targets[Task.EXPRESSION]
    hidden = replace(target, mask=np.arange(90) < 40, values=np.where(np.arange(90) < 40, target.values, -1))
    calls: list[None] = []
    masked = replace(data, train=replace(data.train, targets={Task.EXPRESSION: hidden}))
    list(epochs(recipe(epochs=1), masked, tmp_path, on_step=lambda: calls.append(None)))
    assert len(calls) == 40 // 16 + 3


def test_a_loss_that_is_not_finite_is_divergence(data: Prepared, tmp_path: Path) -> None:
    absurd = recipe(optimizer="sgd", lr=1e30, clip_norm=0.0, schedule="constant", warmup_epochs=0.0)
    with pytest.raises(
        Diverged, match=r"epoch 1, step \d: the training loss is (nan|inf), .* at lr 1e\+30; lower lr"
    ):
        list(epochs(absurd, data, tmp_path))
    assert Checkpoints(tmp_path, 1).newest() is None


def test_a_validation_loss_that_is_not_finite_is_divergence(data: Prepared, tmp_path: Path) -> None:
    one_step = recipe(optimizer="sgd", lr=1e30, clip_norm=0.0, warmup_epochs=0.0, batch_size=90)
    with pytest.raises(Diverged, match="epoch 1, after step 1: validation_loss is"):
        list(epochs(one_step, data, tmp_path))


def test_narrow_strided_convolutions_keep_the_plain_layout_on_a_cpu() -> None:
    def layout(channels: int, stride: int, device: str = "cpu") -> torch.memory_format:
        model = nn.Sequential(nn.Conv2d(channels, 16, 1, stride=stride))
        return memory_layout(model, torch.device(device))

    assert layout(8, 2) == torch.contiguous_format
    assert layout(8, 1) == layout(16, 2) == layout(8, 2, "cuda") == torch.channels_last


def test_recipes_and_epochs_are_read_without_torch() -> None:
    script = "import sys, search.training.recipe, search.training.epoch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
