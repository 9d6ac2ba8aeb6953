"""The fleet in containers, as docker-compose.yml makes it. The tests are steps of one story, in this order."""

import base64
import http.client
import json
import re
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.worker.slots import CPU_SLOTS, cpu_cores

from .stack import Stack, docker, free_port, has_docker, wait_for

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not has_docker(), reason="no Docker daemon answers"),
]

TICKETS, EPOCHS = 12, 20
LEASE_SECONDS = 10
SLOTS = min(CPU_SLOTS, cpu_cores())  # the base file gives no GPU to a container

STUDY = f"""
name: story
question: Does a fleet in containers lose anything?
dataset: {{name: synthetic_faces, image_size: 32, images: 1000, test_images: 50}}
model: {{name: small_cnn, widths: [8, 16, 32]}}
objective: accuracy
training: {{epochs: {EPOCHS}, batch_size: 16}}
space:
  lr: {{role: scientific, grid: "{TICKETS} points from 1e-4 to 1e-1, log"}}
sampler: grid
budget: {{trials: {TICKETS}}}
confirm: {{seeds: 0}}
"""

# Stands for the public image where no registry is reached.
CADDY = """
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends caddy
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    data = tmp_path_factory.mktemp("data")
    stack = Stack(
        "docker-compose.yml",
        DATA_DIR=str(data),
        DASHBOARD_PORT=str(free_port()),
        PROXY_PORT=f"127.0.0.1:{free_port()}",
        SITE="localhost",
        SEARCH_LEASE_SECONDS=str(LEASE_SECONDS),
    )
    stack("build", "dashboard", "workers")
    yield stack
    stack.remove()


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("study") / "story.yaml"
    file.write_text(STUDY)
    file.chmod(0o644)
    return file


def tell(text: str) -> None:
    print(f"\n{text}", flush=True)


def told(stack: Stack, command: str) -> Any:
    """What `search COMMAND story --json` says, asked in the dashboard's container."""
    return json.loads(docker("exec", stack.containers("dashboard")[0], "search", command, "story", "--json"))


def training(stack: Stack) -> dict[str, int]:
    """The tickets of trials with an epoch behind them and half still to come, by their worker's container."""
    under_way = {
        trial["worker"]: trial["ticket"]
        for trial in told(stack, "show")
        if trial["state"] == "running" and 1 <= len(trial["curve"]) <= EPOCHS / 2
    }
    containers = stack.containers("workers")
    return {c: ticket for name, ticket in under_way.items() for c in containers if name.startswith(c[:12])}


def has_slot(stack: Stack, container: str) -> bool:
    return re.search(r"\bslot \d+: ", stack.logs(container)) is not None


def test_one_command_starts_workers_on_a_fresh_host(stack: Stack) -> None:
    begun = time.monotonic()
    stack("up", "-d", "workers")
    wait_for(lambda: all(has_slot(stack, worker) for worker in stack.containers("workers")), "a slot")
    tell(f"up workers, nothing there: {time.monotonic() - begun:.1f} s until a worker looks for work")
    ended = {
        service: json.loads(docker("inspect", stack.containers(service, running=False)[0]))[0]["State"]["ExitCode"]
        for service in ("secrets", "migrate")
    }
    assert ended == {"secrets": 0, "migrate": 0}
    assert len(stack.containers("workers")) == 1


def test_a_study_is_launched_from_inside(stack: Stack, study_file: Path) -> None:
    assert "registered" in stack.search("launch", "/study.yaml", file=study_file)
    (worker,) = stack.containers("workers")
    wait_for(lambda: "training begins" in stack.logs(worker), "training")


def test_down_and_up_go_on_within_seconds(stack: Stack) -> None:
    stack("up", "-d", "dashboard")
    wait_for(lambda: training(stack), "an epoch")
    stack("down")
    begun = time.monotonic()
    stack("up", "-d", "workers")
    up = time.monotonic() - begun
    wait_for(lambda: "training begins" in stack.logs(stack.containers("workers")[0]), "training")
    seconds = time.monotonic() - begun
    tell(f"up workers, images built: {seconds:.1f} s to the first training step, {up:.1f} s of them compose's")
    assert seconds < 60  # the goal is 30, on a machine that does nothing else
    stack("up", "-d", "dashboard")
    assert "lost" not in [outcome for trial in told(stack, "show") for outcome in outcomes(trial)]


def test_a_spare_takes_the_slot_of_a_killed_worker(stack: Stack) -> None:
    stack("up", "-d", "--no-recreate", "--scale", f"workers={SLOTS + 1}", "workers")
    workers = stack.containers("workers")
    assert len(workers) == SLOTS + 1
    wait_for(lambda: sum(has_slot(stack, worker) for worker in workers) == SLOTS, "a worker in every slot")
    time.sleep(3)
    (spare,) = (worker for worker in workers if not has_slot(stack, worker))
    victim, ticket = next(iter(wait_for(lambda: training(stack), "an epoch").items()))
    begun = time.monotonic()
    docker("kill", victim)
    wait_for(lambda: has_slot(stack, spare), "the spare's turn")
    tell(f"docker kill: the spare has the slot {time.monotonic() - begun:.1f} s later")
    assert state(victim)["ExitCode"] == 137
    wait_for(lambda: "lost" in outcomes(told(stack, "show")[ticket]), "the ticket's return")
    tell(f"docker kill: its ticket is free {time.monotonic() - begun:.1f} s later (lease {LEASE_SECONDS} s)")


def test_a_stopped_worker_gives_its_ticket_back_at_once(stack: Stack) -> None:
    victim, ticket = next(iter(wait_for(lambda: training(stack), "an epoch").items()))
    begun = time.monotonic()
    docker("stop", "-t", "90", victim)
    seconds = time.monotonic() - begun
    tell(f"docker stop: {seconds:.1f} s, exit code {state(victim)['ExitCode']}")
    assert state(victim)["ExitCode"] == 0
    assert seconds < 30
    assert "given back" in outcomes(told(stack, "show")[ticket])
    docker("start", victim)


def test_nobody_minds_a_restart_of_the_database(stack: Stack) -> None:
    wait_for(lambda: training(stack), "an epoch")
    workers = stack.containers("workers")
    (database,) = stack.containers("db")
    docker("restart", database)
    assert "database system is shut down" in stack.logs(database)
    wait_for(lambda: [trial for trial in told(stack, "show") if trial["state"] == "running"], "the next look")
    assert stack.containers("workers") == workers
    assert [state(worker)["Status"] for worker in workers] == ["running"] * len(workers)


def test_every_ticket_is_done_exactly_once(stack: Stack) -> None:
    wait_for(lambda: told(stack, "status")["is_done"], "the end of the study", 900)
    trials = told(stack, "show")
    assert [trial["ticket"] for trial in trials] == [*range(TICKETS)]
    assert {trial["state"] for trial in trials} == {"complete"}
    assert all([*map(int, trial["curve"])] == [*range(1, EPOCHS + 1)] for trial in trials)
    assert len({trial["trial"] for trial in trials}) == TICKETS
    tell(f"attempts that ended no ticket: {dict(Counter(o for trial in trials for o in outcomes(trial)))}")
    (study,) = ask(stack, "/api/studies")["study_summaries"]
    shown = ask(stack, f"/api/studies/{study['study_id']}")
    states = Counter(trial["state"] for trial in shown["trials"])
    assert states["Complete"] == TICKETS
    assert set(states) == {"Complete", "Fail"}  # each attempt that ended no ticket is closed
    assert [worker for worker in stack.everything() if worker["RestartCount"]] == []


def test_the_figures_are_there(stack: Stack) -> None:
    worker = stack.containers("workers")[0]
    wait_for(
        lambda: "learning-curves.html" in docker("exec", worker, "ls", "/results/story/figures"), "the figures"
    )
    (study,) = ask(stack, "/api/studies")["study_summaries"]
    plots = ask(stack, f"/api/studies/{study['study_id']}")["plotly_graph_objects"]
    assert {"parallel-coordinates", "learning-curves"} <= {plot["id"] for plot in plots}


def test_the_dashboard_has_a_login(stack: Stack) -> None:
    assert get(stack, "/dashboard")[0] == 401
    assert get(stack, "/dashboard", "wrong")[0] == 401
    assert get(stack, "/dashboard", stack.secret("dashboard_password"))[0] == 200
    assert get(stack, "/healthz")[0] == 200
    assert get(stack, "/dashboard", stack.secret("dashboard_password"), Host="evil.example")[0] == 421


def test_the_proxy_serves_it_over_tls(stack: Stack, caddy: None) -> None:
    stack("--profile", "proxy", "up", "-d", "proxy")
    (proxy,) = stack.containers("proxy")
    root = "/data/caddy/pki/authorities/local/root.crt"
    made = wait_for(
        lambda: subprocess.run(["docker", "exec", proxy, "cat", root], capture_output=True, text=True).stdout,
        "the certificate",
        60,
    )
    trusted = ssl.create_default_context(cadata=made)
    port = int(stack.environment["PROXY_PORT"].split(":")[1])

    def look(path: str, password: str | None = None, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        return fetch(
            http.client.HTTPSConnection("localhost", port, context=trusted, timeout=30), path, password, headers
        )

    password = stack.secret("dashboard_password")
    wait_for(lambda: look("/healthz")[0] == 200, "the proxy", 60)
    assert look("/dashboard")[0] == 401
    _, headers, _ = look("/artifacts/1/2", password)
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert headers["Strict-Transport-Security"]
    assert headers.get_all("X-Frame-Options") == ["DENY"]
    assert b"</html>" in look("/dashboard", password)[2]
    with pytest.raises(ssl.SSLCertVerificationError):
        fetch(http.client.HTTPSConnection("localhost", port, timeout=30), "/dashboard", password, {})


def test_only_this_host_reaches_a_port_and_the_store_has_none(stack: Stack) -> None:
    for container in stack.everything():
        ports = container["NetworkSettings"]["Ports"]
        published = [binding for bindings in ports.values() for binding in bindings or ()]
        assert {binding["HostIp"] for binding in published} <= {"127.0.0.1"}, container["Name"]
        if container["Config"]["Image"].startswith("postgres"):
            assert not published
            networks = [*container["NetworkSettings"]["Networks"]]
            assert networks == [f"{stack.project}_back"]
    assert docker("network", "inspect", "-f", "{{.Internal}}", f"{stack.project}_back").strip() == "true"


def test_containers_have_no_rights_that_they_do_not_need(stack: Stack) -> None:
    ours = [c for c in stack.everything() if c["Config"]["Image"].startswith("affect-search/")]
    assert {c["Config"]["Labels"]["com.docker.compose.service"] for c in ours} == {
        "secrets",
        "migrate",
        "dashboard",
        "workers",
    }
    for container in ours:
        host = container["HostConfig"]
        assert container["Config"]["User"] == "10001:10001"
        assert host["ReadonlyRootfs"]
        assert host["Init"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert not host["Privileged"]
    for container in (stack.containers("workers")[0], stack.containers("dashboard")[0]):
        assert docker("exec", container, "id", "-u").strip() == "10001"
        assert refused(container, "touch", "/opt/search/x")
        assert "0000000000000000" in docker("exec", container, "grep", "CapEff", "/proc/self/status")
    assert refused(stack.containers("dashboard")[0], "touch", "/secrets/x")
    assert refused(stack.containers("workers")[0], "touch", "/data/x")
    assert (
        docker("exec", stack.containers("workers")[0], "stat", "-c", "%a %u", "/secrets/db_password").strip()
        == "400 10001"
    )


def test_no_password_shows_anywhere(stack: Stack) -> None:
    passwords = [stack.secret("db_password"), stack.secret("dashboard_password")]
    assert all(re.fullmatch(r"[\w-]{43}", password) for password in passwords)
    places = {
        "docker inspect": json.dumps(stack.everything()),
        "ps": subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout,
        "compose config": stack("config"),
        **{
            f"history of {i}": docker("history", "--no-trunc", f"affect-search/{i}")
            for i in ("worker", "dashboard")
        },
        **{f"log of {c['Name']}": stack.logs(c["Id"]) for c in stack.everything()},
    }
    assert [place for place, text in places.items() if any(password in text for password in passwords)] == []


@pytest.fixture
def caddy() -> Iterator[None]:
    """The image caddy:2: the public one, or a stand-in for this test alone."""
    there = ["docker", "image", "inspect", "caddy:2"]
    public = ["docker", "pull", "--quiet", "caddy:2"]
    if any(subprocess.run(command, capture_output=True).returncode == 0 for command in (there, public)):
        yield
        return
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", "caddy:2", "-"],
        input=CADDY.encode(),
        check=True,
        capture_output=True,
    )
    yield
    docker("rmi", "--force", "caddy:2")


def outcomes(trial: dict[str, Any]) -> list[str]:
    """How the attempts before the last ended."""
    return [retry["outcome"] for retry in trial["retries"]]


def state(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]["State"]
    return found


def refused(container: str, *command: str) -> bool:
    return subprocess.run(["docker", "exec", container, *command], capture_output=True).returncode != 0


def ask(stack: Stack, path: str) -> Any:
    """What the dashboard's API answers to whoever knows the password."""
    status, body = get(stack, path, stack.secret("dashboard_password"))
    assert status == 200, body
    return json.loads(body)


def get(stack: Stack, path: str, password: str | None = None, **headers: str) -> tuple[int, bytes]:
    port = int(stack.environment["DASHBOARD_PORT"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    status, _, body = fetch(connection, path, password, headers)
    return status, body


def fetch(
    connection: http.client.HTTPConnection, path: str, password: str | None, headers: dict[str, str]
) -> tuple[int, http.client.HTTPMessage, bytes]:
    if password is not None:
        headers |= {"Authorization": "Basic " + base64.b64encode(f"search:{password}".encode()).decode()}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body
