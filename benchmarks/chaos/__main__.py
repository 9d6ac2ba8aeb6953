"""A seeded storm of faults over real workers, and what must hold after it; beside it, the same over stock Optuna.

    make chaos                                           ten minutes of storm a side, three workers
    python -m benchmarks.chaos --minutes 1 --seed 7      another one

Workers are `search worker` processes that train for real, on a model that mostly sleeps, each with a connection of
its own through a proxy to one Postgres; dead ones are started again, as a container engine would. Afterwards no
fault strikes, the workers finish what is left, and every invariant is checked: the exit code is 1 where one is
broken. Stock Optuna is `study.optimize` with heartbeat, grace period, retry of stale trials, pre-ping, and every
exception caught, over as many epochs that sleep as long; it has no training process beside the worker's and no
checkpoints, so faults of these strike the worker.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from rich.table import Table

from benchmarks.chaos.fleet import Death
from benchmarks.chaos.invariants import Finding, findings
from benchmarks.chaos.plan import Kind, storm
from benchmarks.chaos.service import Service
from benchmarks.chaos.side import Side, Strike
from benchmarks.chaos.stock import STUCK_SECONDS, Outcome, Stock
from benchmarks.chaos.storm import Storm
from search import console
from tests.postgres import Postgres

DRAIN_SECONDS = 300.0  # for finishing what is left after the storm


def main() -> int:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="search-chaos-"))
    with (
        Postgres(folder / "service" / "postgres") as postgres,
        closing(Service(folder / "service", postgres, arguments.workers)) as service,
    ):
        print("a calm run to compare with", flush=True)
        service.register()
        strikes = _rage(service, arguments, "the service", DRAIN_SECONDS)
        found = findings(service, strikes)
    with (
        Postgres(folder / "stock" / "postgres") as postgres,
        closing(Stock(folder / "stock", postgres, arguments.workers)) as stock,
    ):
        stock_strikes = _rage(stock, arguments, "stock Optuna", STUCK_SECONDS)
        outcome = stock.outcome()
    _show(arguments, strikes, found, service.fleet.deaths_by_themselves, stock_strikes, outcome)
    broken = any(finding.violations for finding in found)
    if broken:
        print(f"logs and databases: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="A storm of faults.")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the storm, for each side")
    parser.add_argument("--seed", type=int, default=0, help="draws the storm")
    parser.add_argument("--workers", type=int, default=3, help="worker processes")
    return parser.parse_args()


def _rage(side: Side, arguments: argparse.Namespace, who: str, drain_seconds: float) -> list[Strike]:
    """One storm over one side, to the end of its work."""
    plan = storm(arguments.seed, minutes=arguments.minutes, workers=arguments.workers)
    raging = Storm(side, plan)
    print(f"{arguments.minutes:g} min of storm over {who}", flush=True)
    with console.progress_bar(f"storm over {who}") as progress:
        raging.run(60 * arguments.minutes, progress)
    print(f"{len(raging.strikes)} faults done; what is left is finished in peace", flush=True)
    side.stop_filing()
    deadline = time.monotonic() + drain_seconds
    while time.monotonic() < deadline and not side.is_done:
        raging.pass_time()
    side.fleet.stop()
    return raging.strikes


def _show(
    arguments: argparse.Namespace,
    strikes: list[Strike],
    found: list[Finding],
    deaths: list[Death],
    stock_strikes: list[Strike],
    outcome: Outcome,
) -> None:
    title = f"{arguments.minutes:g} min, {arguments.workers} workers, seed {arguments.seed}"
    table = Table("fault", "injected", "survived", "stock: injected", "survived", title=title)
    bad = set().union(*(finding.broken_by for finding in found))
    stock_bad = {("storm", cell) for cell in outcome.lost | outcome.left_running | outcome.duplicated}
    ours, theirs = _survived(strikes, bad, deaths), _survived(stock_strikes, stock_bad, outcome.deaths)
    for kind in Kind:
        table.add_row(kind, *ours[kind], *theirs[kind])
    table.add_row("all", *_sum(ours), *_sum(theirs), end_section=True)
    console.show(table)
    laws = Table("invariant", "violations")
    for finding in found:
        laws.add_row(finding.law, str(finding.violations))
    console.show(laws)
    for finding in found:
        for sentence in [*map(str, sorted(finding.broken_by)), *finding.sentences]:
            print(f"{finding.law}: not {sentence}")
    print(
        f"stock Optuna, of {outcome.filed} configurations: {len(outcome.lost)} lost, "
        f"{len(outcome.left_running)} left RUNNING, {len(outcome.duplicated)} duplicated; "
        f"{outcome.epochs_repeated} epochs trained for nothing; {len(outcome.deaths)} workers died by themselves"
    )
    if not (outcome.lost or outcome.left_running or outcome.duplicated or outcome.deaths):
        print("the control shows no loss: this storm proves nothing")


def _survived(
    strikes: list[Strike], bad: set[tuple[str, int]], deaths: list[Death]
) -> dict[Kind, tuple[str, str]]:
    """How often each fault was injected, and how often nothing that it struck was harmed.

    A worker that died by itself was harmed by the last fault before.
    """
    fatal = {id(_last_before(death, strikes)) for death in deaths}
    injected = Counter(strike.fault.kind for strike in strikes)
    well = Counter(
        strike.fault.kind
        for strike in strikes
        if id(strike) not in fatal and not any(task.key in bad for task in strike.tasks)
    )
    return {kind: (str(injected[kind]), str(well[kind])) for kind in Kind}


def _last_before(death: Death, strikes: list[Strike]) -> Strike | None:
    before = [strike for strike in strikes if strike.slot in (None, death.slot) and strike.began <= death.at]
    return before[-1] if before else None


def _sum(rows: dict[Kind, tuple[str, str]]) -> tuple[str, str]:
    return str(sum(int(row[0]) for row in rows.values())), str(sum(int(row[1]) for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
