"""Whether what a study trains suits what it is judged by and what it is trained on."""

from collections.abc import Iterator
from typing import Any

from search.study.messages import Finding
from search.study.space import Choices
from search.study.yaml_source import KeyPath, Scalar
from search.tasks import OBJECTIVES

_OF_IMAGES = ("mixup_alpha", "cutmix_alpha", "class_sampling")
_OF_SEQUENCES = ("window", "hop")
_OF_SEVERAL = ("output_heads", "batches", "train_on")


def disagreements(parts: dict[str, Any]) -> Iterator[Finding]:
    """What the sound sections of a study ask of each other in vain."""
    yield from _untrained(parts)
    dataset = parts.get("dataset")
    if dataset is None:
        return
    names = [dataset.name, *(companion.called for companion in dataset.also)]
    for i, name in enumerate(names[1:]):
        if name in names[: i + 1]:
            yield ("dataset", "also", i), f"a second data set is called {name}: give it a label of its own"
    if dataset.features is not None:
        yield from _in_vain(
            parts, _OF_IMAGES, "is of images, and with dataset.features there are none; leave it out"
        )
    else:
        yield from _in_vain(parts, _OF_SEQUENCES, "is of sequences; name a frozen network under dataset.features")
    if all(companion.use == "test" for companion in dataset.also):
        yield from _in_vain(
            parts, _OF_SEVERAL, "is of several data sets to train on; name them under dataset.also"
        )


def _untrained(parts: dict[str, Any]) -> Iterator[Finding]:
    """Tasks that leave out what the objective judges."""
    objective = parts.get("objective")
    for path, value in _given(parts, "tasks"):
        trained = str(value).split("+")
        if untrained := [task for task in OBJECTIVES.get(objective or "", ()) if task not in trained]:
            # The mean squared error is that of valence, of arousal, or of both.
            if objective == "mse" and len(untrained) == 1:
                continue
            yield path, f"{value!r} leaves out {' and '.join(untrained)}, which the objective {objective} judges"


def _in_vain(parts: dict[str, Any], knobs: tuple[str, ...], why: str) -> Iterator[Finding]:
    """Knobs that are searched, or set to anything but their default, and have no effect."""
    training = parts.get("training")
    for knob in knobs:
        default = type(training).model_fields[knob].default if training else None
        for path, value in _given(parts, knob):
            if path[0] == "space" or value != default:
                yield path, f"{knob} {why}"
                break


def _given(parts: dict[str, Any], knob: str) -> Iterator[tuple[KeyPath, Scalar]]:
    """Where a knob has a value, and which: fixed, or one of its choices."""
    parameter = parts.get("space", {}).get(knob)
    if isinstance(parameter, Choices):
        for i, value in enumerate(parameter.choices):
            yield ("space", knob, "choices", i), value
    elif parameter is not None:
        yield ("space", knob), ""
    elif parts.get("training") and (value := getattr(parts["training"], knob)) is not None:
        yield ("training", knob), value
