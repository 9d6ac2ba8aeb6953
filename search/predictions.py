"""What one trained model says about a split, beside the truth."""

import io
import json
from dataclasses import dataclass
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
    truth: the labels, as `search.tasks.Task` says for the task; items without a label are left out.
    predicted: float32: of an expression its class probabilities (N, K), whose rows sum to 1; else as `truth`.
    """

    split: str
    task: Task
    classes: tuple[str, ...]
    items: tuple[str, ...]
    groups: Indices | None
    truth: NDArray[Any]
    predicted: NDArray[np.float32]

    def digest(self) -> str:
        """A short text that is the same for the same items with the same labels in the same order."""
        digest = blake2b(json.dumps([self.split, self.task, self.classes, self.items]).encode(), digest_size=16)
        digest.update(json.dumps([self.truth.dtype.str, self.truth.shape]).encode() + self.truth.tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """All of it, compressed; `from_bytes` reads it."""
        about = json.dumps({"split": self.split, "task": self.task, "classes": self.classes, "items": self.items})
        arrays: dict[str, NDArray[Any]] = {"truth": self.truth, "predicted": self.predicted}
        if self.groups is not None:
            arrays["groups"] = self.groups
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, about=np.frombuffer(about.encode(), np.uint8), **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Predictions":
        """What `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            return cls(
                split=about["split"],
                task=Task(about["task"]),
                classes=tuple(about["classes"]),
                items=tuple(about["items"]),
                groups=arrays.get("groups"),
                truth=arrays["truth"],
                predicted=arrays["predicted"],
            )
