"""What one trained model says about a split, beside the truth."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.data import Indices
from search.tasks import Task


@dataclass(frozen=True)
class Predictions:
    """The items of one split, in order, and what a model predicts of each.

    split: the split's name: test, or validation where the data set has no test split.
    task: what is predicted.
    classes: class names in index order; empty where the task has none.
    items: the ids of N items.
    groups: int64 (N,), subject or sequence, or None where unknown.
    truth: the labels, as `search.tasks.Task` says for the task. A missing one is -1 for an expression, NaN for
        valence and arousal or a distribution, and 255 for an action unit.
    predicted: float32: of an expression or distribution its class probabilities (N, K), whose rows sum to 1; of
        action units their probabilities; else as `truth`. NaN in the columns that the network says nothing about.
    beside: of the same items, what the network says of other tasks.
    elsewhere: of the test splits of other data sets, named in their `split`.
    dropped: of a data set with other classes, how many items of each class are left out.
    """

    split: str
    task: Task
    classes: tuple[str, ...]
    items: tuple[str, ...]
    groups: Indices | None
    truth: NDArray[Any]
    predicted: NDArray[np.float32]
    beside: tuple["Predictions", ...] = ()
    elsewhere: tuple["Predictions", ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)

    def digest(self) -> str:
        """A short text that is the same for the same items with the same labels in the same order."""
        digest = blake2b(json.dumps([self.split, self.task, self.classes, self.items]).encode(), digest_size=16)
        for part in (self, *self.beside):
            digest.update(json.dumps([part.truth.dtype.str, part.truth.shape]).encode() + part.truth.tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """All of it, compressed; `from_bytes` reads it."""
        arrays: dict[str, NDArray[Any]] = {}
        about = json.dumps(self._pack(arrays, ""))
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, about=np.frombuffer(about.encode(), np.uint8), **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Predictions":
        """What `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls._unpack(json.loads(arrays["about"].tobytes()), arrays, "")

    def _pack(self, arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, Any]:
        """All but the arrays, which are added to `arrays`."""
        arrays |= {f"{prefix}truth": self.truth, f"{prefix}predicted": self.predicted}
        if self.groups is not None:
            arrays[f"{prefix}groups"] = self.groups
        return {
            "split": self.split,
            "task": self.task,
            "classes": self.classes,
            "items": self.items,
            "beside": [part._pack(arrays, f"{prefix}beside{i}.") for i, part in enumerate(self.beside)],
            "elsewhere": [part._pack(arrays, f"{prefix}elsewhere{i}.") for i, part in enumerate(self.elsewhere)],
            "dropped": dict(self.dropped),
        }

    @classmethod
    def _unpack(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]], prefix: str) -> "Predictions":
        def parts(kind: str) -> tuple[Predictions, ...]:  # earlier versions stored none
            return tuple(
                cls._unpack(part, arrays, f"{prefix}{kind}{i}.") for i, part in enumerate(about.get(kind, ()))
            )

        return cls(
            split=about["split"],
            task=Task(about["task"]),
            classes=tuple(about["classes"]),
            items=tuple(about["items"]),
            groups=arrays.get(f"{prefix}groups"),
            truth=arrays[f"{prefix}truth"],
            predicted=arrays[f"{prefix}predicted"],
            beside=parts("beside"),
            elsewhere=parts("elsewhere"),
            dropped=about.get("dropped", {}),
        )
