"""Trial records made by hand; what makes up whole results builds on them."""

from collections.abc import Mapping
from typing import Any

from search.store.records import TrialRecord


def make_record(ticket: int, curve: Mapping[int, float], **fields: Any) -> TrialRecord:
    """A complete trial of a search for accuracy, over so many epochs, but for the fields that are given."""
    made: dict[str, Any] = {
        "ticket": ticket,
        "stage": "search",
        "source": None,
        "state": "complete",
        "attempt": 1,
        "epoch": len(curve) or None,
        "trial": ticket,
        "parameters": {},
        "seed": 0,
        "value": max(curve.values(), default=None),
        "epochs": {epoch: {"accuracy": value} for epoch, value in curve.items()},
        "curve": curve,
        "seconds": 1.0,
        "epoch_seconds": {epoch: 1.0 / len(curve) for epoch in curve},
        "worker": "w",
        "reason": None,
        "started_at": None,
        "progress_at": None,
        "finished_at": None,
        "retries": [],
    }
    return TrialRecord(**made | fields)
