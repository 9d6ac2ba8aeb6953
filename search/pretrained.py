"""Files of pretrained weights, read safely for a model's `weights` argument, with refusals of one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

import timm
from torch import Tensor

from search.errors import WeightsError

_LONGEST_LINE = 200  # characters of each list of keys in a refusal


def read_state(path: str) -> dict[str, Tensor]:
    """The state dict in a file of torch or safetensors; no code in it is run.

    It may be bare, or under "state_dict" or "model"; the prefix "module." falls off its keys.

    Raises WeightsError if there is no such file, or it holds anything else.
    """
    if not Path(path).is_file():
        raise WeightsError(f"{path} is no file; give a file of pretrained weights.")
    try:
        state: dict[str, Tensor] = timm.models.load_state_dict(path, weights_only=True)
    except OSError as error:
        raise WeightsError(
            f"{path} can't be read ({error.strerror}); give a file of pretrained weights."
        ) from error
    except Exception as error:  # torch.load fails on foreign bytes in a dozen ways
        raise WeightsError(
            f"{path} is damaged or no state dict: not loaded; save one with torch.save(model.state_dict(), path)."
        ) from error
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds more than tensors; save the state dict alone, with torch.save.")
    return state


def without(state: dict[str, Tensor], *layers: str) -> dict[str, Tensor]:
    """A state dict without the weights of some layers. Raises ValueError if it holds no others."""
    prefixes = tuple(f"{layer}." for layer in layers)
    kept = {key: value for key, value in state.items() if not key.startswith(prefixes)}
    if not kept:
        raise ValueError("it holds no weights but those of a last layer.")
    return kept


@contextmanager
def fitting(path: str, network: str) -> Iterator[None]:
    """Within it, what torch and timm say of weights that do not fit a network becomes a WeightsError."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise WeightsError(f"{path} does not fit {network}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """The first five lines of an error as one, long lists of keys cut short."""
    return " ".join(shorten(line, _LONGEST_LINE, placeholder=" ...") for line in str(error).splitlines()[:5])
