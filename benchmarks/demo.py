"""The demo as a user runs it: how long it takes, what it needs, what it finds.

Runs `search launch clsfer_depth_lr --preset quick` in an empty home twice: whole, to its end, and again under
another name, on the cache then prepared, to its first training step. There is no peer; the goals are 4 minutes on
two cores, 10 seconds to the first step, 3 GB, 16 trials of which some are pruned, and an accuracy of 0.60 where
chance is 0.14.

    python benchmarks/demo.py          about five minutes on two cores
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

STUDY = ["clsfer_depth_lr", "--preset", "quick"]
LOOK_SECONDS = 0.5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SEARCH_HOME": f"{folder}/home", "SEARCH_RESULTS": f"{folder}/results"}
        seconds, peak = _run_whole(environment)
        first_step = _time_first_step(environment, Path(folder) / "home" / "logs")
        counts = _search(environment, "status", "clsfer_depth_lr-quick", "--json")
        _search(environment, "store", "stop")
    status = json.loads(counts)
    searched = status["stage_counts"]["search"]
    print(f"whole study             {seconds:6.0f} s")
    print(f"launch to first step    {first_step:6.1f} s, on a prepared cache")
    print(f"peak memory             {peak / 2**30:6.2f} GiB, proportional set size of every process")
    print(f"trials of the search    {sum(searched.values()):6d}, {searched.get('pruned', 0)} pruned")
    print(f"fresh runs              {status['stage_counts']['confirm']['complete']:6d}")
    print(f"best accuracy           {status['best']['value']:6.4f}")


def _run_whole(environment: dict[str, str]) -> tuple[float, float]:
    """Seconds, and the peak of memory in bytes, of a launch to its end."""
    start, peak = time.monotonic(), 0.0
    process = _launch(environment)
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(LOOK_SECONDS)
    assert process.returncode == 0
    return time.monotonic() - start, peak


def _time_first_step(environment: dict[str, str], logs: Path) -> float:
    """Seconds from the start of a launch until a worker begins with its first training step."""
    start = time.monotonic()
    process = _launch(environment, "--name", "again")
    while not any("training begins" in log.read_text() for log in logs.glob("again-*.log")):
        assert process.poll() is None
        time.sleep(0.05)
    seconds = time.monotonic() - start
    process.send_signal(signal.SIGTERM)
    process.wait()
    return seconds


def _memory(launch: int) -> float:
    """What a launch, its workers, their trainers and the embedded database take: shared pages count once."""
    total = 0.0
    servers = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "postgres"]
    for process in [psutil.Process(launch), *psutil.Process(launch).children(recursive=True), *servers]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def _launch(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "search", "launch", *STUDY, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def _search(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.check_output([sys.executable, "-m", "search", *arguments], env=environment, text=True)


if __name__ == "__main__":
    main()
