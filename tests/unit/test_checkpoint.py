import logging
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

from search.errors import CheckpointError
from search.training.checkpoint import Checkpoints


def state(epoch: int) -> dict[str, object]:
    weights = torch.full((1000,), float(epoch))
    return {"model": {"weight": weights}, "history": [{"number": epoch, "metrics": {"accuracy": 0.5}}]}


def epoch_of(checkpoints: Checkpoints) -> int | None:
    found = checkpoints.newest()
    return None if found is None else int(found["model"]["weight"][0])


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoints:
    """Three epochs of attempt 1."""
    checkpoints = Checkpoints(tmp_path, attempt=1)
    for epoch in (1, 2, 3):
        checkpoints.save(epoch, state(epoch))
    return checkpoints


def newest_file(saved: Checkpoints) -> Path:
    return saved.folder / "attempt-1" / "epoch-000003.pt"


def test_a_full_disk_is_a_warning_until_the_third_time_in_a_row(
    saved: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    own = saved.folder / "attempt-1"
    for epoch in (4, 5, 6):
        (own / f"epoch-{epoch:06}.tmp").symlink_to("/dev/full")
    saved.try_to_save(4, state(4))
    saved.try_to_save(5, state(5))
    assert "epoch 5 can't be saved" in caplog.text
    assert "No space left on device); training goes on" in caplog.text
    assert epoch_of(saved) == 3
    with pytest.raises(CheckpointError, match="the third in a row: free some space there"):
        saved.try_to_save(6, state(6))
    assert epoch_of(saved) == 3


def test_a_save_that_works_starts_the_count_anew(saved: Checkpoints) -> None:
    own = saved.folder / "attempt-1"
    for epoch in (4, 5, 6, 7, 8):
        if epoch != 6:
            (own / f"epoch-{epoch:06}.tmp").symlink_to("/dev/full")
        saved.try_to_save(epoch, state(epoch))
    assert epoch_of(saved) == 6


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent", attempt=1).newest() is None


def test_the_newest_comes_back_whole_and_two_are_kept(saved: Checkpoints) -> None:
    found = saved.newest()
    assert found is not None
    assert torch.equal(found["model"]["weight"], torch.full((1000,), 3.0))
    assert found["history"] == [{"number": 3, "metrics": {"accuracy": 0.5}}]
    assert files(saved.folder) == ["attempt-1/epoch-000002.pt", "attempt-1/epoch-000003.pt"]


def test_a_later_attempt_reads_earlier_ones_and_writes_its_own_folder(saved: Checkpoints) -> None:
    second = Checkpoints(saved.folder, attempt=2)
    assert epoch_of(second) == 3
    second.save(4, state(4))
    assert files(saved.folder) == ["attempt-1/epoch-000003.pt", "attempt-2/epoch-000004.pt"]
    second.save(5, state(5))
    assert files(saved.folder) == ["attempt-2/epoch-000004.pt", "attempt-2/epoch-000005.pt"]


def test_an_attempt_sees_and_clears_nothing_of_later_ones(saved: Checkpoints) -> None:
    Checkpoints(saved.folder, attempt=2).save(9, state(9))
    saved.save(4, state(4))
    assert epoch_of(saved) == 4
    assert "attempt-2/epoch-000009.pt" in files(saved.folder)


def test_attempts_sort_by_number_not_by_text(saved: Checkpoints) -> None:
    for attempt in (9, 10):
        Checkpoints(saved.folder, attempt).save(7, {"model": {"weight": torch.full((10,), float(attempt))}})
    assert epoch_of(Checkpoints(saved.folder, attempt=10)) == 10


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_falls_back_to_the_one_before(
    saved: Checkpoints, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = newest_file(saved)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with caplog.at_level(logging.WARNING):
        assert epoch_of(saved) == 2
    assert str(path) in caplog.text


def test_a_flipped_bit_in_the_weights_falls_back(saved: Checkpoints) -> None:
    path = newest_file(saved)
    content = bytearray(path.read_bytes())
    middle = content.index(torch.full((1,), 3.0).numpy().tobytes() * 100) + 200
    content[middle] ^= 1
    path.write_bytes(content)
    assert torch.load(path)["model"]["weight"].eq(3).all().item() is False  # torch alone does not notice
    assert epoch_of(saved) == 2


def test_a_zeroed_page_falls_back(saved: Checkpoints) -> None:
    path = newest_file(saved)
    content = bytearray(path.read_bytes())
    start = content.index(torch.full((1,), 3.0).numpy().tobytes() * 100)
    content[start : start + 1024] = bytes(1024)
    path.write_bytes(content)
    assert epoch_of(saved) == 2


def test_all_damaged_is_none(saved: Checkpoints) -> None:
    for path in saved.folder.rglob("*.pt"):
        path.write_bytes(b"not a checkpoint")
    assert saved.newest() is None


class Malicious:
    """Unpickled, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_malicious_pickle_is_not_run(saved: Checkpoints, tmp_path: Path) -> None:
    target = tmp_path / "made-by-pickle"
    torch.save({"model": Malicious(target)}, newest_file(saved))
    with zipfile.ZipFile(newest_file(saved)) as archive:
        assert archive.testzip() is None
    assert epoch_of(saved) == 2
    newest_file(saved).write_bytes(pickle.dumps(Malicious(target)))
    assert epoch_of(saved) == 2
    assert not target.exists()


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120)


def test_a_full_disk_leaves_no_trace_and_the_old_ones_stand(saved: Checkpoints) -> None:
    script = """
import resource, sys, torch
from pathlib import Path
from search.errors import CheckpointError
from search.training.checkpoint import Checkpoints
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    Checkpoints(Path(sys.argv[1]), 1).save(4, {"weight": torch.zeros(100_000)})
except OSError as error:
    print(error.errno)
"""
    before = files(saved.folder)
    finished = run(script, str(saved.folder))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip().isdigit()
    assert files(saved.folder) == before
    assert epoch_of(saved) == 3


def test_kill_in_mid_save_leaves_a_whole_one(tmp_path: Path) -> None:
    script = """
import sys, torch
from pathlib import Path
from search.errors import CheckpointError
from search.training.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), 1)
epoch = 0
while True:
    epoch += 1
    checkpoints.save(epoch, {"model": {"weight": torch.full((2_000_000,), float(epoch))}})
    print(epoch, flush=True)
"""
    for attempt, wanted in ((1, 3), (2, 5)):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert writer.stdout is not None
        with writer, writer.stdout:
            last = 0
            while last < wanted:
                last = int(writer.stdout.readline())
            while not list(tmp_path.rglob("*.tmp")):
                time.sleep(0.0005)
            writer.send_signal(signal.SIGKILL)
        checkpoints = Checkpoints(tmp_path, attempt)
        found = checkpoints.newest()
        assert found is not None
        assert found["model"]["weight"].unique().tolist() == [float(int(found["model"]["weight"][0]))]
        assert int(found["model"]["weight"][0]) >= last
    checkpoints.save(1000, state(1000))
    assert not list(tmp_path.rglob("*.tmp"))
