"""`search launch`: registers a study, trains it with workers of this machine or of Ray, and shows how it goes."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from search import __version__, console
from search.analysis import results
from search.settings import Settings
from search.store import studies
from search.store.connection import Store, open_store
from search.store.records import Context, SplitFacts, StudyRow, TrialRecord
from search.study import StudyDefinition
from search.training import cache
from search.worker import data, service, slots
from search.worker.fleet import Fleet, Processes

LOOK_SECONDS = 1.0  # between looks at the store
LINE_SECONDS = 10.0  # between lines where standard output is no terminal

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "optuna", "scipy", "statsmodels")  # that bear on results

INTERRUPTED = 130  # exit code of a command that was stopped by Ctrl-C


def launch(definition: StudyDefinition, settings: Settings, *, workers: int | None, ray: str | None) -> int:
    """Registers the study, or finds it, trains what is left of it, and returns the exit code.

    workers: how many to train with; None is what the settings say, or one for each slot; 0 only registers.
    ray: address of a Ray cluster whose slots to train on; None trains on this machine's.

    Raises WorkerError where a worker ended before the study did.
    """
    store = open_store(settings)
    row = register(definition, settings, store)
    print(f"study {row.name}: {row.tickets} trials, {row.finished} of them done")
    if workers is None:
        workers = settings.launch_workers
    if workers == 0:
        print(f"registered; any `search worker` trains it, and `search status {row.name}` shows how it goes")
        return 0
    store.run(lambda connection: studies.set_state(connection, row, "open"))
    was_stopped = False
    if not row.is_done:
        with _hired(settings, row.name, workers=workers, ray=ray) as fleet:
            was_stopped = _train(store, row, fleet)
    from search.analysis.conclusion import conclude  # statistics take seconds to load: not before training begins

    found = store.run(lambda connection: results.read(connection, studies.find(connection, row.name)))
    console.show(console.status_table(found.row, found.records, answer=conclude(found).answer))
    print(f"figures: {settings.results}/{row.name}/figures")
    print(f"report: {settings.results}/{row.name}/report.html")
    if was_stopped:
        print("stopped; the same command goes on from here")
        return INTERRUPTED
    return 0


def register(definition: StudyDefinition, settings: Settings, store: Store) -> StudyRow:
    """Prepares the study's data, and registers the study or finds it. Raises as `studies.register` does."""
    with console.progress_bar(f"preparing {definition.dataset.name}") as progress:
        folder, manifest = data.prepare(definition, settings, progress)
    hashes = cache.split_hashes(folder)
    context = Context(
        splits={name: SplitFacts(items=count, hash=hashes[name]) for name, count in manifest.counts.items()},
        versions={"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
    )
    study_id = store.run(
        lambda connection: studies.register(
            connection,
            definition,
            data_fingerprint=manifest.fingerprint,
            validation_items=manifest.counts["validation"],
            code_version=__version__,
            context=context,
        )
    )
    return store.run(lambda connection: studies.find_by_id(connection, study_id))


@dataclass(frozen=True)
class _Look:
    """A study at one moment, and how fast it has been going since this launch.

    trials: of its present stage.
    """

    row: StudyRow
    trials: list[TrialRecord]
    best: TrialRecord | None
    epochs_per_second: float

    @property
    def ended(self) -> int:
        """How many of the trials are over."""
        return sum(trial.state not in ("waiting", "running") for trial in self.trials)

    @property
    def seconds_left(self) -> float | None:
        """From the epochs that finished trials took on average; None before the first one."""
        lengths = [len(trial.curve) for trial in self.trials if trial.state in ("complete", "pruned")]
        if not lengths or not self.epochs_per_second:
            return None
        begun = sum(len(trial.curve) for trial in self.trials if trial.state == "running")
        to_do = (len(self.trials) - self.ended) * sum(lengths) / len(lengths)
        return max(0.0, to_do - begun) / self.epochs_per_second


@contextmanager
def _hired(settings: Settings, study: str, *, workers: int | None, ray: str | None) -> Iterator[Fleet]:
    if ray is None:
        yield Processes(settings, study, workers or len(slots.all_slots(settings)))
        return
    from search.worker import on_ray  # Ray is an extra

    with on_ray.fleet(settings, ray, study=study, limit=workers) as fleet:
        yield fleet


def _train(store: Store, row: StudyRow, fleet: Fleet) -> bool:
    """Trains until the workers have ended; whether they were told to stop."""
    with _passing_on_signals(fleet) as told:
        _watch(store, row, fleet)
    failure = fleet.failure()
    if failure is not None and not told:
        raise failure
    return bool(told)


def _watch(store: Store, row: StudyRow, fleet: Fleet) -> None:
    """Shows the study until every worker has ended: a live table, or plain lines where there is no terminal."""
    started, line_at = time.monotonic(), -LINE_SECONDS
    with Live(console=console.terminal, auto_refresh=False, transient=True) as live:
        while fleet.at_work():
            look = _look(store, row, started=started, epochs_before=row.epochs)
            if console.terminal.is_terminal:
                live.update(_live_table(look), refresh=True)
            elif time.monotonic() - line_at > LINE_SECONDS:
                line_at = time.monotonic()
                print(_line(look), flush=True)
            time.sleep(LOOK_SECONDS)


def _look(store: Store, row: StudyRow, *, started: float, epochs_before: int) -> _Look:
    now = store.run(lambda connection: studies.find_by_id(connection, row.study_id))
    trials = store.run(lambda connection: studies.records(connection, now))
    staged = [trial for trial in trials if trial.stage == now.stage]
    best = console.best_trial(now, trials)
    return _Look(now, staged, best, (now.epochs - epochs_before) / (time.monotonic() - started))


def _line(look: _Look) -> str:
    return "  ".join(f"{name} {value}" for name, value in _facts(look).items())


def _live_table(look: _Look) -> RenderableType:
    facts = _facts(look)
    table = Table(*facts, box=None, pad_edge=False)
    table.add_row(*facts.values())
    running = [
        f"  trial {trial.ticket}: epoch {len(trial.curve)} of {look.row.definition.training.epochs}, "
        f"{console.parameters(trial)}"
        for trial in look.trials
        if trial.state == "running"
    ]
    bar = Table.grid()
    bar.add_row(ProgressBar(total=len(look.trials), completed=look.ended, width=60))
    return Group(bar, table, *running)


def _facts(look: _Look) -> dict[str, str]:
    counts = look.row.stage_counts.get(look.row.stage, {})
    best = look.best
    left = look.seconds_left
    return {
        "stage": look.row.stage,
        "done": f"{look.ended}/{len(look.trials)}",
        "pruned": str(counts.get("pruned", 0)),
        "failed": str(counts.get("failed", 0)),
        "running": str(counts.get("running", 0)),
        "best": "-" if best is None else f"{best.value:.4f} ({console.parameters(best)})",
        "epochs/s": f"{look.epochs_per_second:.2f}",
        "left": "drawing figures" if look.row.is_done else "-" if left is None else console.duration(left),
    }


@contextmanager
def _passing_on_signals(fleet: Fleet) -> Iterator[list[int]]:
    """Hands Ctrl-C and SIGTERM on to the workers, who give their tickets back; yields the signals seen."""
    told: list[int] = []

    def handle(number: int, _: object) -> None:
        told.append(number)
        fleet.stop()

    with service.stop_signals_to(handle):
        yield told
