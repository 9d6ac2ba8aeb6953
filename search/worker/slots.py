"""Slots: what one worker trains on. One for each GPU, or several; without any, one for each of a few cores.

Workers of one machine, in containers too, share a folder in which each locks the slot it takes. The kernel frees
the lock of one that dies, so a spare worker takes over at once.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pynvml

from search.errors import SlotError
from search.settings import Settings

CPU_SLOTS = 4  # at most, where there is no GPU
LOOK_SECONDS = 1.0  # between looks for a free slot


@dataclass(frozen=True)
class Slot:
    """A share of this machine.

    number: counts from 0.
    device: `cpu`, or what CUDA_VISIBLE_DEVICES must be, such as a GPU's UUID.
    threads: CPU threads to compute with.
    """

    number: int
    device: str
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this slot must see before it loads CUDA."""
        return {} if self.device == "cpu" else {"CUDA_VISIBLE_DEVICES": self.device}


def cpu_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def all_slots(settings: Settings) -> list[Slot]:
    """Every slot of this machine, the processor cores shared out evenly."""
    devices = gpus() * settings.slots_per_gpu or ["cpu"] * min(CPU_SLOTS, cpu_cores())
    threads = max(1, cpu_cores() // len(devices))
    return [Slot(number, device, threads) for number, device in enumerate(devices)]


def gpus() -> list[str]:
    """The GPUs that this process may use: those CUDA_VISIBLE_DEVICES names, or the UUIDs of all."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        return []
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    finally:
        pynvml.nvmlShutdown()


def numbered_slot(settings: Settings, number: int) -> Slot:
    """The slot of that number, counted on from the first again where there are fewer."""
    slots = all_slots(settings)
    return slots[number % len(slots)]


@contextmanager
def free_slot(settings: Settings, stopping: Event, *, on_wait: Callable[[], None]) -> Iterator[Slot | None]:
    """The first slot that no other worker of this machine has, kept until the end; None when told to stop first.

    on_wait: called about once a second while every slot is taken.

    Raises SlotError where the folder of locks can't be used.
    """
    while not stopping.is_set():
        for slot in all_slots(settings):
            lock = _lock(_lock_file(settings.slots, slot))
            if lock is not None:
                try:
                    yield slot
                finally:
                    os.close(lock)
                return
        on_wait()
        stopping.wait(LOOK_SECONDS)
    yield None


def _lock_file(folder: Path, slot: Slot) -> Path:
    return folder / f"{slot.number}-{re.sub(r'[^A-Za-z0-9-]', '_', slot.device)}.lock"


def _lock(file: Path) -> int | None:
    """A descriptor that holds the file's lock; None where another process has it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SlotError(
            f"{file} can't be opened ({error.strerror}): set SEARCH_SLOTS to a folder of yours."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
