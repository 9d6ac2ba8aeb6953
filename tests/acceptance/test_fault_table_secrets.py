"""The store's password is in no log, no output, no argument list, and not in the processes that train."""

import signal
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url

from .fleet import Fleet
from .records import RATES
from .search_worker import WAIT_SECONDS, Worker
from .unruly import STUDY

pytestmark = pytest.mark.slow

CANARY = "c4n4ry"
PASSWORD = f"{CANARY}@:/{{%}}' x"


def with_password(url: str, password: str | None) -> str:
    return make_url(url).set(username="guest", password=password).render_as_string(hide_password=False)


def argument_lists() -> str:
    """Of every process of this machine."""
    texts = []
    for process in psutil.process_iter():
        try:
            texts.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return "\n".join(texts)


def test_a_password_appears_nowhere(fleet: Fleet, tmp_path: Path) -> None:
    fleet.sql("DROP ROLE IF EXISTS guest")
    fleet.sql("CREATE ROLE guest LOGIN IN ROLE search PASSWORD %s", PASSWORD)
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    in_url = {"SEARCH_STORE": with_password(fleet.url(), PASSWORD)}
    in_file = {"SEARCH_STORE": with_password(fleet.url(), None), "SEARCH_STORE_PASSWORD_FILE": str(secret)}
    (fleet.folder / "own.yaml").write_text(STUDY.replace("name: calm", "name: own"))

    launch = fleet.begin("launch", "own.yaml", "--workers", "1", **in_url)
    fleet.wait(lambda: "worker --study own" in argument_lists(), "the worker of the launch")
    seen = [argument_lists()]
    said = [launch.communicate(timeout=WAIT_SECONDS)[0]]
    assert launch.returncode == 0, said
    workers: list[Worker] = [fleet.start(**in_url), fleet.start(**in_file)]
    fleet.register("shared", rates=RATES[:2], pause=0.3)
    fleet.wait_until_training("shared", epochs=1, tickets=2)
    seen.append(argument_lists())
    children = [child for worker in workers for child in worker.children()]
    assert len(children) >= 2
    seen += [str(child.environ()) for child in children]
    with fleet.postgres.gone():
        fleet.wait(lambda: all("can't be reached" in worker.log for worker in workers), "the outage", 30)
    for variables in (in_url, in_file):
        said += [
            fleet.run(*command, **variables) for command in (["status"], ["store", "status"], ["show", "shared"])
        ]
    wrong, refused = f"wrong-{PASSWORD}", "password authentication failed"
    secret.write_text(wrong)
    for variables in ({"SEARCH_STORE": with_password(fleet.url(), wrong)}, in_file):
        said.append(fleet.run("status", code=75, **variables))
        assert refused in said[-1]

    fleet.sql("ALTER ROLE guest PASSWORD 'another'")  # those at work are now refused
    fleet.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'")
    for worker in workers:
        fleet.wait(lambda worker=worker: refused in worker.log, "the worker's insight")
        worker.send(signal.SIGTERM)
    for worker in workers:
        worker.leaves(75)
    seen += [worker.log for worker in workers] + said
    for file in fleet.folder.rglob("*"):
        if file.is_file():
            seen.append(file.read_bytes().decode(errors="replace"))
    for number, text in enumerate(seen):
        assert CANARY not in text, f"text {number}"
