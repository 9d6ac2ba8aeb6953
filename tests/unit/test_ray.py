"""How a Ray cluster is shared out, and what its workers are told; no cluster runs."""

import pickle
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from search.errors import StoreError
from search.settings import Settings
from search.worker.actor import errand
from search.worker.cluster import Node, Shares, refuse_other_machines, share_out

ROOT = Path(__file__).parents[2]


def node(host: str = platform.node(), **resources: float) -> Node:
    return {"NodeManagerHostname": host, "Resources": resources}


def settings(store: str | None) -> Settings:
    return Settings(home=Path("/home"), data=Path("/data"), results="/results", store=store)


@pytest.mark.parametrize(
    ("nodes", "slots_per_gpu", "expected"),
    [
        ([node(CPU=1), node(CPU=1)], 1, Shares(2, {"num_cpus": 1}, 1)),
        ([node(CPU=2)], 1, Shares(2, {"num_cpus": 1}, 1)),
        ([node(CPU=64)], 1, Shares(4, {"num_cpus": 16}, 16)),
        ([node(CPU=8), node(CPU=16)], 1, Shares(12, {"num_cpus": 2}, 2)),
        ([node(), node(CPU=8)], 1, Shares(4, {"num_cpus": 2}, 2)),
        ([node()], 1, Shares(0, {"num_cpus": 1}, 1)),
        ([node(CPU=8), node(CPU=16, GPU=2)], 1, Shares(2, {"num_gpus": 1.0, "num_cpus": 0}, 8)),
        ([node(CPU=16, GPU=2), node(CPU=4, GPU=1)], 2, Shares(6, {"num_gpus": 0.5, "num_cpus": 0}, 2)),
        ([node(GPU=1)], 1, Shares(1, {"num_gpus": 1.0, "num_cpus": 0}, 1)),
    ],
)
def test_a_cluster_is_shared_out(nodes: list[Node], slots_per_gpu: int, expected: Shares) -> None:
    assert share_out(nodes, slots_per_gpu) == expected


def test_the_embedded_store_serves_one_machine() -> None:
    refuse_other_machines([node(), node()], settings(None))
    refuse_other_machines([node(), node("elsewhere")], settings("postgresql://u:geheim@host/search"))
    with pytest.raises(StoreError, match="the Ray cluster has elsewhere: set SEARCH_STORE"):
        refuse_other_machines([node(), node("elsewhere")], settings(None))


def test_no_secret_travels() -> None:
    told = errand(settings("postgresql://u:geheim@host/search"), study="s", slot=0, threads=1, on_gpu=False)
    assert told.settings is None
    assert b"geheim" not in pickle.dumps(told)


def test_where_ray_is_not_installed() -> None:
    hidden = "import sys; sys.modules['ray'] = None; from search.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", hidden, "worker", "--ray"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'affect-search[ray]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_profile_for_compose_follows_the_workers() -> None:
    services, ray = (
        yaml.safe_load((ROOT / file).read_text())["services"] for file in ("docker-compose.yml", "compose.ray.yml")
    )
    workers, own = services["workers"], {"SEARCH_HEALTH_FILE", "SEARCH_METRICS_PORT", "SEARCH_METRICS_HOST"}
    for service in ray.values():
        for key in ("image", "user", "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period"):
            assert service[key] == workers[key]
        environment = {key: value for key, value in service["environment"].items() if key.startswith("SEARCH_")}
        expected = {key: value for key, value in workers["environment"].items() if key not in own}
        assert environment | {"SEARCH_SLOTS": "/slots"} == expected
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
