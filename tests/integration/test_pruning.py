"""A trial that does not learn is stopped, whatever it is judged by and whichever way that counts."""

import subprocess
import sys
from pathlib import Path

import pytest

from search.store import studies
from search.store.connection import Store

from .conftest import Run

STUDY = """
name: pruned
question: Is a learning rate that teaches nothing stopped early?
dataset: {{name: synthetic_faces, image_size: 16, images: 300, test_images: 70, subjects: 100}}
model: {{name: small_cnn, widths: [8, 16]}}
objective: {objective}
training:
  epochs: 4
  batch_size: 16
  schedule: constant
  warmup_epochs: 0
  augmentation: none
  valence_arousal_loss: {loss}
space:
  lr: {{role: nuisance, choices: [1e-9, 1e-2]}}
sampler: grid
pruner: {{name: median, startup_trials: 1, warmup_epochs: 2}}
budget: {{trials: 2}}
confirm: {{seeds: 0}}
seed: {seed}
"""

GOOD_FIRST = 3


@pytest.mark.parametrize(("objective", "loss"), [("ccc_mean", "ccc"), ("mse", "mse")])
def test_a_trial_that_learns_nothing_is_pruned(
    run: Run, store: Store, tmp_path: Path, objective: str, loss: str
) -> None:
    (tmp_path / "pruned.yaml").write_text(STUDY.format(objective=objective, loss=loss, seed=GOOD_FIRST))
    run("launch", "pruned.yaml", "--workers", "0")  # `run` has set the environment
    subprocess.run([sys.executable, "-m", "search", "worker", "--study", "pruned"], cwd=tmp_path, check=True)
    good, bad = store.run(lambda c: studies.records(c, studies.find(c, "pruned")))
    assert (good.parameters, bad.parameters) == ({"lr": 1e-2}, {"lr": 1e-9})
    assert (good.state, bad.state) == ("complete", "pruned")
    assert bad.reason == "pruned after epoch 2"
    assert (len(good.curve), len(bad.curve)) == (4, 2)
