"""A Ray cluster: how it is reached or started, and how it is shared out among workers."""

import logging
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from search.errors import StoreError, WorkerError
from search.settings import Settings
from search.worker.slots import CPU_SLOTS

AUTO = "auto"  # the cluster of RAY_ADDRESS or of this machine; a new one where there is none
LOCAL = "local"  # a new cluster of this machine, which ends with this process

ANSWER_SECONDS = 10.0  # how long a cluster may take to accept a connection
OBJECT_STORE_BYTES = 100 * 2**20  # no data goes through Ray

Node = dict[str, Any]


@dataclass(frozen=True)
class Shares:
    """What a cluster has for workers.

    count: how many workers it has room for.
    resources: what Ray is to set aside for each, as options of an actor.
    threads: CPU threads that each computes with; the same everywhere, so that results are, too.
    """

    count: int
    resources: dict[str, float]
    threads: int

    @property
    def on_gpus(self) -> bool:
        return "num_gpus" in self.resources


def share_out(nodes: list[Node], slots_per_gpu: int) -> Shares:
    """GPUs are shared out where the cluster has any; else its CPUs, the smallest node's among a few workers."""
    with_gpus = [node["Resources"] for node in nodes if node["Resources"].get("GPU", 0) >= 1]
    if with_gpus:
        count = sum(int(has["GPU"]) for has in with_gpus) * slots_per_gpu
        cores = min(int(has.get("CPU", 0)) // (int(has["GPU"]) * slots_per_gpu) for has in with_gpus)
        return Shares(count, {"num_gpus": 1 / slots_per_gpu, "num_cpus": 0}, max(1, cores))
    cpus = [int(node["Resources"].get("CPU", 0)) for node in nodes]
    cores = max(1, min(filter(None, cpus), default=1) // CPU_SLOTS)
    return Shares(sum(has // cores for has in cpus), {"num_cpus": cores}, cores)


def living_nodes() -> list[Node]:
    nodes: list[Node] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]


def refuse_other_machines(nodes: list[Node], settings: Settings) -> None:
    """Raises StoreError where the cluster reaches beyond this machine and the embedded store does not."""
    here = platform.node()
    others = sorted({node["NodeManagerHostname"] for node in nodes} - {here})
    if settings.store is None and others:
        raise StoreError(
            f"the embedded database serves {here} alone, and the Ray cluster has {', '.join(others)}: set "
            "SEARCH_STORE to a Postgres server that all of them reach, here and where Ray is started on each."
        )


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connects to the cluster of an address, to that of this machine (`auto`), or to a new one (`local`).

    address: HOST:PORT on a node of the cluster, ray://HOST:PORT elsewhere.

    Raises WorkerError where no cluster answers, or one of another version.
    """
    named = os.environ.get("RAY_ADDRESS") or AUTO if address == AUTO else address
    try:
        _connect(named)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise WorkerError(
            f"no Ray cluster to work with at {named}: {error}. Does it run, with Ray {ray.__version__}, and are "
            "RAY_AUTH_MODE and the token here the same as there?"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    if address == AUTO:
        try:
            return _init(AUTO)
        except ConnectionError:
            address = LOCAL
    if address == LOCAL:
        return _init(LOCAL, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), ANSWER_SECONDS).close()  # Ray itself would try for minutes
    return _init(address)


def _init(address: str, **options: Any) -> None:
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
