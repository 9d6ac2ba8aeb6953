"""Definitions, rows of studies and trial records made by hand; what makes up whole results builds on them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from search.store.records import Context, StudyRow, TrialRecord
from search.study import StudyDefinition

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def make_definition(**fields: Any) -> StudyDefinition:
    """A random search for depth and learning rate, but for the fields that are given."""
    made: dict[str, Any] = {
        "name": "depth_lr",
        "question": "How deep?",
        "dataset": {"name": "synthetic_faces", "image_size": 48},
        "model": {"name": "clsfer"},
        "objective": "accuracy",
        "space": {
            "depth": {"role": "scientific", "choices": [2, 4, 8]},
            "lr": {"role": "nuisance", "low": 1e-6, "high": 1e-2, "log": True},
        },
        "sampler": "random",
        "budget": {"trials": 6},
    }
    return StudyDefinition.model_validate(made | fields)


def make_row(definition: StudyDefinition, **fields: Any) -> StudyRow:
    """The row of a study that is done, but for the fields that are given."""
    made: dict[str, Any] = {
        "study_id": 1,
        "name": definition.name,
        "state": "open",
        "stage": "done",
        "stage_at": NOW,
        "priority": 0,
        "definition": definition,
        "data_fingerprint": "pixels",
        "validation_items": 400,
        "code_version": "0.1.0",
        "created_at": NOW,
        "stage_counts": {},
        "epochs": 0,
        "seconds": 0.0,
        "search_epochs": 0,
        "search_seconds": 0.0,
        "context": Context(),
    }
    return StudyRow(**made | fields)


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
