"""A study from its search to its conclusion, as a user runs it, killed in every stage on the way."""

from pathlib import Path

import pytest
import torch

from search.analysis import results
from search.analysis.conclusion import conclude
from search.errors import StudyNotFound

from .conftest import Service, trainer_of, wait_for, worker_of

STUDY = """
name: stages
question: Does the learning rate matter?
dataset: {name: synthetic_faces, image_size: 24, images: 400, test_images: 150, subjects: 200}
model: {name: small_cnn, widths: [8, 16]}
objective: accuracy
training: {epochs: 6, batch_size: 24, augmentation: none}
space:
  lr: {role: scientific, choices: [1e-6, 3e-3]}
sampler: grid
budget: {trials: 2}
confirm: {seeds: 3}
"""


@pytest.mark.slow
def test_each_stage_survives_kills_and_happens_once(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "stages.yaml"
    file.write_text(STUDY)
    for stage in ("search", "confirm", "conclude"):
        launch = service.start("launch", str(file), "--workers", "1")
        wait_for(lambda stage=stage: _begun(service, stage))
        for victim in (trainer_of(launch), worker_of(launch)) if stage != "conclude" else (worker_of(launch),):
            victim.kill()
        launch.communicate()
    output = service.run("launch", str(file), "--workers", "2")
    assert "state" in output and "done" in output

    row = service.study("stages")
    assert row.is_done
    assert row.stage_counts == {
        "search": {"complete": 2},
        "confirm": {"complete": 6},
        "conclude": {"complete": 6},
    }
    found = service.store.run(lambda connection: results.read(connection, row))
    confirming = {record.ticket: record for record in found.confirmed}
    assert found.predictions.keys() == confirming.keys()
    assert len({predictions.digest() for predictions in found.predictions.values()}) == 1
    assert [reading.outcome for reading in found.readings].count("complete") == 6
    for ticket in confirming:
        kept = torch.load(tmp_path / "results" / "stages" / "weights" / f"trial-{ticket}.pt", weights_only=True)
        assert kept["epoch"] == max(confirming[ticket].curve, key=lambda epoch: confirming[ticket].curve[epoch])
    assert not [*(service.settings.home / "checkpoints").rglob("*.pt")]
    logs = [file.read_text() for file in (service.settings.home / "logs").iterdir()]
    assert not [log for log in logs if "is trained again" in log]
    conclusion = conclude(found)
    assert conclusion.stage == "done" and conclusion.items == 150
    assert conclusion.answer in " ".join(output.split())


def _begun(service: Service, stage: str) -> bool:
    try:
        records = service.trials("stages")
    except StudyNotFound:  # it is not registered yet
        return False
    return any(record.stage == stage and record.state == "running" for record in records)
