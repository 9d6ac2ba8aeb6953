"""Preparation that is really killed, at any call that touches the disk, and ends as if nothing had happened."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from search import catalog
from search.data import Splits
from search.errors import CacheError, DatasetError
from search.training import fill
from search.training.cache import open_prepared, prepare
from search.training.sealed import MANIFEST

SETTINGS: dict[str, Any] = {
    "name": "faces",
    "image_size": 16,
    "validation_share": 0.2,
    "split_seed": 0,
    "bad_share": 0.1,
}
TRAIN, TEST, CHUNK = 60, 20, 8
# Python's audit events, at each of which a process is killed: what opens, renames or removes a file.
TOUCHING = ("open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "shutil.rmtree")

forking = multiprocessing.get_context("fork")


def splits() -> Splits:
    load = catalog.dataset("synthetic_faces")
    return load(Path(), images=TRAIN, test_images=TEST, subjects=12)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "CHUNK", CHUNK)


def prepare_and_die(cache: Path, event: int | None, chunk: int | None, log: Path) -> None:
    """In a process of its own: prepare, and be killed at an event within `cache`, or once a chunk is done."""
    seen = 0

    def watch(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if name in TOUCHING and str(cache) in str(arguments[0]):
            seen += 1
            if seen == event:
                os.kill(os.getpid(), signal.SIGKILL)

    def progress(done: int, total: int) -> None:
        with log.open("a") as file:
            file.write(f"{done} ")
        if chunk is not None and done >= chunk * CHUNK:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    prepare(splits(), cache=cache, progress=progress, **SETTINGS)
    log.with_suffix(".events").write_text(str(seen))


def run(cache: Path, log: Path, event: int | None = None, chunk: int | None = None) -> int:
    log.unlink(missing_ok=True)
    process = forking.Process(target=prepare_and_die, args=(cache, event, chunk, log))
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def reported(log: Path) -> list[int]:
    return [int(count) for count in log.read_text().split()]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder; of the manifest, all but the times of change."""
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    manifest = json.loads(files[MANIFEST])
    for file in manifest["files"].values():
        del file["modified"]
    # A .npz is a zip archive, whose entries carry no time of their own when numpy writes them.
    return files | {MANIFEST: json.dumps(manifest).encode()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fill, "CHUNK", CHUNK)
        return contents(prepare(splits(), cache=tmp_path_factory.mktemp("undisturbed"), **SETTINGS))


def the_folder(cache: Path) -> Path:
    (folder,) = (path for path in cache.iterdir() if not path.name.startswith("."))
    return folder


def test_killed_again_and_again_it_goes_on_where_it_was(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    done = 0
    for chunk in (1, 4, 9):
        assert run(cache, log, chunk=chunk) == -signal.SIGKILL
        assert reported(log)[0] == (done or CHUNK)
        done = reported(log)[-1]
    assert run(cache, log) == 0
    # The bar goes on from the chunks that are there: those of train, then those of test.
    assert reported(log)[:2] == [TRAIN, done]
    assert reported(log)[-1] == TRAIN + TEST
    assert contents(the_folder(cache)) == undisturbed
    assert not list(cache.glob(".*.filling"))


def test_killed_at_every_touch_of_the_disk_it_ends_with_the_same_files(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    log = tmp_path / "log"
    assert run(tmp_path / "whole", log) == 0
    events = int(log.with_suffix(".events").read_text())
    assert events > 40
    for event in range(1, events + 1):
        cache = tmp_path / f"cache-{event}"
        assert run(cache, log, event=event) == -signal.SIGKILL
        assert run(cache, log) == 0, event
        assert contents(the_folder(cache)) == undisturbed, event
        assert not list(cache.glob(".*.filling"))
        shutil.rmtree(cache)


def aside(cache: Path) -> Path:
    (folder,) = cache.glob(".*.filling")
    return folder


def flip(file: Path, at: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(at * len(content))] ^= 1
    file.write_bytes(content)


def cut(file: Path, at: float) -> None:
    file.write_bytes(file.read_bytes()[: int(at * file.stat().st_size)])


CHUNKS_DONE = 6  # of train, when the process of the next test is killed


@pytest.mark.parametrize(
    ("damage", "name", "kept"),
    [
        (partial(flip, at=0.55), "train.decoded", 3),
        (partial(cut, at=0.4), "train.decoded", 2),
        (partial(flip, at=0.6), "train.journal", 3),
        (partial(cut, at=0.99), "train.journal", 5),
        (Path.unlink, "train.decoded", 0),
        (Path.unlink, "train.journal", 0),
        (lambda file: file.write_bytes(file.read_bytes() + b"\0" * 99), "train.decoded", 6),
    ],
)
def test_damaged_partial_work_is_done_again(
    tmp_path: Path, undisturbed: dict[str, bytes], damage: Callable[[Path], object], name: str, kept: int
) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    assert run(cache, log, chunk=CHUNKS_DONE) == -signal.SIGKILL
    damage(aside(cache) / name)
    assert run(cache, log) == 0
    assert reported(log)[0] == CHUNK * max(kept, 1)
    assert contents(the_folder(cache)) == undisturbed


def test_a_folder_damaged_between_its_seal_and_its_name_is_filled_anew(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    cache = tmp_path / "cache"
    folder = prepare(splits(), cache=cache, **SETTINGS)
    flip(folder / "train.images", 0.5)
    folder.rename(cache / f".{folder.name}.filling")
    assert contents(prepare(splits(), cache=cache, **SETTINGS)) == undisturbed


def test_interrupted_by_hand_it_goes_on_but_refused_data_leave_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(splits(), cache=tmp_path, progress=interrupt, **SETTINGS)
    assert (aside(tmp_path) / "train.decoded").stat().st_size == CHUNK * 16 * 16 * 3

    def refuse(done: int, total: int) -> None:
        raise DatasetError("refused")

    def fail(done: int, total: int) -> None:
        raise OSError("no space")

    for stop, error in ((refuse, DatasetError), (fail, CacheError)):
        with pytest.raises(error):
            prepare(splits(), cache=tmp_path, progress=stop, **SETTINGS)
        assert not list(tmp_path.glob(".*.filling"))


def test_only_a_touched_file_is_read_whole_at_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that opening follows for files too large to be read every time."""
    folder = prepare(splits(), cache=tmp_path, **SETTINGS)
    monkeypatch.setattr("search.training.sealed.SMALL", 0)
    file = folder / "train.images"
    before = file.stat()
    open_prepared(folder)
    os.utime(file)  # touched, not changed
    open_prepared(folder)
    flip(file, 0.5)
    with pytest.raises(CacheError, match=r"train\.images was changed"):
        open_prepared(folder)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # what the rule can't see
    open_prepared(folder)
    cut(file, 0.9)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(CacheError, match=r"train\.images was changed"):
        open_prepared(folder)
