"""The exponential moving average of a model's weights."""

from timm.utils.model_ema import ModelEmaV3
from torch import nn


def averaged(model: nn.Module, decay: float) -> ModelEmaV3:
    """An average that starts as the model is; `update(model, step)` after every step, counted from 1, moves it.

    Its `module` is the averaged model, in evaluation mode. Step n weighs it by min(decay, 1 - n ** (-2 / 3)), so
    that the weights of the beginning are soon forgotten, and pruning does not judge by them. Buffers are averaged
    as weights are: running statistics then fit the averaged weights; counters are copied.
    """
    return ModelEmaV3(model, decay, use_warmup=True)
