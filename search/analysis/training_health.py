"""Whether the trials learnt what was asked, as their curves tell."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from search.analysis import wording
from search.analysis.axes import shown
from search.analysis.findings import HealthWarning
from search.analysis.regions import counted, region
from search.analysis.results import Results
from search.analysis.trials import ranked
from search.store.records import TrialRecord
from search.tasks import OBJECTIVES

_SHARE = 0.1  # of the trials that must show it
_CONSTANT = 0.999  # share of the predictions on one class
_MOST_CLASSES = 64
_UNRELATED = 0.05  # a CCC that means nothing
_FLIPPED = -0.1
_RISE = 1.1  # of the validation loss over its least

_Epochs = list[dict[str, float]]


def collapse(results: Results) -> Iterator[HealthWarning]:
    """Trials that end by predicting one class of everything, where classes are judged."""
    if not _judges(results, "expression"):
        return
    yield from _of_trials(
        results,
        _is_constant,
        kind="collapse",
        message="predict a single class for every image",
        detail=lambda epochs: (
            f"{100 * epochs[-1]['largest_class_share']:.0f} % of its predictions are one class"
            if "largest_class_share" in epochs[-1]
            else f"its balanced accuracy is exactly 1/{_classes(epochs[-1])}"
        ),
    )


def silent(results: Results) -> Iterator[HealthWarning]:
    """Trials that end by saying of no action unit that it is there, as suits labels that are mostly absent."""
    if not _judges(results, "action_units"):
        return
    yield from _of_trials(
        results,
        lambda epochs: epochs[-1].get("au_f1") == 0,
        kind="collapse",
        message="never find an action unit that is there",
        detail=lambda epochs: f"its mean action-unit F1 is 0 after {len(epochs)} epochs",
    )


def unrelated(results: Results) -> Iterator[HealthWarning]:
    """A loss that falls although nothing of the order of the labels is learnt."""
    yield from _of_trials(
        results,
        _is_unrelated,
        kind="ccc",
        message="lower the squared error but end at a concordance (CCC) near 0, as the mean label would",
        detail=lambda epochs: (
            f"its mean squared error falls from {shown(epochs[0]['mse'])} to {shown(epochs[-1]['mse'])}, "
            f"and its CCC ends at {min(_concordances(epochs[-1]).values(), key=abs):.3f}"
        ),
    )


def flipped(results: Results) -> Iterator[HealthWarning]:
    """Valence or arousal that is predicted the wrong way round."""
    yield from _of_trials(
        results,
        lambda epochs: any(value < _FLIPPED for value in _concordances(epochs[-1]).values()),
        kind="sign",
        message="predict valence or arousal with its sign turned round, as mixed-up label columns would",
        detail=lambda epochs: ", ".join(
            f"its {wording.named(name)} ends at {value:.3f}"
            for name, value in _concordances(epochs[-1]).items()
            if value < _FLIPPED
        ),
    )


def overfitting(results: Results) -> Iterator[HealthWarning]:
    """A validation loss that rises while the training loss still falls, in the best trial."""
    complete = [trial for trial in results.searched if trial.state == "complete"]
    for best, _ in ranked(results.definition, complete)[:1]:
        validation, train = _series(best, "validation_loss"), _series(best, "train_loss")
        if len(validation) < 3 or validation.keys() != train.keys():
            return
        least, last = min(validation, key=validation.__getitem__), max(validation)
        rises = validation[last] > _RISE * validation[least] and train[last] < train[least]
        if rises and least <= last - max(2, last // 5):
            yield HealthWarning(
                kind="overfitting",
                message=f"The best trial overfits after epoch {least}: more regularisation may help.",
                evidence=(
                    f"In trial {best.ticket} the validation loss rises from {validation[least]:.3g} at epoch "
                    f"{least} to {validation[last]:.3g} at epoch {last}, while the training loss falls from "
                    f"{train[least]:.3g} to {train[last]:.3g}."
                ),
            )


def _judges(results: Results, task: str) -> bool:
    """Whether the objective judges the task; what is trained along with another may well collapse."""
    judged = OBJECTIVES[results.definition.objective]
    return task in judged or not judged


def _of_trials(
    results: Results,
    shows: Callable[[_Epochs], bool],
    *,
    kind: str,
    message: str,
    detail: Callable[[_Epochs], str],
) -> Iterator[HealthWarning]:
    """A warning where a tenth of the trials that ended, and two at least, show it, or one of the best does."""
    ended = [trial for trial in results.records if trial.state == "complete" and trial.epochs]
    flags = np.array([shows(_epochs(trial)) for trial in ended], dtype=bool)
    best = [trial.ticket for trial, _ in ranked(results.definition, [t for t in ended if t.stage == "search"])[:1]]
    weighty = [*best, *(trial.ticket for trial in ended if trial.stage == "confirm")]
    shown_by = [trial for trial, flag in zip(ended, flags, strict=True) if flag]
    among_the_best = [trial for trial in shown_by if trial.ticket in weighty]
    if not among_the_best and not (len(shown_by) >= 2 and flags.mean() >= _SHARE):
        return
    where = region(results.definition, ended, flags)
    example = (among_the_best or shown_by)[0]
    evidence = counted(flags, where) if where else f"{len(shown_by)} of {len(ended)} complete trials"
    of_the_best = "; the best or a confirming one is among them" if among_the_best else ""
    yield HealthWarning(
        kind=kind,
        message=f"{len(shown_by)} of {len(ended)} complete trials {message}{of_the_best}.",
        evidence=wording.sentence(f"{evidence}; of trial {example.ticket}, {detail(_epochs(example))}"),
    )


def _is_constant(epochs: _Epochs) -> bool:
    if "largest_class_share" in epochs[-1]:
        return epochs[-1]["largest_class_share"] >= _CONSTANT
    return all(_classes(epoch) is not None for epoch in epochs[-3:])


def _classes(epoch: dict[str, float]) -> int | None:
    """The number of classes of which the balanced accuracy is that of a constant; None where it is of none."""
    balanced = epoch.get("balanced_accuracy", 0.0)
    count = round(1 / balanced) if balanced > 0 else 0
    return count if 2 <= count <= _MOST_CLASSES and math.isclose(balanced, 1 / count, rel_tol=1e-6) else None


def _is_unrelated(epochs: _Epochs) -> bool:
    if "mse" not in epochs[-1] or "mse" not in epochs[0]:
        return False
    near_0 = any(abs(value) < _UNRELATED for value in _concordances(epochs[-1]).values())
    return near_0 and epochs[-1]["mse"] < 0.9 * epochs[0]["mse"]


def _concordances(epoch: dict[str, float]) -> dict[str, float]:
    """Of valence and arousal, or of both together where that is all there is."""
    apart = {name: value for name, value in epoch.items() if name in ("ccc_valence", "ccc_arousal")}
    return apart or {name: value for name, value in epoch.items() if name == "ccc_mean"}


def _epochs(trial: TrialRecord) -> _Epochs:
    return [trial.epochs[number] for number in sorted(trial.epochs)]


def _series(trial: TrialRecord, metric: str) -> dict[int, float]:
    return {number: metrics[metric] for number, metrics in trial.epochs.items() if metric in metrics}
