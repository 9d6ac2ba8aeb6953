"""One's own data launches and finishes; a new model, data set or study is one new file."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from search.tasks import EKMAN_NEUTRAL
from tests.make_datasets import draw_face, make_fer2013, make_image_folder, make_official_raf_db

from .conftest import WAIT_SECONDS, Service

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

STUDY = """
name: faces
question: Which learning rate is best?
dataset: {{name: {dataset}, image_size: 32, root: {root}}}
model: {{name: {model}}}
objective: balanced_accuracy
training: {{epochs: 2, batch_size: 16}}
space:
  lr: {{role: nuisance, low: 1e-4, high: 1e-2, log: true}}
sampler: sobol
budget: {{trials: 2}}
confirm: {{seeds: 0}}
"""


@pytest.mark.parametrize(
    ("dataset", "make"),
    [("fer2013", make_fer2013), ("image_folder", make_image_folder), ("raf_db", make_official_raf_db)],
)
def test_image_files_launch_and_finish(service: Service, dataset: str, make: object) -> None:
    root = make(service.folder / "faces")  # type: ignore[operator]
    (service.folder / "faces.yaml").write_text(STUDY.format(dataset=dataset, root=root, model="small_cnn"))
    output = service.run("launch", "faces.yaml", "--workers", "1")
    assert "2 complete" in output
    assert all(trial.curve.keys() == {1, 2} for trial in service.trials("faces"))
    figures = Path(service.settings.results) / "faces" / "figures"
    assert {"parallel-coordinates.html", "learning-curves.html"} <= {file.name for file in figures.iterdir()}


def test_a_bug_in_a_model_is_stored_with_its_traceback(tmp_path: Path) -> None:
    copy = checkout(tmp_path)
    (copy / "models" / "broken.py").write_text(
        example("Tensor, nn").replace("nn.Flatten()", "nn.Flatten(undefined)")
    )
    make_image_folder(copy / "faces")
    (copy / "faces.yaml").write_text(STUDY.format(dataset="image_folder", root="faces", model="broken"))
    run(copy, "launch", "faces.yaml", "--workers", "1")
    assert "name 'undefined' is not defined" in run(copy, "show", "faces", "--json")
    run(copy, "store", "stop")


def test_dropping_in_a_model_a_data_set_and_a_study(tmp_path: Path) -> None:
    copy = checkout(tmp_path)
    (copy / "models" / "linear.py").write_text(example("A linear classifier"))
    (copy / "datasets" / "by_subject.py").write_text(example("half of the subjects"))
    faces = copy / "data" / "by_subject"
    faces.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for subject in range(12):
        for label, name in enumerate(EKMAN_NEUTRAL):
            draw_face(label, rng).save(faces / f"{subject}_{name}_0.png")
    study = STUDY.format(dataset="by_subject", root="data/by_subject", model="linear")
    (copy / "studies" / "faces.yaml").write_text(study)
    assert "2 complete" in run(copy, "launch", "faces", "--workers", "1")
    run(copy, "store", "stop")


def checkout(folder: Path) -> Path:
    """A copy of the repository's code, to drop files into."""
    copy = folder / "checkout"
    for name in ("search", "models", "datasets", "studies"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def example(words: str) -> str:
    """The Python example of docs/adding.md that holds these words."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adding.md").read_text(), re.DOTALL)
    return next(block for block in blocks if words in block)


def run(copy: Path, *arguments: str) -> str:
    """Runs the copy's own `search ARGUMENTS` and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "search", *arguments],
        cwd=copy,
        env=os.environ | {"SEARCH_HOME": str(copy / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
