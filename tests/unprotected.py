"""Takes each protection out of a copy of the checkout, and checks that its tests then fail.

    python -m tests.unprotected [WORD ...]        all of them, or those in whose name a word stands

Prints a table, and exits with 1 where a test passes without what it is to prove.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.protections import PROTECTIONS
from tests.protections.protection import Protection

ROOT = Path(__file__).parents[1]
COPIED = ("search", "models", "datasets", "studies", "tests", "benchmarks", "docs", "pyproject.toml")
TEST_SECONDS = 600  # more than any of them waits for anything: one that is cut off has proven nothing


def main(words: list[str]) -> int:
    chosen = [each for each in PROTECTIONS if not words or any(word in each.name for word in words)]
    bad = 0
    print(f"{'without':62} {'the test':76} so it", flush=True)
    for protection in chosen:
        for test in protection.tests:
            verdict, why = _verdict(protection, test)
            bad += verdict != "fails"
            print(f"{protection.name:62} {_short(test):76} {verdict}", flush=True)
            print(f"    {why}", flush=True)
    print(f"{len(chosen)} protections, {bad} without proof")
    return min(bad, 1)


def _verdict(protection: Protection, test: str) -> tuple[str, str]:
    """What the test does without the protection, and the line in which pytest says why."""
    with tempfile.TemporaryDirectory(prefix="unprotected-") as folder:
        copy = Path(folder)
        copy.chmod(0o755)  # a server in there may run as another user
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        for edit in protection.edits:
            file = copy / edit.file
            text = file.read_text()
            if text.count(edit.old) != 1:
                return "CAN'T BE TAKEN OUT", f"{edit.file} holds {text.count(edit.old)} times: {edit.old!r}"
            file.write_text(text.replace(edit.old, edit.new))
        options = ["-q", "-x", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}", f"--basetemp={copy / 'tmp'}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, test],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    why = [line for line in done.stdout.splitlines() if line.startswith("E  ")] or done.stdout.splitlines()[-1:]
    if done.returncode == 0:
        return "PASSES", why[0].strip()
    if done.returncode != 1 or "from pytest-timeout" in why[0]:
        return "CAN'T BE RUN", why[0].strip()
    return "fails", why[0].strip()


def _short(test: str) -> str:
    file, _, name = test.partition("::")
    return f"{Path(file).stem}: {name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
