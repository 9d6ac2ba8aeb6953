"""A causal temporal convolutional network over vectors, a linear head for each task, multi-task attention between.

The network is that of Bai, Kolter and Koltun (https://arxiv.org/abs/1803.01271) with leaky ReLUs, as sucv/ABAW2
uses it on Aff-Wild2 (https://arxiv.org/abs/2107.01175); the attention is that of its fork Chrisa142857/ABAW2.
"""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from search.errors import ModelError

TaskIndex = Literal["correct", "as_published"]

_PUBLISHED_ORDER = ("valence_arousal", "action_units")  # expressions come after these two


def build(
    *,
    columns: dict[str, int],
    features: dict[str, int],
    sounds: bool = False,
    channels: int = 128,
    blocks: int = 4,
    kernel_size: int = 5,
    dropout: float = 0.1,
    attention: bool = False,
    task_index: TaskIndex = "correct",
) -> nn.Module:
    """A network from vectors (B, T, D), in order of time, to outputs (B, T, sum of the columns).

    The output at a time depends on the vectors up to it. The defaults are the published ones: they see
    1 + 2 (kernel_size - 1) (2^blocks - 1) = 121 frames, and have 968,832 parameters for vectors of 512 before the
    heads.

    columns: of each task's output, in order. features: widths of the parts of a vector, in order.
    sounds: whether the part "sounds" is read with the part "images" (multimodal), or the images alone.
    channels: of every convolution. blocks: of two convolutions each, dilated by 1, 2, 4, ... kernel_size: of each.
    dropout: of whole channels, in [0, 1).
    attention: whether tasks weigh the shared vector by `TaskAttention`; a task alone needs no weight.
    task_index: as_published weighs the vector of one task only, the first there is of valence and arousal, action
        units, expressions, and with the second task's weight: the original counts tasks from 1, and stops at the
        first it finds.

    Raises ModelError if the arguments do not fit together.
    """
    if sounds and "sounds" not in features:
        raise ModelError("model tcn: sounds is on, and the vectors hold none; set dataset.features.sounds.")
    counts = {"channels": channels, "blocks": blocks, "kernel_size": kernel_size}
    for name, count in counts.items():
        if count < 1:
            raise ModelError(f"model tcn: {name} starts at 1, and {count} is given.")
    if not 0 <= dropout < 1:
        raise ModelError(f"model tcn: dropout lies in [0, 1), and {dropout} is given.")
    read = [part for part in features if sounds or part != "sounds"]
    widths = [channels] * blocks
    inputs = [sum(features[part] for part in read), *widths[:-1]]
    temporal = nn.Sequential(
        *(Block(*sides, kernel_size, 2**i, dropout) for i, sides in enumerate(zip(inputs, widths, strict=True)))
    )
    return Tcn(features, read, temporal, columns, channels, attention and len(columns) > 1, task_index)


class Tcn(nn.Module):
    """The parts of the vectors that are read, the convolutions, the attention if any, and the heads."""

    def __init__(
        self,
        features: dict[str, int],
        read: list[str],
        temporal: nn.Module,
        columns: dict[str, int],
        channels: int,
        attention: bool,
        task_index: TaskIndex,
    ) -> None:
        super().__init__()
        self.features = features
        self.read = read
        self.temporal = temporal
        self.attention = TaskAttention(channels, len(columns)) if attention else None
        self.weight_of = _weights_of(tuple(columns), task_index)
        self.heads = nn.ModuleDict({name: nn.Linear(channels, size) for name, size in columns.items()})

    def forward(self, vectors: Tensor) -> Tensor:
        split = vectors.split_with_sizes(list(self.features.values()), dim=-1)
        parts = dict(zip(self.features, split, strict=True))
        x = torch.cat([parts[part] for part in self.read], dim=-1)
        x = self.temporal(x.transpose(1, 2)).transpose(1, 2)  # (B, T, channels)
        if self.attention is None:
            return torch.cat([head(x) for head in self.heads.values()], dim=-1)
        weights = self.attention(x)
        weighed = {name: weights[..., [i]] * x for name, i in self.weight_of.items()}
        return torch.cat([head(weighed.get(name, x)) for name, head in self.heads.items()], dim=-1)


def _weights_of(tasks: tuple[str, ...], task_index: TaskIndex) -> dict[str, int]:
    """The index of the weight of each task that has one."""
    if task_index == "correct":
        return {task: i for i, task in enumerate(tasks)}
    present = [task for kind in _PUBLISHED_ORDER for task in tasks if task.endswith(kind)]
    return {(*present, *tasks)[0]: 1}


class TaskAttention(nn.Module):
    """A weight of each task, (..., dim) to (..., tasks), at least 2 of them: they add up to 1 at every time.

    g = tanh(x A) * the product of sigmoid(x B_n) over n < tasks, each of width dim; then the softmax of g O.
    """

    def __init__(self, dim: int, tasks: int) -> None:
        super().__init__()
        self.a = nn.Linear(dim, dim)
        self.b = nn.Linear(dim, dim * (tasks - 1))
        self.out = nn.Linear(dim, tasks)

    def forward(self, x: Tensor) -> Tensor:
        gates = torch.sigmoid(self.b(x)).reshape(*x.shape, -1)  # (..., dim, tasks - 1)
        weights: Tensor = self.out(torch.tanh(self.a(x)) * gates.prod(dim=-1)).softmax(dim=-1)
        return weights


class Block(nn.Module):
    """Two causal convolutions, each with weight norm, leaky ReLU and dropout, plus the shortcut; then leaky ReLU.

    (B, channels, T) to (B, out_channels, T).
    """

    def __init__(self, channels: int, out_channels: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, inputs in enumerate((channels, out_channels), start=1):
            convolution = nn.Conv1d(inputs, out_channels, kernel_size, dilation=dilation)
            layers[f"pad{i}"] = nn.ConstantPad1d(((kernel_size - 1) * dilation, 0), 0.0)
            layers[f"conv{i}"] = weight_norm(convolution)
            layers[f"relu{i}"] = nn.LeakyReLU()
            layers[f"dropout{i}"] = nn.Dropout1d(dropout)
        self.layers = nn.Sequential(layers)
        self.shortcut = nn.Identity() if channels == out_channels else nn.Conv1d(channels, out_channels, 1)
        self.relu = nn.LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.relu(self.layers(x) + self.shortcut(x))
        return total
