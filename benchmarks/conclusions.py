"""Whether studies conclude what is true: 20 in which one value is better, and 20 in which neither is.

Each is a whole study of the service: registered in an embedded store, searched, confirmed with five seeds and
judged on the test split by two `search worker` processes, on faces of its own. All train the same small network;
what they ask differs.

better: Adam's epsilon of 1e-8 against 0.1. So large an epsilon outweighs the square root of the second moment:
    the steps are those of plain momentum, many times shorter, and a short run does not get as far.
same: a batch size of 64 against 65. Batches differ from the first step on, so that runs are independent of each
    other, and nothing else does.

Goals: `better` is concluded so in at least 19 of 20 studies, and `same` is called "not distinguishable" in at
least 19 of 20. The means of all runs together show that the one difference is there, and the other is not.

    python -m benchmarks.conclusions                 about 20 minutes on two cores
    python -m benchmarks.conclusions --studies 2     the first two of each, to try it
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import mean

from search.analysis import results
from search.analysis.conclusion import conclude
from search.analysis.findings import Conclusion
from search.analysis.results import Results
from search.analysis.statistics import spread
from search.launch import register
from search.settings import Settings, read_settings
from search.store import embedded, studies
from search.store.connection import Store, open_store
from search.store.records import StudyRow
from search.study import load_study

STUDIES = 20
GOAL = 0.95
WORKERS = 2
LOOK_SECONDS = 2.0
EPSILON = 0.1

STUDY = """
name: {kind}-{seed}
question: Which is better?
dataset: {{name: synthetic_faces, image_size: 24, images: 1400, test_images: 1001, subjects: 400, seed: {seed}}}
model: {{name: small_cnn, widths: [8, 16, 32]}}
objective: accuracy
training: {{epochs: 8, augmentation: none, schedule: cosine}}
space:
  {name}: {{role: scientific, choices: [{first}, {second}]}}
  lr: {{role: nuisance, choices: [0.004, 0.008]}}
sampler: grid
budget: {{trials: 4}}
confirm: {{seeds: 5}}
seed: {first_seed}
"""


@dataclass(frozen=True)
class Kind:
    """Studies that ask the same; better: the value that truly is, or None."""

    name: str
    parameter: str
    values: tuple[float, float]
    better: float | None

    def is_right(self, found: Conclusion) -> bool:
        if self.better is None:
            return found.answer.startswith("Not distinguishable")
        return found.established and found.levels[0].values == {self.parameter: self.better}


@dataclass(frozen=True)
class Outcome:
    """A study that is done, and what is concluded of it."""

    results: Results
    found: Conclusion

    def judged(self, kind: Kind, value: float) -> tuple[float, ...]:
        """Accuracy on the test split of each run with that value."""
        (level,) = (level for level in self.found.levels if level.values == {kind.parameter: value})
        assert level.confirmed is not None and level.confirmed.judged is not None
        return level.confirmed.judged.values


KINDS = (
    Kind("better", "eps", (1e-8, EPSILON), 1e-8),
    Kind("same", "batch_size", (64, 65), None),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=STUDIES)
    count = parser.parse_args().studies
    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ |= {"SEARCH_HOME": folder, "SEARCH_RESULTS": f"{folder}/results"}
        settings = replace(read_settings(), store=None)
        try:
            found = _conclude_all(settings, count)
        finally:
            embedded.stop(settings.home / "postgres")
    print(f"\n{2 * count} studies in {(time.monotonic() - start) / 60:.1f} min")
    rights = [_report(kind, outcomes) for kind, outcomes in found.items()]
    sys.exit(0 if all(right >= GOAL * count for right in rights) else 1)


def _conclude_all(settings: Settings, count: int) -> dict[Kind, list[Outcome]]:
    store = open_store(settings)
    rows = {(kind, seed): _register(settings, store, kind, seed) for seed in range(count) for kind in KINDS}
    with ExitStack() as stack:
        for slot in range(WORKERS):
            stack.callback(_dismiss, _hire(slot))
        _wait(store, [row.study_id for row in rows.values()])
    found: dict[Kind, list[Outcome]] = {kind: [] for kind in KINDS}
    for (kind, _), row in rows.items():
        read = store.run(lambda c, row=row: results.read(c, studies.find_by_id(c, row.study_id)))  # type: ignore[misc]
        found[kind].append(Outcome(read, conclude(read)))
    return found


def _register(settings: Settings, store: Store, kind: Kind, seed: int) -> StudyRow:
    """Seeds of runs are far apart, for a study counts on from its own."""
    first, second = kind.values
    file = settings.home / f"{kind.name}-{seed}.yaml"
    facts = {"name": kind.parameter, "first": first, "second": second, "first_seed": 1000 * (seed + 1)}
    file.write_text(STUDY.format(kind=kind.name, seed=seed, **facts))
    return register(load_study(str(file)), settings, store)


def _hire(slot: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "search", "worker", "--slot", str(slot), "--threads", "1"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _dismiss(worker: "subprocess.Popen[bytes]") -> None:
    worker.terminate()
    worker.wait()


def _wait(store: Store, ids: Sequence[int]) -> None:
    """Until all studies are done, telling how many are."""
    done = -1
    while done < len(ids):
        time.sleep(LOOK_SECONDS)
        rows = store.run(studies.everyone)
        now = sum(row.is_done for row in rows if row.study_id in ids)
        if now > done:
            done = now
            print(f"{done} of {len(ids)} studies are done", file=sys.stderr, flush=True)


def _report(kind: Kind, outcomes: Sequence[Outcome]) -> int:
    """Prints what was concluded of one kind, and returns how often that was right."""
    right = [kind.is_right(outcome.found) for outcome in outcomes]
    print(f"\n{kind.name}: {kind.parameter} {kind.values[0]:g} against {kind.values[1]:g}")
    print(f"  concluded rightly     {sum(right)} of {len(right)}")
    a, b = kind.values
    for value in kind.values:
        values = [run for outcome in outcomes for run in outcome.judged(kind, value)]
        print(f"  {f'{kind.parameter} {value:g}':21} accuracy {100 * mean(values):.2f} % over {len(values)} runs")
    # The data differ between studies, and runs of one study share them: it is studies that are independent.
    leads = [100 * (mean(outcome.judged(kind, a)) - mean(outcome.judged(kind, b))) for outcome in outcomes]
    over_studies = spread(leads)
    half = "" if over_studies.high is None else f" ± {over_studies.high - over_studies.mean:.2f}"
    print(f"  true difference       {over_studies.mean:.2f}{half} points, with its 95 % interval over studies")
    for outcome, is_right in zip(outcomes, right, strict=True):
        print(f"  {'      ' if is_right else 'WRONG '}{outcome.results.row.name:10} {outcome.found.answer}")
    return sum(right)


if __name__ == "__main__":
    main()
