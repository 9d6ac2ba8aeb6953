"""Plug-ins that misbehave when told to, dropped into a copy of the checkout by `fleet.py`.

The model is a linear classifier that mostly sleeps, so that many workers train at once on few cores.
"""

MODEL = '''"""A linear classifier that takes its time, and does mischief after two epochs."""

import ctypes
import os
import signal
import time
from typing import Literal

import torch
from torch import Tensor, nn

Mischief = Literal["none", "hang", "nan", "nan_at_once", "inf", "memory", "device", "poison"]

CALM_STEPS = 24  # two epochs of eleven steps, and a little


class Unruly(nn.Module):
    def __init__(self, inputs: int, outputs: int, pause: float, mischief: Mischief) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # of all attempts: a checkpoint has it
        self.pause, self.mischief = pause, mischief

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(self.pause)
        logits = self.linear(images.flatten(1))
        if self.training:
            self.steps += 1
            if self.mischief == "nan_at_once" or self.steps > CALM_STEPS:
                return self.misbehave(logits)
        return logits

    def misbehave(self, logits: Tensor) -> Tensor:
        match self.mischief:
            case "hang":
                while True:
                    ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock: no other thread runs
            case "nan" | "nan_at_once":
                return logits * float("nan")
            case "inf":  # a finite loss for each image, and no finite mean
                return logits * 0 - 3e38 * (torch.arange(logits.shape[1]) > 0)
            case "memory":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            case "device":
                raise torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered")
            case "poison":
                os.kill(os.getpid(), signal.SIGKILL)
        return logits


def build(*, outputs: int, image_size: int, pause: float = 0.0, mischief: Mischief = "none") -> nn.Module:
    local = os.environ.get("MISCHIEF", "none")  # of this worker alone
    return Unruly(3 * image_size**2, outputs, pause, mischief if local == "none" else local)
'''

DATASET = '''"""Rendered faces that a training process never finishes decoding."""

import multiprocessing
import time
from dataclasses import dataclass, replace
from pathlib import Path

from search import catalog
from search.data import Images, Splits


@dataclass(frozen=True)
class Stuck:
    images: Images

    def __len__(self):
        return len(self.images)

    def fingerprint(self):
        return self.images.fingerprint()

    def decode(self, indices, size):
        while multiprocessing.parent_process() is not None:
            time.sleep(1)
        return self.images.decode(indices, size)


def load(root: Path, *, images: int = 200, test_images: int = 70, subjects: int = 30) -> Splits:
    faces = catalog.dataset("synthetic_faces")(root, images=images, test_images=test_images, subjects=subjects)
    return replace(faces, train=replace(faces.train, images=Stuck(faces.train.images)))
'''

STUDY = """
name: calm
question: Does a fault change anything?
dataset: {name: synthetic_faces, image_size: 16, images: 200, test_images: 70, subjects: 30}
model: {name: unruly, pause: 0.0}
objective: accuracy
training: {epochs: 6, batch_size: 16}
space:
  lr: {role: nuisance, choices: [0.001, 0.003, 0.01]}
  mischief: {role: nuisance, choices: [none]}
sampler: grid
budget: {trials: 3}
confirm: {seeds: 0}
"""
