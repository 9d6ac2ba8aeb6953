"""A campaign as a user runs it: stopped by Ctrl-C on the way, gone on with, and read in its report."""

import json
import signal
from pathlib import Path

import pytest

from search.errors import StudyNotFound

from .conftest import Service, wait_for

STUDY = """
name: {name}
question: {question}
dataset: {{name: synthetic_faces, image_size: 24, images: 400, test_images: 150, subjects: 200}}
model: {{name: small_cnn, widths: [8, 16]}}
objective: accuracy
training: {{epochs: 6, batch_size: 24, augmentation: none}}
space:
  {space}
sampler: grid
budget: {{trials: 2}}
confirm: {{seeds: 3}}
"""
CAMPAIGN = """
name: diary
question: Which recipe?
values: {eps: 1e-8}
steps:
  lr: {study: lr.yaml, carry: [lr]}
  smoothing: {study: smoothing.yaml, carry: [label_smoothing]}
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_stopped_campaign_goes_on_to_its_end(service: Service, tmp_path: Path) -> None:
    write(tmp_path / "lr.yaml", "lr", "Which learning rate?", "lr: {role: scientific, choices: [1e-6, 3e-3]}")
    smoothing = "label_smoothing: {role: scientific, choices: [0, 0.001]}"
    write(tmp_path / "smoothing.yaml", "smoothing", "Does label smoothing help?", smoothing)
    file = tmp_path / "diary.campaign.yaml"
    file.write_text(CAMPAIGN)

    launch = service.start("campaign", "launch", str(file), "--workers", "1")
    wait_for(lambda: has_begun(service, "diary-1-lr", "confirm"))
    launch.send_signal(signal.SIGINT)
    output = launch.communicate()[0]
    assert launch.returncode == 130, output
    assert "stopped; the same command goes on from here" in output
    before = {trial.ticket: trial.attempt for trial in service.trials("diary-1-lr") if trial.state == "complete"}

    launch = service.start("campaign", "launch", str(file), "--workers", "2")
    output = launch.communicate(timeout=900)[0]
    assert launch.returncode == 0, output
    assert "step 2 of 2, smoothing: Does label smoothing help?" in output
    assert output.count("  decision  ") == 2
    after = {trial.ticket: trial.attempt for trial in service.trials("diary-1-lr")}
    assert before and before.items() <= after.items()

    found = json.loads(service.run("campaign", "status", str(file), "--json"))
    first, second = (each["decision"]["carried"] for each in found["steps"])
    assert found["recipe"] == {
        "eps": {"value": 1e-8, "step": None},
        "lr": {"value": first["lr"], "step": "lr"},
        "label_smoothing": {"value": second["label_smoothing"], "step": "smoothing"},
    }
    assert service.study("diary-2-smoothing").definition.training.lr == first["lr"]
    report = tmp_path / "results" / "diary.campaign" / "report.html"
    assert "All 2 steps are done." in report.read_text()
    assert (report.parent / "../diary-1-lr/report.html").exists()
    # all is done, and once more changes nothing
    assert "step 2 of 2" in service.run("campaign", "launch", str(file), "--workers", "1")


def write(file: Path, name: str, question: str, space: str) -> None:
    file.write_text(STUDY.format(name=name, question=question, space=space))


def has_begun(service: Service, study: str, stage: str) -> bool:
    try:
        trials = service.trials(study)
    except StudyNotFound:  # it is not registered yet
        return False
    return any(trial.stage == stage and trial.state == "running" for trial in trials)
