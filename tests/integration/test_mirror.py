"""Checkpoints mirrored to a real S3 server, as workers on several hosts would find them there."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from search.errors import PlaceError
from search.places import Remote
from search.settings import Settings
from search.training import checkpoint
from search.training.checkpoint import Checkpoints
from search.worker import mirror
from search.worker.mirror import LocalCheckpoints, Mirror, ticket_checkpoints


class Host:
    """A machine with a disk of its own, working at one ticket."""

    def __init__(self, folder: Path, place: str, attempt: int = 1) -> None:
        self.settings = Settings(folder, folder, "results", None, checkpoints=place)
        self.attempt = attempt
        self.mirror = ticket_checkpoints(self.settings, "lr", 7, attempt)
        self.checkpoints = Checkpoints(self.mirror.folder, attempt)

    def train(self, *epochs: int, push: bool = True) -> None:
        for epoch in epochs:
            self.checkpoints.save(epoch, {"weight": torch.full((5000,), float(epoch))})
            if push:
                self.mirror.push()

    def resumed(self) -> int | None:
        """The epoch at which this host would go on, after it has fetched."""
        assert self.mirror.fetch(30)
        state = self.checkpoints.newest()
        return None if state is None else int(state["weight"][-1])

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.mirror.folder)) for path in self.mirror.folder.rglob("*.*"))


@pytest.fixture
def host(s3: Any, tmp_path: Path) -> Callable[..., Host]:
    def make(name: str, attempt: int = 1) -> Host:
        return Host(tmp_path / name, f"{s3.url}/fleet", attempt)

    return make


def stored(s3: Any) -> list[str]:
    """What the server holds of the ticket."""
    return [name.split("/lr/7/")[1] for name in s3.filesystem().find(f"{s3.url}/fleet/lr/7")]


def test_as_many_are_kept_as_training_keeps() -> None:
    assert mirror.KEPT == checkpoint.KEPT


def test_a_folder_is_written_to_directly(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home", tmp_path, "results", None)
    own = ticket_checkpoints(settings, "lr", 7, 1)
    assert own.folder == tmp_path / "home/checkpoints/lr/7"
    shared = ticket_checkpoints(replace(settings, checkpoints=str(tmp_path / "nfs")), "lr", 7, 1)
    assert shared.folder == tmp_path / "nfs/lr/7"
    assert type(own) is type(shared) is LocalCheckpoints
    Checkpoints(shared.folder, 1).save(1, {})
    shared.push()
    assert shared.fetch(1)
    assert shared.flush(1)
    shared.remove()
    assert not shared.folder.exists()
    shared.remove()


def test_a_place_that_can_not_be_used_is_refused(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, "results", None, checkpoints="nosuch://x/y")
    with pytest.raises(PlaceError, match="nosuch"):
        ticket_checkpoints(settings, "lr", 7, 1)


def test_another_host_goes_on_where_the_first_one_was(s3: Any, host: Callable[..., Host]) -> None:
    first = host("a")
    assert first.resumed() is None
    first.train(1, 2, 3)
    assert first.mirror.flush(30)
    second = host("b", attempt=2)
    assert second.files() == []
    assert second.resumed() == 3
    second.train(4)
    assert second.mirror.flush(30)
    assert stored(s3) == ["attempt-1/epoch-000003.pt", "attempt-2/epoch-000004.pt"]
    second.train(5)
    assert second.mirror.flush(30)
    assert stored(s3) == ["attempt-2/epoch-000004.pt", "attempt-2/epoch-000005.pt"]
    assert host("c", attempt=3).resumed() == 5


def test_what_is_here_already_is_not_fetched_again(s3: Any, host: Callable[..., Host]) -> None:
    first = host("a")
    first.train(1, 2)
    assert first.mirror.flush(30)
    first.train(3, push=False)
    before = {path: path.stat().st_ino for path in first.mirror.folder.rglob("*.pt")}
    again = host("a", attempt=2)
    assert again.resumed() == 3
    assert {path: path.stat().st_ino for path in again.mirror.folder.rglob("*.pt")} == before


def test_the_newest_two_are_fetched_and_nothing_half(s3: Any, host: Callable[..., Host]) -> None:
    first = host("a")
    for epoch in (1, 2, 3):
        first.train(epoch)
        assert first.mirror.flush(30)
    for name in ("attempt-1/epoch-000001.pt", "attempt-9/epoch-000099.pt", "attempt-1/epoch-000003.tmp", "note"):
        s3.filesystem().pipe_file(f"{s3.url}/fleet/lr/7/{name}", b"foreign")
    second = host("b", attempt=2)
    assert second.resumed() == 3
    assert second.files() == ["attempt-1/epoch-000002.pt", "attempt-1/epoch-000003.pt"]


@pytest.mark.parametrize("damage", [lambda data: data[:-500], lambda data: data[:900] + b"?" + data[901:]])
def test_a_damaged_file_there_is_passed_over(s3: Any, host: Callable[..., Host], damage: Any) -> None:
    first = host("a")
    for epoch in (1, 2):
        first.train(epoch)
        assert first.mirror.flush(30)
    newest = f"{s3.url}/fleet/lr/7/attempt-1/epoch-000002.pt"
    s3.filesystem().pipe_file(newest, damage(s3.filesystem().cat_file(newest)))
    assert host("b", attempt=2).resumed() == 1


def test_a_file_damaged_here_is_fetched_from_there(host: Callable[..., Host]) -> None:
    first = host("a")
    first.train(1, 2)
    assert first.mirror.flush(30)
    for path in first.mirror.folder.rglob("*.pt"):
        path.write_bytes(path.read_bytes()[:100])
    assert host("a", attempt=2).resumed() == 2


def test_pushing_never_waits_and_skips_what_is_superseded(s3: Any, host: Callable[..., Host]) -> None:
    first = host("a")
    started = time.monotonic()
    for epoch in range(1, 31):
        first.checkpoints.save(epoch, {"weight": torch.zeros(10)})
        first.mirror.push()
    assert time.monotonic() - started < 5
    assert first.mirror.flush(30)
    assert stored(s3)[-1] == "attempt-1/epoch-000030.pt"
    assert len(stored(s3)) <= 2


def test_a_server_gone_in_the_middle_holds_nothing_up(
    s3: Any, host: Callable[..., Host], caplog: pytest.LogCaptureFixture
) -> None:
    first = host("a")
    first.train(1)
    assert first.mirror.flush(30)
    s3.stop()
    try:
        started = time.monotonic()
        first.train(2, 3)
        assert time.monotonic() - started < 1
        assert not first.mirror.flush(3)
        assert time.monotonic() - started < 10
        assert host("b", attempt=2).resumed() is None
    finally:
        s3.start()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ["can't be changed" in warning for warning in warnings] == [True, False]
    assert "every epoch is another chance" in warnings[0]
    assert "starts from what this machine holds" in warnings[1]
    assert all(os.environ["AWS_SECRET_ACCESS_KEY"] not in warning for warning in warnings)
    assert all("EndpointConnectionError" in warning and "\n" not in warning for warning in warnings)
    first.train(4)
    assert first.mirror.flush(30)
    assert stored(s3)[-1] == "attempt-1/epoch-000004.pt"
    assert len(stored(s3)) == 2  # epoch 1, or 3 where its upload was still being tried
    assert host("c", attempt=2).resumed() == 4


def test_a_flush_waits_for_a_server_that_comes_back(s3: Any, host: Callable[..., Host]) -> None:
    first = host("a")
    s3.stop()
    try:
        first.train(1)
        time.sleep(1.5)
    finally:
        s3.start()
    assert first.mirror.flush(20)
    assert stored(s3) == ["attempt-1/epoch-000001.pt"]


def test_a_silent_server_holds_nothing_up(tmp_path: Path) -> None:
    """One that accepts connections and never answers; through a filesystem of its own with that address."""
    import s3fs

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        filesystem = s3fs.S3FileSystem(endpoint_url=address, key="key", secret="secret", skip_instance_cache=True)
        mute = Mirror(tmp_path / "7", Remote("s3://b/7", filesystem, "b/7"), 1)
        Checkpoints(mute.folder, 1).save(1, {})
        started = time.monotonic()
        assert not mute.fetch(0.2)
        mute.push()
        assert not mute.flush(0.2)
        assert time.monotonic() - started < 2


UPLOADER = """
import sys, time, torch
from pathlib import Path
from search.settings import Settings
from search.training.checkpoint import Checkpoints
from search.worker.mirror import ticket_checkpoints
settings = Settings(Path(sys.argv[1]), Path(sys.argv[1]), "results", None, checkpoints=sys.argv[2])
mirror = ticket_checkpoints(settings, "lr", 7, 1)
for epoch in (1, 2):
    Checkpoints(mirror.folder, 1).save(epoch, {"weight": torch.full((10_000_000,), float(epoch))})
    mirror.push()
    if epoch == 1:
        assert mirror.flush(60)
print("uploading", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_a_kill_in_mid_upload_leaves_a_whole_one(
    s3: Any, host: Callable[..., Host], tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    command = [sys.executable, "-c", UPLOADER, str(tmp_path / "a"), f"{s3.url}/fleet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "uploading\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    assert host("b", attempt=2).resumed() in (1, 2)
    assert "damaged" not in caplog.text


def test_the_end_of_a_ticket_leaves_nothing(s3: Any, host: Callable[..., Host]) -> None:
    first = host("a")
    first.train(1, 2)
    assert first.mirror.flush(30)
    second = host("b", attempt=2)
    assert second.resumed() == 2
    second.train(3)
    second.mirror.remove()
    assert s3.filesystem().find(s3.url) == []
    assert not second.mirror.folder.exists()
    host("c", attempt=3).mirror.remove()


def test_a_folder_that_can_not_be_removed_is_told(
    s3: Any, host: Callable[..., Host], caplog: pytest.LogCaptureFixture
) -> None:
    first = host("a")
    first.train(1)
    assert first.mirror.flush(30)
    s3.stop()
    try:
        first.mirror.remove()
    finally:
        s3.start()
    assert f"{s3.url}/fleet/lr/7 can't be changed" in caplog.text
    assert "remove it by hand" in caplog.text
    assert not first.mirror.folder.exists()


def test_a_zombie_touches_nothing_of_later_attempts(s3: Any, host: Callable[..., Host]) -> None:
    zombie = host("a")
    zombie.train(1, 2)
    assert zombie.mirror.flush(30)
    second = host("b", attempt=2)
    assert second.resumed() == 2
    second.train(3, 4)
    assert second.mirror.flush(30)
    before = [name for name in stored(s3) if name.startswith("attempt-2")]
    zombie.train(3, 4, 5, 6)
    assert zombie.mirror.flush(30)
    assert [name for name in stored(s3) if name.startswith("attempt-2")] == before
    assert "attempt-2/epoch-000004.pt" in before
    assert host("c", attempt=3).resumed() == 6


def test_from_scratch_the_better_checkpoints_of_before_are_kept(s3: Any, host: Callable[..., Host]) -> None:
    first = host("a")
    for epoch in (4, 5):
        first.train(epoch)
        assert first.mirror.flush(30)
    second = host("b", attempt=2)  # and could not fetch
    second.train(1)
    assert second.mirror.flush(30)
    assert stored(s3) == [
        "attempt-1/epoch-000004.pt",
        "attempt-1/epoch-000005.pt",
        "attempt-2/epoch-000001.pt",
    ]
    shutil.rmtree(second.mirror.folder)
    assert host("b", attempt=3).resumed() == 5
