"""The share of a training step that handing out its batch takes, for every image study that ships.

Each study trains some steps on its own prepared data, with the parameters in the middle of its space. Timed are
the step and what lies between the end of one and the beginning of the next: drawing and gathering the batch,
and bringing it to the device. The quick presets train on the CPU; the studies themselves, on rendered images of
their size in place of their own data, where there is a GPU.

    .venv/bin/python -m benchmarks.feeding
    .venv/bin/python -m benchmarks.feeding fer2013_cnn3 --steps 5      one study, in half a minute

It takes about ten minutes on two cores. To reach: at most a tenth for each study.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from search import catalog
from search.settings import Settings
from search.study import StudyDefinition, load_study
from search.training import run
from search.training.batches import Batch
from search.training.checkpoint import Checkpoints
from search.worker import data

WARM_UP = 2  # steps that are not counted
RENDERED = 512  # images that stand in for a study's own data

Times = list[tuple[float, float]]  # seconds of handing out, and of the step, of each step


class _Enough(Exception):
    """All steps that were asked for are done."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=catalog.names("studies"), help="which; by default all")
    parser.add_argument("--steps", type=int, default=20, help="of each study")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder, "home"), Path(folder), folder, None)
        for name in options.studies:
            quick = load_study(name, preset="quick")
            if quick.dataset.features is None:
                report(quick, settings, torch.device("cpu"), options.steps)
                if torch.cuda.is_available():
                    report(rendered(load_study(name)), settings, torch.device("cuda"), options.steps)


def rendered(definition: StudyDefinition) -> StudyDefinition:
    """The study on rendered images of the same size, for its data may not be here."""
    given = definition.dataset
    section = type(given)(name="synthetic_faces", image_size=given.image_size, images=RENDERED, test_images=7)
    return definition.model_copy(update={"dataset": section})


def report(definition: StudyDefinition, settings: Settings, device: torch.device, steps: int) -> None:
    """Print the medians over the steps of one study."""
    times = timed(definition, settings, device, steps)
    handing, step = (statistics.median(each) for each in zip(*times, strict=True))
    share = statistics.median(one / (one + other) for one, other in times)
    print(
        f"{definition.name} ({device}, {definition.dataset.image_size} px): step {1000 * step:,.1f} ms, handing "
        f"out {1000 * handing:.2f} ms, share {share:.2%}{'' if share <= 0.1 else ', above a tenth'}",
        flush=True,
    )


def timed(definition: StudyDefinition, settings: Settings, device: torch.device, steps: int) -> Times:
    """The times of the steps of one run, without those that warm up."""
    _, manifest = data.prepare(definition, settings)
    source = data.DataSource(definition.dataset, settings.data, data.cache_folder(settings), manifest.fingerprint)
    recipe = definition.recipe({key: each.domain().at(0.5) for key, each in definition.space.items()}, seed=0)
    with (
        tempfile.TemporaryDirectory() as folder,
        watched(device, steps + WARM_UP) as times,
        suppress(_Enough),
    ):
        for _ in run.train(
            recipe,
            data.open_data(source, lambda done, total: None),
            device=device,
            checkpoints=Checkpoints(Path(folder), 1),
            on_begin=lambda epochs: None,
            on_step=lambda: None,
        ):
            times.between_epochs()
    return times.found[WARM_UP:]


class _Watch:
    """Times what lies before each step, and the step."""

    def __init__(self, device: torch.device, steps: int) -> None:
        self._device, self._steps = device, steps
        self._ended: float | None = None
        self.found: Times = []

    def between_epochs(self) -> None:
        """Validation and saving are no handing out."""
        self._ended = None

    def around(self, trained: "run._Run", step: int, lr: float, batches: list[Batch]) -> Tensor:
        """In place of a run's `_step`."""
        began = self._now()
        loss = _STEP(trained, step, lr, batches)
        ended = self._now()
        if self._ended is not None:
            self.found.append((began - self._ended, ended - began))
        if len(self.found) == self._steps:
            raise _Enough
        self._ended = ended
        return loss

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


_STEP = run._Run._step


@contextmanager
def watched(device: torch.device, steps: int) -> Iterator[_Watch]:
    """Every training step in here is timed; after `steps` of them `_Enough` is raised."""
    watch = _Watch(device, steps)
    with mock.patch.object(run._Run, "_step", lambda *arguments: watch.around(*arguments)):
        yield watch


if __name__ == "__main__":
    main()
