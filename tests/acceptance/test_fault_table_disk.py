"""The disk is full, checkpoints and prepared data are damaged, source data are missing."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from search.training.cache import open_prepared

from .fleet import Fleet
from .ground import Ground
from .records import RATES
from .search_worker import are_gone, may_mount

pytestmark = pytest.mark.slow

FULL = "can't be saved"


@pytest.fixture(scope="module")
def shared(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for the tests of this file."""
    fleet = Fleet(ground, tmp_path_factory.mktemp("disk") / "fleet")
    yield fleet
    fleet.close()


def fill(folder: Path) -> Path:
    """Writes a file until there is no space left."""
    file = folder / "filler"
    with pytest.raises(OSError, match="No space left"), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    return file


@pytest.mark.skipif(
    not may_mount(), reason="mounting a small disk is neither allowed to us nor in a namespace of ours"
)
def test_a_full_disk(fleet: Fleet) -> None:
    """Full for one epoch, it costs a warning; full for good, it costs the worker."""
    small = fleet.folder / "small"
    small.mkdir()
    mount = 'mount -t tmpfs -o size=512k tmpfs "$0" && exec "$@"'
    wrapper = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(small)]
    worker = fleet.start(wrapper=wrapper, SEARCH_CHECKPOINTS=str(small))
    seen_by_worker = Path(f"/proc/{worker.pid}/root", *small.parts[1:])

    fleet.register("moment", pause=0.2)
    fleet.wait_until_training("moment")
    filler = fill(seen_by_worker)
    fleet.wait(lambda: FULL in worker.log, "a warning", 30)
    names = [file.name for file in seen_by_worker.glob("moment-*/0/attempt-1/*")]
    filler.unlink()
    assert len(names) == 2
    assert all(name.endswith(".pt") for name in names)
    fleet.wait_until_done("moment")
    fleet.check_calm("moment")
    assert worker.log.count(FULL) == 1
    assert "No space left on device); training goes on" in worker.log
    assert [attempt["attempt"] for attempt in fleet.attempts("moment")] == [1]

    fleet.register("good", pause=0.1)
    fleet.wait_until_training("good", epochs=1)
    fill(seen_by_worker)
    log = worker.leaves(75)
    assert f"can't be saved in {small}/good-" in log
    assert "the third in a row: free some space there" in log
    assert fleet.attempts("good")[0]["outcome"] == "given back"
    assert fleet.trials("good")[0].state == "waiting"
    assert "the third in a row: free some space there" in fleet.run("status", "--json")
    fleet.start("--study", "good").leaves(0)
    fleet.check_calm("good")


def torn(data: bytearray) -> None:
    del data[len(data) // 2 :]


def flipped(data: bytearray) -> None:
    data[len(data) // 2] ^= 1


@pytest.mark.parametrize("damage", [torn, flipped], ids=lambda damage: damage.__name__)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    shared: Fleet, damage: Callable[[bytearray], None]
) -> None:
    shared.standing(1)
    name = damage.__name__
    shared.register(name, pause=0.1)
    shared.wait_until_training(name, epochs=3)
    worker = shared.trainer_of(name)
    trainer, supervisor = worker.trainer(), psutil.Process(worker.pid)
    supervisor.suspend()
    trainer.kill()
    shared.wait(lambda: are_gone([trainer]), "the end of the training process", 5)
    newest = max(shared.checkpoints.glob(f"{name}-*/0/attempt-1/epoch-*.pt"), key=lambda file: file.name)
    data = bytearray(newest.read_bytes())
    damage(data)
    newest.write_bytes(data)
    supervisor.resume()
    shared.wait_until_done(name)
    shared.check_calm(name)
    assert "passing over the damaged checkpoint" in worker.log
    resumed = [attempt["resumed_from"] for attempt in shared.attempts(name)]
    assert resumed == [0, int(newest.stem.removeprefix("epoch-")) - 1]


def test_damaged_prepared_data_are_prepared_again(shared: Fleet) -> None:
    shared.standing(1)
    shared.register("rotten", rates=RATES[:2])
    shared.wait_until_training("rotten")
    worker = shared.trainer_of("rotten")
    (images,) = (shared.home / "cache").glob("*/train.images")
    data = bytearray(images.read_bytes())
    data[len(data) // 2] ^= 1
    aside = images.with_name("aside")  # the process that trains keeps the sound file
    aside.write_bytes(data)
    aside.replace(images)
    worker.trainer().send_signal(signal.SIGKILL)
    shared.wait_until_done("rotten")
    shared.check_calm("rotten")
    assert "preparing the data again" in worker.log
    assert "train.images was changed" in worker.log
    assert open_prepared(images.parent).train.images.size == len(data)


def test_a_machine_without_the_data_serves_other_studies(shared: Fleet) -> None:
    shared.standing(1)
    missing = str(shared.folder / "nowhere")
    shared.register("missing", dataset={"name": "image_folder", "root": missing})
    shared.wait(lambda: missing in shared.run("status", "--json"), "the note")
    shared.register("present")
    shared.wait_until_done("present")
    shared.check_calm("present")
    log = shared.start("--study", "missing").leaves(2)
    assert f"search: {missing}" in log.splitlines()[-1]
    (trial,) = shared.trials("missing")
    assert trial.state == "waiting"
    assert shared.losses("missing") == [0]
    assert {attempt["outcome"] for attempt in shared.attempts("missing")} == {"given back"}
