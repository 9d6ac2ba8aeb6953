"""What a network says: columns of its output, and the labels they are held against."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search.errors import DatasetError
from search.tasks import ACTION_UNITS, OBJECTIVES, SPACES, TRAINABLE, VALENCE_AROUSAL, Task
from search.training.cache import CachedSplit, Prepared
from search.training.recipe import Recipe

_Key = tuple[Task, str]  # a task, and the label space or data set that has a head of its own for it


@dataclass(frozen=True)
class Head:
    """One task of one label space.

    task: EXPRESSION (label distributions are expressions, too), VALENCE_AROUSAL or ACTION_UNITS.
    labels: what each of its columns stands for: classes, `valence` and `arousal` or one of them, or units such as
        `AU1`.
    first: its first column among those of the network.
    """

    name: str
    task: Task
    labels: tuple[str, ...]
    first: int

    @property
    def columns(self) -> slice:
        """Its columns among those of the network."""
        return slice(self.first, self.first + len(self.labels))


@dataclass(frozen=True)
class Member:
    """A data set that is trained on or tested, and the heads that its labels are held against.

    use: `train`, `test` or `both`.
    """

    name: str
    use: str
    data: Prepared
    heads: tuple[Head, ...]


@dataclass(frozen=True)
class Layout:
    """All heads of a run, W columns in all, and its data sets; the study's own comes first."""

    heads: tuple[Head, ...]
    members: tuple[Member, ...]

    @property
    def width(self) -> int:
        return sum(len(head.labels) for head in self.heads)

    @property
    def trained(self) -> list[Member]:
        """The data sets that are trained on."""
        return [member for member in self.members if member.use != "test"]


@dataclass(frozen=True)
class Labels:
    """What the items of a split are held against.

    values: float32 (N, W): of an expression a distribution over its classes, of action units 0 or 1.
    mask: bool (N, W), True where the label is there; a head's columns of an expression all have or lack it.
    dropped: items of each class that the head does not have.
    """

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]
    dropped: dict[str, int]


def layout(recipe: Recipe, data: Prepared) -> Layout:
    """The heads that the recipe's tasks ask for.

    With the knob `output_heads` at `shared` all data sets are held against classes of the study's own, by name;
    at `per_space` those of other classes have a head of their own, at `per_dataset` every data set has.

    Raises DatasetError where the study's data set has no labels of a task.
    """
    sources = [_Source(data.name, "both", data), *_companions(recipe, data)]
    _refuse_missing(recipe, sources)
    heads: dict[_Key, Head] = {}
    width = 0
    for source in sources:
        if source.use != "test":
            for key, columns in _said(recipe, source):
                if key not in heads:
                    heads[key] = Head(_name(key, single=len(sources) == 1), key[0], columns, width)
                    width += len(columns)
    own = {key[0]: heads[key] for key, _ in _said(recipe, sources[0])}
    members = []
    for source in sources:
        # What has no head of its own, because it is only tested, is held against those of the study's own.
        found = [heads.get(key) or own.get(key[0]) for key, _ in _said(recipe, source)]
        members.append(Member(source.name, source.use, source.data, tuple(head for head in found if head)))
    return Layout(tuple(heads.values()), tuple(members))


def tasks(recipe: Recipe) -> tuple[str, ...]:
    """What the recipe trains, of `search.tasks.TRAINABLE`: what it names, or else what its objective judges.

    Of an objective that judges whatever there is, all of them, as far as the data have labels.
    """
    named = recipe.knobs.tasks.split("+") if recipe.knobs.tasks else OBJECTIVES[recipe.objective] or TRAINABLE
    return tuple(name for name in TRAINABLE if name in named)


def labels(split: CachedSplit, classes: tuple[str, ...], heads: tuple[Head, ...], width: int) -> Labels:
    """The labels of a split of a data set with these classes, laid out for the network."""
    values = np.zeros((len(split.items), width), np.float32)
    mask = np.zeros((len(split.items), width), np.bool_)
    dropped: dict[str, int] = {}
    for head in heads:
        columns = head.columns
        match head.task:
            case Task.EXPRESSION:
                values[:, columns], rows, dropped = distributions(split, classes, head.labels)
                mask[:, columns] = rows[:, None]
            case Task.VALENCE_AROUSAL:
                target = split.targets[Task.VALENCE_AROUSAL]
                chosen = [VALENCE_AROUSAL.index(label) for label in head.labels]
                values[:, columns] = target.values[:, chosen]
                mask[:, columns] = cells(target.mask, len(VALENCE_AROUSAL))[:, chosen]
            case _:
                target = split.targets[Task.ACTION_UNITS]
                values[:, columns] = target.values
                mask[:, columns] = cells(target.mask, len(ACTION_UNITS))
    return Labels(np.where(mask, values, np.float32(0)), mask, dropped)


def classes_of(layout: Layout, values: Tensor, mask: Tensor) -> Tensor:
    """int64 (N,): the column of each item's likeliest expression, -1 where it has none.

    values, mask: (N, W) tensors as `Labels` has them.
    """
    classes = torch.full((len(values),), -1, device=values.device)
    for head in layout.heads:
        if head.task is Task.EXPRESSION:
            there = mask[:, head.first]
            classes[there] = head.first + values[there, head.columns].argmax(dim=1)
    return classes


@dataclass(frozen=True)
class _Source:
    """A data set of a run, and what for."""

    name: str
    use: str
    data: Prepared

    @property
    def present(self) -> list[str]:
        """What it has labels of, of `search.tasks.TRAINABLE`."""
        tested = self.data.test if self.use == "test" else None
        return _present(tested or self.data.train)


def _companions(recipe: Recipe, data: Prepared) -> Iterator[_Source]:
    """The data sets beside the study's own; where only that is trained on, those to be tested."""
    for name, use, companion in data.companions:
        if recipe.knobs.train_on == "all":
            yield _Source(name, use, companion)
        elif use != "train":
            yield _Source(name, "test", companion)


def _refuse_missing(recipe: Recipe, sources: list[_Source]) -> None:
    """Raises DatasetError where nothing has the labels of a task that is named, or the study's own data of what is
    judged."""
    own = sources[0].present
    trained = {task for source in sources if source.use != "test" for task in source.present}
    missing = [task for task in OBJECTIVES[recipe.objective] if task in tasks(recipe) and task not in own]
    if recipe.knobs.tasks is not None:
        missing += [task for task in tasks(recipe) if task not in trained and task not in missing]
    if missing or not set(own) & set(tasks(recipe)):
        raise DatasetError(
            f"the data set {sources[0].name} has no labels of {', '.join(missing or tasks(recipe))}; it has some "
            f"of {', '.join(own) or 'nothing'}. Change tasks or objective."
        )


def _said(recipe: Recipe, source: _Source) -> Iterator[tuple[_Key, tuple[str, ...]]]:
    """The heads that a data set has labels for, each with what its columns stand for."""
    said = [task for task in tasks(recipe) if task in source.present]
    if "expression" in said:
        yield _key(recipe, Task.EXPRESSION, source), source.data.classes
    if dimensions := tuple(name for name in VALENCE_AROUSAL if name in said):
        yield _key(recipe, Task.VALENCE_AROUSAL, source), dimensions
    if "action_units" in said:
        yield _key(recipe, Task.ACTION_UNITS, source), tuple(f"AU{number}" for number in ACTION_UNITS)


def _key(recipe: Recipe, task: Task, source: _Source) -> _Key:
    """What data sets with the same answer share a head for."""
    name, classes = source.name, source.data.classes
    if recipe.knobs.output_heads == "per_dataset":
        return task, name
    if recipe.knobs.output_heads == "per_space" and task is Task.EXPRESSION:
        return task, next((space for space, members in SPACES.items() if members == classes), name)
    return task, ""


def _present(split: CachedSplit) -> list[str]:
    """What the split has labels of, of `search.tasks.TRAINABLE`."""
    present = []
    if Task.EXPRESSION in split.targets or Task.DISTRIBUTION in split.targets:
        present.append("expression")
    if Task.VALENCE_AROUSAL in split.targets:
        present += VALENCE_AROUSAL
    if Task.ACTION_UNITS in split.targets:
        present.append("action_units")
    return present


def _name(key: _Key, single: bool) -> str:
    task, group = key
    if single or not group:
        return str(task)
    return group if task is Task.EXPRESSION else f"{group}_{task}"


def distributions(
    split: CachedSplit, classes: tuple[str, ...], wanted: tuple[str, ...]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], dict[str, int]]:
    """Distributions over the wanted classes (N, K), which items have one, and how many lack each other class.

    Of a distribution over other classes what lies on the wanted ones is scaled to 1.
    """
    expression = split.targets.get(Task.EXPRESSION)
    native: NDArray[np.float32]
    there: NDArray[np.bool_]
    if expression is not None:
        native = np.eye(len(classes), dtype=np.float32)[expression.values]
        there = expression.mask
    else:
        distribution = split.targets[Task.DISTRIBUTION]
        native = distribution.values.astype(np.float32)
        there = np.asarray(cells(distribution.mask, len(classes)).all(axis=1))
    if classes == wanted:
        return native, there, {}
    columns = [classes.index(name) if name in classes else -1 for name in wanted]
    kept = np.where(np.array(columns) >= 0, native[:, columns], np.float32(0))
    shares = kept.sum(axis=1)
    lost = there & (shares == 0)
    counts = np.bincount(native[lost].argmax(axis=1), minlength=len(classes))
    dropped = {name: int(count) for name, count in zip(classes, counts, strict=True) if count}
    scaled = kept / np.where(shares > 0, shares, 1)[:, None]
    return scaled.astype(np.float32), there & ~lost, dropped


def cells(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """(N, width) of a mask (N,) or (N, width)."""
    return np.broadcast_to(mask.reshape(len(mask), -1), (len(mask), width))
