"""One training run as a generator of epochs, resumed from its newest checkpoint if there is one.

Everything random comes from the recipe's seed and the number of the epoch or step, so a resumed run repeats what
an uninterrupted one would have done: bit for bit on the same kind of machine with the same number of threads.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from enum import IntEnum
from itertools import islice
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from search.errors import CacheError, DatasetError, Diverged
from search.training.arithmetic import deterministic, keep_freed_memory
from search.training.augment import augment, mixing
from search.training.batches import Batch
from search.training.best import BestEpoch
from search.training.cache import Prepared
from search.training.checkpoint import Checkpoints
from search.training.ema import averaged
from search.training.epoch import Epoch
from search.training.heads import layout
from search.training.loading import split_batches, training_batches
from search.training.losses import training_loss, validation_loss
from search.training.metrics import validation_metrics
from search.training.network import Network
from search.training.optimizers import optimizer_of, take_step
from search.training.parts import freeze
from search.training.recipe import Recipe
from search.training.schedules import learning_rate, plateau_ratio
from search.training.stopping import is_over


class Purpose(IntEnum):
    """What a seed derived from the recipe's is for."""

    INITIALISATION = 0
    ORDER = 1
    STEP = 2


def train(
    recipe: Recipe,
    data: Prepared,
    *,
    device: torch.device,
    checkpoints: Checkpoints,
    keep_best: bool = False,
    on_begin: Callable[[int], None],
    on_step: Callable[[], None],
) -> Iterator[Epoch]:
    """Yield every epoch of the run, those of an interrupted one before from its checkpoint.

    A checkpoint is saved before its epoch is yielded. Where that fails, as on a full disk, the run goes on with a
    warning, until it has failed several times in a row.

    keep_best: whether checkpoints also hold the model of the best epoch so far by the recipe's objective.
    on_begin: called once, with the number of epochs that come from a checkpoint.
    on_step: called after every batch, in training and validation; it may raise to abandon the run.

    Raises DatasetError if the training split is smaller than a batch or a split has no labels, CacheError if the
    checkpoints are another run's, Diverged if a loss stops being finite, CheckpointError if none can be saved.
    """
    keep_freed_memory()
    with deterministic(device):
        run = _Run(recipe, data, device, keep_best, on_step)
        history = run.resume(checkpoints)
        on_begin(len(history))
        yield from history
        while not is_over(recipe.knobs, recipe.objective, run.values(history)):
            history.append(run.epoch(len(history) + 1, history))
            checkpoints.try_to_save(len(history), run.state(history))
            yield history[-1]


class _Run:
    """The model and what trains it."""

    def __init__(
        self,
        recipe: Recipe,
        data: Prepared,
        device: torch.device,
        keep_best: bool,
        on_step: Callable[[], None],
    ) -> None:
        self.recipe, self.knobs, self.on_step = recipe, recipe.knobs, on_step
        self.fingerprint = data.fingerprint
        self.layout = layout(recipe, data)
        self.training = training_batches(self.layout, self.knobs, device, self._seed(Purpose.ORDER, 0))
        self.validation = [
            split_batches("validation", member, member.data.validation, self.layout, self.knobs, device)
            for member in self.layout.trained
        ]
        self.steps_per_epoch = len(self.training) // self.knobs.batch_size // self.knobs.accumulate
        if self.steps_per_epoch == 0:
            raise DatasetError(
                f"batch_size is {self.knobs.batch_size}"
                + (f", accumulated {self.knobs.accumulate} times" if self.knobs.accumulate > 1 else "")
                + f", and the training split has {len(self.training)} labelled "
                f"{'windows' if data.widths else 'images'}; give a batch_size of at most "
                f"{len(self.training) // self.knobs.accumulate}."
            )
        frames = self.knobs.window if data.widths else 1
        self.samples = self.steps_per_epoch * self.knobs.accumulate * self.knobs.batch_size * frames
        torch.manual_seed(self._seed(Purpose.INITIALISATION, 0))
        self.network = Network(recipe, data, self.layout, device)
        self.model = self.network.model
        self.frozen = freeze(self.model, self.knobs)
        self.average = averaged(self.model, self.knobs.ema_decay) if self.knobs.ema_decay else None
        if self.average is not None:
            self.network.judged = self.average.module
        self.best = BestEpoch(recipe.objective) if keep_best else None
        self.optimizer = optimizer_of(self.model, self.knobs)
        self.loss = training_loss(self.knobs, self.layout.heads, self.training.values, self.training.mask)
        self.plain_loss = validation_loss(self.knobs, self.layout.heads)
        self.mix = mixing(self.knobs.mixup_alpha, self.knobs.cutmix_alpha)

    def epoch(self, number: int, history: list[Epoch]) -> Epoch:
        """Train one epoch and validate. history: the epochs before it."""
        start = time.perf_counter()
        train_loss, lr = self._train(number, history)
        trained = time.perf_counter()
        metrics = self._validate(number)
        if self.best is not None:
            self.best.consider(number, metrics, self.network.judged)
        return Epoch(
            number=number,
            metrics={**metrics, "train_loss": train_loss, "lr": lr},
            seconds=time.perf_counter() - start,
            samples_per_second=self.samples / (trained - start),
        )

    def values(self, history: list[Epoch]) -> list[float]:
        """The objective of each epoch."""
        return [epoch.metrics[self.recipe.objective] for epoch in history]

    def state(self, history: list[Epoch]) -> dict[str, Any]:
        """All that a later attempt needs."""
        return {
            "recipe": self.recipe.model_dump_json(),
            "fingerprint": self.fingerprint,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in history],
            **({"average": self.average.module.state_dict()} if self.average is not None else {}),
            **({"best": self.best.state} if self.best is not None else {}),
        }

    def resume(self, checkpoints: Checkpoints) -> list[Epoch]:
        """Continue from the newest whole checkpoint: the epochs done, none if there is no checkpoint."""
        state = checkpoints.newest()
        if state is None:
            return []
        if state["recipe"] != self.recipe.model_dump_json() or state["fingerprint"] != self.fingerprint:
            raise CacheError(
                f"{checkpoints.folder} holds checkpoints of a run with another recipe or other data; "
                "delete the folder."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"])
        if self.best is not None:
            self.best.state = state["best"]
        return [Epoch(**epoch) for epoch in state["history"]]

    def _train(self, number: int, history: list[Epoch]) -> tuple[float, float]:
        """The mean loss of the epoch's batches as augmented, and the last learning rate."""
        self.model.train()
        for part in self.frozen:
            part.eval()
        reduced = plateau_ratio(self.knobs, self.recipe.objective, self.values(history))
        batches = self.training.shuffled(self.knobs.batch_size, self._seed(Purpose.ORDER, number))
        losses, lr = [], 0.0
        first = (number - 1) * self.steps_per_epoch
        for step in range(first, first + self.steps_per_epoch):
            lr = learning_rate(self.knobs, step, self.steps_per_epoch, reduced)
            losses.append(self._step(step, lr, list(islice(batches, self.knobs.accumulate))))
        means = torch.stack(losses).cpu()  # read once an epoch: a GPU is not kept waiting at every step
        finite = means.isfinite()
        if not finite.all():
            worst = int(finite.int().argmin())
            raise self._diverged(f"epoch {number}, step {worst + 1}: the training loss is {means[worst]:g}")
        return means.mean().item(), lr

    def _step(self, step: int, lr: float, batches: list[Batch]) -> Tensor:
        """The mean loss of the batches of a step, counted from 0 over the whole run."""

        def gradients() -> Tensor:
            first = step * self.knobs.accumulate
            losses = [self._forward_and_back(first + index, batch) for index, batch in enumerate(batches)]
            return torch.stack(losses).mean()

        loss = take_step(self.optimizer, self.model, gradients, lr=lr, clip_norm=self.knobs.clip_norm)
        if self.average is not None:
            self.average.update(self.model, step + 1)
        return loss

    def _forward_and_back(self, index: int, batch: Batch) -> Tensor:
        """The loss of a batch, counted from 0 over the whole run, its gradient added to the parameters'."""
        torch.manual_seed(self._seed(Purpose.STEP, index))  # augmentation, mixing, dropout and drop path
        inputs, values, mask = batch.inputs, batch.values, batch.mask
        if inputs.ndim == 4:
            inputs = augment(inputs, self.knobs.augmentation, self.knobs.normalization)
            inputs, values, mask = self._mixed(inputs, values, mask)
        outputs, penalty = self.network(inputs)
        loss = self.loss(outputs, values, mask)
        if penalty is not None:
            loss = loss + penalty
        torch.autograd.backward(loss / self.knobs.accumulate if self.knobs.accumulate > 1 else loss)
        self.on_step()
        return loss.detach()

    def _mixed(self, inputs: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Neighbours of the batch mixed; a label is there where both have it."""
        inputs, labels = self.mix(inputs, torch.cat([values, mask.float()], dim=1))
        values, there = labels.chunk(2, dim=1)
        return inputs, values, there > 0.9999

    def _validate(self, number: int) -> dict[str, float]:
        """The metrics of the study's data set, and those of the others with their name before them."""
        metrics: dict[str, float] = {}
        for member, batches in zip(self.layout.trained, self.validation, strict=True):
            outputs = self.network.outputs(batches, self.on_step)
            own = validation_metrics(member.heads, self.plain_loss, outputs, batches.values, batches.mask)
            metrics |= {f"{member.name}.{name}": value for name, value in own.items()} if metrics else own
        for name, value in metrics.items():
            if not isfinite(value):
                raise self._diverged(f"epoch {number}, after step {self.steps_per_epoch}: {name} is {value:g}")
        if self.recipe.objective not in metrics:
            raise DatasetError(
                f"{self.recipe.objective} can't be measured on the validation split: it has no such labels. "
                "Choose another objective."
            )
        return metrics

    def _seed(self, purpose: Purpose, number: int) -> int:
        sequence = np.random.SeedSequence(self.recipe.seed, spawn_key=(purpose, number))
        return int(sequence.generate_state(1)[0])

    def _diverged(self, what: str) -> Diverged:
        return Diverged(
            f"{what}, of {self.steps_per_epoch} steps an epoch at lr {self.knobs.lr:g}; "
            "lower lr or clip_norm, or warm up for longer."
        )
