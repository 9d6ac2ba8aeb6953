"""Optimizers, which parameters decay, and the learning rate as a pure function of the step."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from search.training.recipe import Knobs


def optimizer_of(model: nn.Module, knobs: Knobs) -> Optimizer:
    """The optimizer over the model's trainable parameters, in torch's fused form."""
    groups = parameter_groups(model, knobs)
    betas = (knobs.beta1, knobs.beta2)
    if knobs.optimizer == "adam":
        return torch.optim.Adam(groups, knobs.lr, betas, knobs.eps, fused=True)
    if knobs.optimizer == "adamw":
        return torch.optim.AdamW(groups, knobs.lr, betas, knobs.eps, fused=True)
    return torch.optim.SGD(groups, knobs.lr, knobs.beta1, nesterov=knobs.beta1 > 0, fused=True)


def parameter_groups(model: nn.Module, knobs: Knobs) -> list[dict[str, Any]]:
    """The trainable parameters with and without weight decay.

    Unless `decay_norms`, decay spares vectors and scalars (biases, norms, slopes) and what the model's
    `no_weight_decay()` names (tokens and position embeddings, as in timm).
    """
    spared: set[str] = set() if knobs.decay_norms else getattr(model, "no_weight_decay", set)()
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = knobs.decay_norms or (parameter.ndim > 1 and name not in spared)
        (decayed if decays else plain).append(parameter)
    groups = ((decayed, knobs.weight_decay), (plain, 0.0))
    return [{"params": group, "weight_decay": decay} for group, decay in groups if group]


def learning_rate(knobs: Knobs, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 over the whole run.

    It rises in equal parts to `lr`, reached right after `warmup_epochs`, then follows `schedule`: cosine and
    exponential end at `final_lr_ratio` of `lr` on the last step, so runs of 20 and of 60 epochs decay alike.
    """
    warmup = round(knobs.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return knobs.lr * (step + 1) / (warmup + 1)
    last = knobs.epochs * steps_per_epoch - 1
    progress = (step - warmup) / max(last - warmup, 1)
    if knobs.schedule == "cosine":
        share = (1 + math.cos(math.pi * progress)) / 2
        return knobs.lr * (knobs.final_lr_ratio + (1 - knobs.final_lr_ratio) * share)
    if knobs.schedule == "exponential":
        return knobs.lr * math.pow(knobs.final_lr_ratio, progress)
    return knobs.lr
