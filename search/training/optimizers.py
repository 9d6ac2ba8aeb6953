"""Optimizers, which parameters decay, and one step."""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_optimizer import SAM
from pytorch_optimizer.optimizer.utils.model import disable_running_stats, enable_running_stats
from torch import Tensor, nn
from torch.optim import Optimizer

from search.training.parts import lr_ratios
from search.training.recipe import Knobs


def optimizer_of(model: nn.Module, knobs: Knobs) -> Optimizer:
    """The optimizer over the model's trainable parameters, in torch's fused form.

    Raises ModelError where a learning rate of its own is asked for a part that the model doesn't name.
    """
    kind: type[Optimizer]
    if knobs.optimizer == "sgd":
        kind = torch.optim.SGD
        options: dict[str, Any] = {"momentum": knobs.beta1, "nesterov": knobs.beta1 > 0}
    else:
        kind = torch.optim.Adam if knobs.optimizer == "adam" else torch.optim.AdamW
        options = {"betas": (knobs.beta1, knobs.beta2), "eps": knobs.eps}
    options |= {"lr": knobs.lr, "fused": True}
    groups = parameter_groups(model, knobs)
    return SAM(groups, kind, rho=knobs.sam_rho, **options) if knobs.sam_rho else kind(groups, **options)


def parameter_groups(model: nn.Module, knobs: Knobs) -> list[dict[str, Any]]:
    """The trainable parameters by weight decay and `lr_ratio`, their learning rate's share of the schedule's.

    Unless `decay_norms`, decay spares vectors and scalars (biases, norms, slopes) and what the model's
    `no_weight_decay()` names (tokens and position embeddings, as in timm).
    """
    spared: set[str] = set() if knobs.decay_norms else getattr(model, "no_weight_decay", set)()
    ratios = {id(parameter): ratio for part, ratio in lr_ratios(model, knobs) for parameter in part.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = knobs.decay_norms or (parameter.ndim > 1 and name not in spared)
        key = (ratios.get(id(parameter), 1.0), knobs.weight_decay if decays else 0.0)
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": group, "weight_decay": decay, "lr_ratio": ratio}
        for (ratio, decay), group in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]


def take_step(
    optimizer: Optimizer, model: nn.Module, gradients: Callable[[], Tensor], *, lr: float, clip_norm: float
) -> Tensor:
    """One step at the learning rate `lr`, with gradients clipped to `clip_norm` unless it is 0; returns the loss.

    With SAM (Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization",
    https://arxiv.org/abs/2010.01412) the gradient that is followed is that of the weights moved uphill, by rho
    along the normalized gradient; the loss is that of the weights as they were. Running statistics of batch norms
    take in the first pass only, for those of the moved weights belong to no model that is kept.

    gradients: adds the loss's gradients to the parameters' and returns the loss; called twice with SAM, it must do
        the same each time, whatever it draws at random.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_ratio"]
    optimizer.zero_grad(set_to_none=True)
    loss = gradients()
    if not isinstance(optimizer, SAM):
        _clip(model, clip_norm)
        optimizer.step()
        return loss
    optimizer.first_step(zero_grad=True)
    disable_running_stats(model)
    gradients()
    enable_running_stats(model)
    _clip(model, clip_norm)
    optimizer.second_step()
    return loss


def _clip(model: nn.Module, norm: float) -> None:
    if norm:
        nn.utils.clip_grad_norm_(model.parameters(), norm)
