"""Workers of one machine share its slots out among themselves."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest

from search.errors import SlotError
from search.settings import Settings
from search.worker import slots
from search.worker.slots import Slot, all_slots, free_slot, numbered_slot

HOLD = """
import sys
from pathlib import Path
from threading import Event
from search.settings import Settings
from search.worker.slots import free_slot
folder = Path(sys.argv[1])
settings = Settings(folder, folder, str(folder), None, slots=folder / "slots", slots_per_gpu=1)
with free_slot(settings, Event(), on_wait=lambda: None) as slot:
    print(slot.number, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine with two GPUs, as far as the environment says."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aaaa,GPU-bbbb")
    return Settings(tmp_path, tmp_path, str(tmp_path), None, slots=tmp_path / "slots")


@pytest.fixture
def holders(settings: Settings) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that hold the two slots."""
    command = [sys.executable, "-c", HOLD, str(settings.home)]
    with ExitStack() as stack:
        started = []
        for _ in range(2):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, text=True, **pipes))  # type: ignore[call-overload]
            stack.callback(process.kill)
            process.stdout.readline()
            started.append(process)
        yield started


def test_a_gpu_is_named_to_the_process_that_trains_on_it(settings: Settings) -> None:
    first, second = all_slots(settings)
    assert first.environment == {"CUDA_VISIBLE_DEVICES": "GPU-aaaa"}
    assert (second.number, second.device) == (1, "GPU-bbbb")
    assert numbered_slot(settings, 3) == second


@pytest.mark.parametrize("visible", ["", "-1"])
def test_without_a_gpu_there_are_a_few_slots_of_processor_cores(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(slots, "cpu_cores", lambda: 16)
    assert all_slots(settings) == [Slot(number, "cpu", 4) for number in range(4)]
    assert all_slots(settings)[0].environment == {}


def test_several_slots_may_share_a_gpu(tmp_path: Path, settings: Settings) -> None:
    shared = Settings(tmp_path, tmp_path, str(tmp_path), None, slots_per_gpu=2)
    devices = [slot.device for slot in all_slots(shared)]
    assert devices == ["GPU-aaaa", "GPU-bbbb", "GPU-aaaa", "GPU-bbbb"]


def test_a_spare_waits_and_takes_over_from_a_killed_worker(
    settings: Settings, holders: list[subprocess.Popen[str]]
) -> None:
    waited = []

    def on_wait() -> None:
        waited.append(1)
        if len(waited) == 2:
            holders[0].kill()
            holders[0].wait()

    with free_slot(settings, Event(), on_wait=on_wait) as slot:
        assert slot is not None
        assert len(waited) >= 2


def test_a_spare_that_is_told_to_stop_has_no_slot(
    settings: Settings, holders: list[subprocess.Popen[str]]
) -> None:
    stopping = Event()
    with free_slot(settings, stopping, on_wait=stopping.set) as slot:
        assert slot is None


def test_a_slot_is_free_again_after_its_worker(settings: Settings) -> None:
    for _ in range(2):
        with free_slot(settings, Event(), on_wait=lambda: None) as slot:
            assert slot is not None
            assert slot.number == 0


def test_a_folder_of_locks_that_cannot_be_used_is_one_clear_message(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "slots").write_text("a file")
    with (
        pytest.raises(SlotError, match=r"can't be opened .*: set SEARCH_SLOTS"),
        free_slot(settings, Event(), on_wait=lambda: None),
    ):
        pass
