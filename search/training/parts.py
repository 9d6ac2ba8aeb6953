"""The parts of a model that learn at a pace of their own, as its method `parts` names them."""

from torch import nn

from search.errors import ModelError
from search.training.recipe import Knobs


def lr_ratios(model: nn.Module, knobs: Knobs) -> list[tuple[nn.Module, float]]:
    """The model's parts whose learning rate differs from `lr`, each with its share of it.

    Raises ModelError where a ratio is asked of a part that the model doesn't name.
    """
    named: dict[str, nn.Module] = getattr(model, "parts", dict)()
    found = []
    for name, ratio in (("backbone", knobs.backbone_lr_ratio), ("projection", knobs.projection_lr_ratio)):
        if ratio == 1:
            continue
        if name not in named:
            has = f"only {' and '.join(named)}" if named else "none"
            raise ModelError(
                f"{name}_lr_ratio is {ratio:g}, and the model has no part named {name}, but {has}: leave the "
                "knob at 1, or name the part in a method `parts` of the model."
            )
        found.append((named[name], ratio))
    return found


def freeze(model: nn.Module, knobs: Knobs) -> list[nn.Module]:
    """The parts with a ratio of 0, whose parameters no longer take gradients.

    They are to stay in evaluation mode while the rest trains: the statistics of their norms are part of the
    weights that are kept, and dropout in them would only blur what can't adapt.
    """
    frozen = [part for part, ratio in lr_ratios(model, knobs) if ratio == 0]
    for part in frozen:
        part.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(
            "backbone_lr_ratio and projection_lr_ratio leave no parameter to train; raise one above 0."
        )
    return frozen
