"""Sequences, companions, FER2013's folders and the newer knobs, launched as a user launches them."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search import catalog
from search.store import studies
from search.store.records import TrialRecord
from search.tasks import EKMAN_NEUTRAL
from tests.make_datasets import FER_FOLDERS

from .conftest import Service, wait_for, worker_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

SEQUENCES = """
name: sequences
question: Which learning rate suits faces that move?
dataset:
  name: synthetic_faces
  image_size: 32
  images: 900
  test_images: 150
  frames: 30
  missing: 0.1
  features: {name: ir50, width: 8, depths: [1, 1, 1, 1], crop: 32, sounds: true}
model: {name: tcn, channels: 8, blocks: 1, kernel_size: 3, attention: true, standardize: true, sounds: true}
objective: abaw_mean
training: {epochs: 5, batch_size: 4, window: 20, hop: 10, tasks: expression+valence+arousal+action_units}
space:
  lr: {role: scientific, choices: [1e-4, 3e-3]}
sampler: grid
budget: {trials: 2}
confirm: {seeds: 1}
"""

KNOBS = """
name: knobs
question: Which learning rate suits the newer knobs?
dataset: {name: synthetic_faces, image_size: 24, images: 500, test_images: 70, subjects: 60}
model: {name: small_cnn, widths: [8, 16]}
objective: balanced_accuracy
training:
  epochs: 40
  early_stopping: 4
  batch_size: 16
  schedule: plateau
  plateau_patience: 1
  plateau_factor: 0.3
  sam_rho: 0.05
  ema_decay: 0.9
  class_weights: balanced
space:
  lr: {role: nuisance, choices: [1e-3, 1e-2]}
sampler: grid
budget: {trials: 2}
confirm: {seeds: 0}
"""

COMPANIONS = """
name: companions
question: Do faces of another collection help?
dataset:
  name: synthetic_faces
  image_size: 24
  images: 300
  test_images: 70
  subjects: 150
  also:
    - {name: synthetic_faces, label: others, seed: 5, images: 300, test_images: 140, subjects: 150}
    - {name: synthetic_emotion, labels: hard, images: 80, test_images: 160, use: test}
model: {name: small_cnn, widths: [8, 16]}
objective: accuracy
training: {epochs: 3, batch_size: 16, augmentation: none}
space:
  train_on: {role: scientific, choices: [own, all]}
  lr: {role: nuisance, choices: [1e-3, 3e-3]}
sampler: grid
budget: {trials: 4}
confirm: {seeds: 2}
"""


def results(trials: list[TrialRecord]) -> list[object]:
    """What must be the same whatever happened on the way."""
    return [
        (trial.ticket, trial.stage, trial.state, trial.parameters, trial.value, trial.epochs) for trial in trials
    ]


def in_training(service: Service, name: str, epochs: int) -> Callable[[], list[TrialRecord]]:
    """The trials of a study that train and are beyond so many epochs, where it is registered."""

    def there() -> list[TrialRecord]:
        if name not in [row.name for row in service.store.run(studies.everyone)]:
            return []
        return [trial for trial in service.trials(name) if trial.state == "running" and len(trial.curve) >= epochs]

    return there


def calm_and_killed(service: Service, text: str, name: str) -> list[TrialRecord]:
    """The trials of a study whose worker was killed with -9 in the middle, equal to those of one left in peace."""
    calm = Service(service.folder / "calm")
    try:
        for each in (calm, service):
            (each.folder / f"{name}.yaml").write_text(text)
        calm.run("launch", f"{name}.yaml", "--workers", "1")
        undisturbed = calm.trials(name)
    finally:
        calm.close()
    launch = service.start("launch", f"{name}.yaml", "--workers", "1")
    training = in_training(service, name, 2)
    wait_for(training)
    (before,) = training()
    worker_of(launch).kill()
    assert "ended early" in launch.communicate()[0]
    service.run("launch", f"{name}.yaml", "--workers", "1")
    trials = service.trials(name)
    assert results(trials) == results(undisturbed)
    assert trials[before.ticket].attempt == 2
    assert service.study(name).is_done
    return trials


def test_sequences_of_vectors_survive_a_kill_bit_for_bit(service: Service) -> None:
    trials = calm_and_killed(service, SEQUENCES, "sequences")
    assert [trial.stage for trial in trials].count("conclude") == 2
    searched = [trial for trial in trials if trial.stage == "search"]
    assert all({"ccc_valence", "ccc_arousal", "au_f1"} <= set(trial.epochs[1]) for trial in searched)
    assert list((service.settings.home / "cache").glob("*/train.vectors"))


def test_early_stopping_plateau_sam_and_ema_survive_a_kill_bit_for_bit(service: Service) -> None:
    trials = calm_and_killed(service, KNOBS, "knobs")
    for trial in trials:
        assert trial.state == "complete"
        best = max(trial.curve, key=lambda epoch: trial.curve[epoch])
        assert len(trial.curve) == min(best + 4, 40)
    assert min(len(trial.curve) for trial in trials) < 40


def test_companions_are_searched_confirmed_and_told_of(service: Service) -> None:
    (service.folder / "companions.yaml").write_text(COMPANIONS)
    service.run("launch", "companions.yaml", "--workers", "1")
    assert service.study("companions").stage_counts == {
        "search": {"complete": 4},
        "confirm": {"complete": 4},
        "conclude": {"complete": 4},
    }
    report = (Path(service.settings.results) / "companions" / "report.md").read_text()
    section = report.replace("\\", "").partition("On other data sets")[2]
    assert re.search(r"synthetic_faces, test: .*\| others test: .*\| synthetic_emotion test: ", section)
    dropped = dict(re.findall(r"\| synthetic_emotion test \| (\w+) \| (\d+) \|", section))
    assert {"amusement", "awe", "contentment", "excitement"} == set(dropped)
    (judged,) = re.findall(r"\| all classes \|.*\| (\d+) \|", section)[:1]
    assert int(judged) + sum(map(int, dropped.values())) == 160


def test_the_shipped_study_of_fer2013_on_its_folders(service: Service) -> None:
    root = write_fer2013(service.folder / "fer2013")
    launch = service.start("launch", "fer2013_cnn3", "--root", str(root), "--workers", "1")
    training = in_training(service, "fer2013_cnn3", 1)
    wait_for(training)
    launch.send_signal(signal.SIGINT)
    assert "the same command goes on from here" in launch.communicate()[0]
    assert launch.returncode == 130
    assert service.study("fer2013_cnn3").definition.training.epochs == 60

    text = (ROOT / "studies" / "fer2013_cnn3.yaml").read_text()
    for old, new in (
        ("epochs: 60", "epochs: 3"),
        ("batch_size: 128", "batch_size: 32"),
        ("min_resource: 10, max_resource: 60", "min_resource: 1, max_resource: 3"),
        ("seeds: 5", "seeds: 2"),
        ("widths: [64, 128, 512]", "widths: [16, 32, 64]"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (service.folder / "short.yaml").write_text(text.partition("\npresets:")[0])
    output = service.run("launch", "short.yaml", "--name", "short", "--root", str(root), "--workers", "1")
    counts = service.study("short").stage_counts
    assert counts["search"]["pruned"] >= 1
    assert sum(counts["search"].values()) == 14
    assert counts["conclude"] == {"complete": 4}
    assert "answer" in output


def write_fer2013(root: Path) -> Path:
    """Rendered faces in the folders of FER2013: grey JPEG files of 48 x 48, 800 for training and 210 for tests."""
    splits = catalog.dataset("synthetic_faces")(root, images=800, test_images=210, subjects=400)
    assert splits.classes == EKMAN_NEUTRAL
    for name, split in (("train", splits.train), ("test", splits.test)):
        pixels, _ = split.images.decode(np.arange(len(split.items)), 48)
        for number, (face, label) in enumerate(zip(pixels, split.labels(), strict=True)):
            folder = root / name / FER_FOLDERS[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face).convert("L").save(folder / f"{number}.jpg")
    return root
