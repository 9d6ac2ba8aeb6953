"""A real Ray cluster of two nodes on this machine, whose processes are really killed."""

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url, text

from search.store.connection import store_url
from search.store.records import TrialRecord

from .conftest import Service, wait_for
from .test_faults import STUDY, finish, interrupted_trial, results, seconds_of_epochs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECRET = b"a-password-for-this-test"
NODE = ("start", "--num-cpus", "1", "--object-store-memory", str(100 * 2**20), "--block")


class Cluster:
    """Ray nodes of one CPU each, all of them on this machine, with the environment of a service."""

    def __init__(self, service: Service) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.logs = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp")
        self._environment = service.environment
        head = ("--head", "--port", str(self.port), "--temp-dir", self.logs.name, "--include-dashboard", "false")
        self.nodes = [self._start(*head)]
        wait_for(self._answers, 60)
        self.join()

    def join(self) -> None:
        """Adds a node."""
        self.nodes.append(self._start("--address", self.address))

    def workers(self) -> list[psutil.Process]:
        """The processes of our actors."""
        return [process for process in self._processes() if title(process).startswith("ray::SearchWorker")]

    def trainers(self) -> list[psutil.Process]:
        """The processes in which they train."""
        return [process for process in self._processes() if "spawn_main" in title(process)]

    def kill(self, node: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Kills every process of a node, save the training processes, which are to notice by themselves."""
        processes = psutil.Process(node.pid).children(recursive=True)
        trainers = [process for process in processes if "spawn_main" in title(process)]
        node.kill()
        for process in set(processes) - set(trainers):
            process.kill()
        node.wait()
        return trainers

    def close(self) -> None:
        for node in reversed(self.nodes):
            if node.poll() is None:
                psutil.wait_procs(self.kill(node), 30)
        self.logs.cleanup()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("ray")), *NODE, *arguments],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _processes(self) -> list[psutil.Process]:
        living = [node for node in self.nodes if node.poll() is None]
        return [process for node in living for process in psutil.Process(node.pid).children(recursive=True)]


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture
def cluster(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    use_token(monkeypatch)
    cluster = Cluster(service)
    yield cluster
    cluster.close()


def use_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a-token-for-this-test")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


def write_study(service: Service) -> str:
    file = service.folder / "rates.yaml"
    file.write_text(STUDY.replace("epochs: 6", "epochs: 20"))
    return str(file)


def launch(service: Service, cluster: Cluster) -> subprocess.Popen[str]:
    return service.start("launch", write_study(service), "--ray", cluster.address)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[object]]:
    """The results of two workers of one thread each, without Ray."""
    service = Service(tmp_path_factory.mktemp("calm"))
    service.run("launch", write_study(service), "--workers", "2")
    yield results(service.trials("rates"))
    service.close()


def losses(service: Service) -> list[int]:
    query = text("SELECT losses FROM search_tickets ORDER BY number")
    return [*service.store.run(lambda connection: connection.execute(query).scalars().all())]


def both_train(service: Service, process: subprocess.Popen[str]) -> list[TrialRecord]:
    """Waits until two trials are in the middle of their third epoch or later, and returns them."""
    interrupted_trial(service, process)

    def running() -> list[TrialRecord]:
        return [trial for trial in service.trials("rates") if trial.state == "running" and len(trial.curve) >= 2]

    wait_for(lambda: len(running()) == 2)
    return running()


def check_nothing_is_left(cluster: Cluster) -> None:
    wait_for(lambda: not cluster.workers() and not cluster.trainers(), 60)


def test_a_node_that_dies_and_another_that_joins(service: Service, cluster: Cluster, calm: list[object]) -> None:
    process = launch(service, cluster)
    before = both_train(service, process)
    timings = {trial.ticket: seconds_of_epochs(service, trial.ticket) for trial in before}
    orphans = cluster.kill(cluster.nodes[1])
    assert len(psutil.wait_procs(orphans, 30)[0]) == len(orphans) == 1
    cluster.join()
    wait_for(lambda: len(cluster.trainers()) == 2)
    output = finish(process)
    assert "Ray lost 1 of" in output
    assert results(service.trials("rates")) == calm
    assert sorted(losses(service)) == [0, 0, 1]
    for ticket, seconds in timings.items():
        assert seconds_of_epochs(service, ticket)[: len(seconds)] == seconds, "whole epochs were trained again"
    check_nothing_is_left(cluster)


def test_a_node_that_dies_for_good(service: Service, cluster: Cluster, calm: list[object]) -> None:
    process = launch(service, cluster)
    both_train(service, process)
    cluster.kill(cluster.nodes[1])
    finish(process)
    assert results(service.trials("rates")) == calm
    check_nothing_is_left(cluster)


def test_ctrl_c_gives_the_tickets_back(service: Service, cluster: Cluster, calm: list[object]) -> None:
    process = launch(service, cluster)
    before = both_train(service, process)
    timings = {trial.ticket: seconds_of_epochs(service, trial.ticket) for trial in before}
    process.send_signal(signal.SIGINT)
    assert "the same command goes on from here" in finish(process, 130)
    assert [trial.state for trial in service.trials("rates")] == ["waiting"] * 3
    check_nothing_is_left(cluster)
    finish(launch(service, cluster))
    assert results(service.trials("rates")) == calm
    assert losses(service) == [0, 0, 0]
    for ticket, seconds in timings.items():
        assert seconds_of_epochs(service, ticket)[: len(seconds)] == seconds, "whole epochs were trained again"


def test_a_launch_killed_with_9_leaves_nothing_behind(
    service: Service, cluster: Cluster, calm: list[object]
) -> None:
    process = launch(service, cluster)
    both_train(service, process)
    process.kill()
    process.communicate()
    check_nothing_is_left(cluster)
    finish(launch(service, cluster))
    assert results(service.trials("rates")) == calm
    check_nothing_is_left(cluster)


def test_workers_serve_any_study_until_told_to_stop(service: Service, cluster: Cluster) -> None:
    fleet = service.start("worker", "--ray", cluster.address)
    service.run("launch", write_study(service), "--workers", "0")
    wait_for(lambda: "complete" in [trial.state for trial in service.trials("rates")])
    fleet.send_signal(signal.SIGTERM)
    finish(fleet)
    assert losses(service) == [0, 0, 0]
    assert "running" not in [trial.state for trial in service.trials("rates")]
    check_nothing_is_left(cluster)


def test_a_node_without_the_store_ends_the_launch_with_a_message(
    service: Service, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_STORE", url_with_password(service))
    assert "Ray runs without SEARCH_STORE" in finish(launch(service, cluster), 2)
    check_nothing_is_left(cluster)


def test_each_node_reads_its_own_environment_and_no_password_travels(
    service: Service, calm: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_token(monkeypatch)
    monkeypatch.setenv("SEARCH_STORE", url_with_password(service))
    cluster = Cluster(service)
    try:
        process = launch(service, cluster)
        both_train(service, process)
        titles = [title(running) for running in psutil.process_iter()]
        output = finish(process)
        assert results(service.trials("rates")) == calm
        check_nothing_is_left(cluster)
        written = [file.read_bytes() for file in Path(cluster.logs.name).rglob("*") if file.is_file()]
    finally:
        cluster.close()
    assert any(b"SearchWorker" in content for content in written)
    assert not [content for content in [*written, output.encode(), *map(str.encode, titles)] if SECRET in content]


def url_with_password(service: Service) -> str:
    """The URL of the embedded server, which asks for no password, with one nevertheless."""
    url = make_url(store_url(service.settings)).set(drivername="postgresql", password=SECRET.decode())
    return url.render_as_string(hide_password=False)


def test_where_no_cluster_answers(service: Service) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        output = service.run("worker", "--ray", address, code=2)
    assert f"no Ray cluster to work with at {address}" in output


def test_a_cluster_of_its_own(service: Service, calm: list[object]) -> None:
    output = service.run("launch", write_study(service), "--ray", "local")
    assert "done" in output
    assert results(service.trials("rates")) == calm
