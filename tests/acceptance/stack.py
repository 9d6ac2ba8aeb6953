"""A fleet in containers: the project's compose files, under a project name and with volumes of their own."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 300.0


def compose_command() -> list[str]:
    """What `COMPOSE` says, or compose 2 where it is there, or compose 1."""
    if named := os.environ.get("COMPOSE"):
        return shlex.split(named)
    has_plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    return ["docker", "compose"] if has_plugin else ["docker-compose"]


def has_docker() -> bool:
    """Whether a Docker daemon answers."""
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def docker(*arguments: str) -> str:
    """Runs `docker ARGUMENTS` and returns what it printed."""
    return _run(["docker", *arguments])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """What the condition returns once it is true; asked four times a second."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(0.25)
    return found


class Stack:
    """One compose project.

    files: compose files of the checkout. environment: variables that they name.
    """

    def __init__(self, *files: str | Path, **environment: str) -> None:
        self.project = f"search-test-{uuid.uuid4().hex[:8]}"
        options = [option for file in files for option in ("-f", str(file))]
        self._command = [*compose_command(), "-p", self.project, *options]
        self._environment = os.environ | environment

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Runs `docker compose ARGUMENTS` and returns what it printed; its notes on progress are kept for errors."""
        return _run([*self._command, *arguments], code, self._environment)

    def search(self, *arguments: str, file: Path | None = None) -> str:
        """Runs `search ARGUMENTS` in a container of its own, with one file at /study.yaml."""
        mounted = ["-v", f"{file}:/study.yaml:ro"] if file else []
        return self("run", "--rm", *mounted, "search", *arguments)

    def containers(self, service: str, *, running: bool = True) -> list[str]:
        """The ids of a service's containers, one-off ones apart; the oldest first."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        filters = [part for label in [*labels, "com.docker.compose.oneoff=False"] for part in ("-f", f"label={label}")]
        return docker("ps", "-q", "--no-trunc", *([] if running else ["-a"]), *filters).split()[::-1]

    def everything(self) -> list[dict[str, Any]]:
        """What `docker inspect` says of each container there is or was."""
        ids = docker("ps", "-aq", "-f", f"label=com.docker.compose.project={self.project}").split()
        inspected: list[dict[str, Any]] = json.loads(docker("inspect", *ids))
        return inspected

    def logs(self, container: str) -> str:
        return _run(["docker", "logs", "--timestamps", container], merged=True)

    def secret(self, name: str) -> str:
        return docker("exec", self.containers("dashboard")[0], "cat", f"/secrets/{name}")

    def remove(self) -> None:
        """Takes down the project with its volumes."""
        self("--profile", "proxy", "--profile", "tools", "down", "--volumes", "--remove-orphans", "-t", "5")


def _run(
    command: list[str], code: int = 0, environment: dict[str, str] | None = None, *, merged: bool = False
) -> str:
    errors = subprocess.STDOUT if merged else subprocess.PIPE
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == code, f"{shlex.join(command)} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout
