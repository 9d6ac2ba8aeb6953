"""Which faults strike when, and whom: drawn from a seed, so that both sides meet the same storm."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

LEASE_SECONDS = 4.0  # of the service; stock Optuna's grace period
STALL_SECONDS = 15.0  # without progress in training


class Kind(StrEnum):
    """What can go wrong."""

    KILL_WORKER = "worker killed with -9"
    KILL_TRAINER = "training process killed with -9"
    KILL_BOTH = "worker and its training process killed with -9"
    TERMINATE = "worker stopped with SIGTERM"
    INTERRUPT_TWICE = "Ctrl-C twice"
    SUSPEND_WORKER = "worker suspended for longer than its lease"
    SUSPEND_TRAINER = "training process suspended until it counts as hung"
    HALF_OPEN = "network half-open for longer than the lease"
    DAMAGE = "newest checkpoint damaged, training process killed with -9"
    DISK_FULL = "no room for checkpoints for a while"
    DATABASE_RESTART = "Postgres restarted (fast)"
    DATABASE_CRASH = "Postgres crashed"
    DATABASE_GONE = "Postgres gone for longer than the lease"
    CONNECTIONS = "connections ended in mid-transaction"


# How long each lasts, in seconds; the others are over at once.
DURATIONS = {
    Kind.SUSPEND_WORKER: (1.5 * LEASE_SECONDS, 2.5 * LEASE_SECONDS),
    Kind.SUSPEND_TRAINER: (STALL_SECONDS + 2.0, STALL_SECONDS + 5.0),
    Kind.HALF_OPEN: (1.5 * LEASE_SECONDS, 2.5 * LEASE_SECONDS),
    Kind.DISK_FULL: (2.0, 6.0),
    Kind.DATABASE_CRASH: (0.0, 2.0),
    Kind.DATABASE_GONE: (1.5 * LEASE_SECONDS, 2.5 * LEASE_SECONDS),
    Kind.CONNECTIONS: (1.0, 1.0),
}
OF_DATABASE = frozenset(
    {Kind.DATABASE_RESTART, Kind.DATABASE_CRASH, Kind.DATABASE_GONE, Kind.CONNECTIONS}
)  # these strike every worker


@dataclass(frozen=True)
class Fault:
    """One fault: when (`at`) and for how long, in seconds of the storm; `victim` counts workers from 0."""

    kind: Kind
    at: float
    seconds: float
    victim: int
    draw: float  # in [0, 1): what else is left to chance, such as the place of a damage


def storm(seed: int, *, minutes: float, workers: int, gap: tuple[float, float] = (2.0, 8.0)) -> Iterator[Fault]:
    """The faults of a storm in their order, every kind equally often.

    gap: seconds between a fault and the next; a fault of the database is over before the next one comes.
    """
    chance = random.Random(seed)
    deck: list[Kind] = []
    at = 0.0
    while True:
        at += chance.uniform(*gap)
        if at > 60 * minutes:
            return
        deck = deck or chance.sample([*Kind], len(Kind))
        kind = deck.pop()
        seconds = chance.uniform(*DURATIONS.get(kind, (0.0, 0.0)))
        yield Fault(kind, at, seconds, chance.randrange(workers), chance.random())
        if kind in OF_DATABASE:
            at += seconds
