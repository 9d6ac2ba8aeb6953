"""A copy of the checkout with a model and a study for the storm, as a user would drop them in."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDY_FILE = "storm.yaml"

MODEL = '''"""A linear classifier that takes its time."""

import os
import time

from torch import Tensor, nn

STEP_SECONDS = float(os.environ.get("CHAOS_STEP_SECONDS", "0"))


class Sleepy(nn.Module):
    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(inputs, outputs))

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(STEP_SECONDS)
        return self.layers(images)


def build(*, outputs: int, image_size: int, dropout: float = 0.0) -> nn.Module:
    return Sleepy(3 * image_size**2, outputs, dropout)
'''

STUDY = """
name: storm
question: Does a storm change anything?
dataset: {name: synthetic_faces, image_size: 16, images: 240, test_images: 70, subjects: 30}
model: {name: sleepy}
objective: accuracy
training: {epochs: 8, batch_size: 16}
space:
  lr: {role: nuisance, grid: "6 points from 1e-4 to 1e-2, log"}
  dropout: {role: nuisance, choices: [0.0, 0.1, 0.2, 0.3]}
sampler: grid
budget: {trials: 24}
confirm: {seeds: 0}
"""


def make_checkout(copy: Path) -> None:
    """Copies the code, the one model more, and the study."""
    for name in ("search", "models", "datasets", "studies"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "models" / "sleepy.py").write_text(MODEL)
    (copy / STUDY_FILE).write_text(STUDY)
