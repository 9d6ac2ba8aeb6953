"""How a device computes: the layout of images, the memory of a step, and reproducibly."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def memory_layout(model: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last, except on a CPU for strided 1x1 convolutions of fewer than 16 channels.

    There oneDNN's gradient writes out of bounds (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    narrow = any(
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < 16
        for module in model.modules()
    )
    return torch.contiguous_format if narrow and device.type == "cpu" else torch.channels_last


def keep_freed_memory() -> None:
    """Have the C library reuse the memory of one step in the next instead of giving it back in between.

    On a CPU that saves a fifth of a step, spent on page faults; the peak stays the same. For glibc only.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that it accepts
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Reproducible arithmetic; on a CPU it is that already."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first matrix product runs
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
