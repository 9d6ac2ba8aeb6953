"""The learning rate as a pure function of the step and of the objective's history."""

import math
from collections.abc import Iterable

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from search.tasks import turned
from search.training.recipe import Knobs


def learning_rate(knobs: Knobs, step: int, steps_per_epoch: int, reduced: float = 1.0) -> float:
    """The learning rate of a step, counted from 0 over the whole run.

    It rises in equal parts to `lr`, reached right after `warmup_epochs`, then follows `schedule`: cosine and
    exponential end at `final_lr_ratio` of `lr` on the last step, so runs of 20 and of 60 epochs decay alike.

    reduced: of the schedule plateau, the share of `lr` that is left, as `plateau_ratio` gives it.
    """
    warmup = round(knobs.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return knobs.lr * (step + 1) / (warmup + 1)
    last = knobs.epochs * steps_per_epoch - 1
    progress = (step - warmup) / max(last - warmup, 1)
    match knobs.schedule:
        case "cosine":
            share = (1 + math.cos(math.pi * progress)) / 2
            return knobs.lr * (knobs.final_lr_ratio + (1 - knobs.final_lr_ratio) * share)
        case "exponential":
            return knobs.lr * math.pow(knobs.final_lr_ratio, progress)
        case "step":
            return knobs.lr * math.pow(knobs.step_factor, step // steps_per_epoch // knobs.step_epochs)
        case "plateau":
            return knobs.lr * reduced
        case "constant":
            return knobs.lr


def plateau_ratio(knobs: Knobs, objective: str, values: Iterable[float]) -> float:
    """The share of `lr` that is left after epochs with these values of the objective, in [final_lr_ratio, 1].

    It is replayed from the first epoch, so that a resumed run needs nothing but its history. As torch has it, the
    share is multiplied by `plateau_factor` once more than `plateau_patience` epochs in a row have not been better
    than the best one; any improvement counts.
    """
    unit = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(
        unit,
        mode="max",
        factor=knobs.plateau_factor,
        patience=knobs.plateau_patience,
        threshold=0.0,
        min_lr=knobs.final_lr_ratio,
        eps=0.0,
    )
    for value in values:
        scheduler.step(turned(objective, value))
    ratio: float = unit.param_groups[0]["lr"]
    return ratio
