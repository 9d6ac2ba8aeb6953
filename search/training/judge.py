"""A finished run's best model, and what it says about the split that judges."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from search.predictions import Predictions
from search.tasks import OBJECTIVES
from search.training.answers import answers
from search.training.arithmetic import deterministic
from search.training.cache import Prepared
from search.training.checkpoint import Checkpoints
from search.training.heads import Layout, Member, labels, layout
from search.training.loading import batches_of
from search.training.network import Network
from search.training.recipe import Recipe


def judge(
    recipe: Recipe,
    data: Prepared,
    *,
    device: torch.device,
    checkpoints: Checkpoints,
    weights: Path,
    on_step: Callable[[], None],
) -> Predictions:
    """What the model of the best epoch predicts of the test split, or of validation where there is no test split.

    checkpoints: of a run of this recipe that trained to its end and kept its best epoch.
    weights: file that receives that model: `torch.load(weights_only=True)` gives the recipe as JSON, the class
        names, the image size, the epoch and the state of the model.
    on_step: as for `train`.

    Raises OSError where the file can't be written.
    """
    state = checkpoints.newest()
    assert state is not None
    best = state["best"]
    plan = layout(recipe, data)
    with deterministic(device):
        network = Network(recipe, data, plan, device)
        network.model.load_state_dict(best["model"])
        tested = [member for member in plan.members if member.use != "train" and member.heads]
        said = [_said(recipe, plan, member, network, device, on_step) for member in tested]
    about = {
        "recipe": recipe.model_dump_json(),
        "classes": list(data.classes),
        "heads": {head.name: list(head.labels) for head in plan.heads},
        "image_size": data.image_size,
    }
    with weights.open("wb") as file:
        torch.save({**about, "epoch": best["epoch"], "model": best["model"]}, file)
    return replace(said[0], elsewhere=tuple(said[1:]))


def _said(
    recipe: Recipe,
    plan: Layout,
    member: Member,
    network: Network,
    device: torch.device,
    on_step: Callable[[], None],
) -> Predictions:
    """What the network says of the split of one data set that judges: test, or validation where there is none."""
    data = member.data
    name, split = ("test", data.test) if data.test is not None else ("validation", data.validation)
    found = answers(recipe, split, member)
    counting = found if not OBJECTIVES[recipe.objective] else found[:1]
    judged = np.any([each.there for each in counting], axis=0)
    rows = np.flatnonzero(judged)
    own = labels(split, data.classes, member.heads, plan.width)
    batches = batches_of(name, split, own, recipe.knobs, device)
    outputs = np.full((len(split.items), plan.width), np.nan, np.float32)
    outputs[batches.rows] = network.outputs(batches, on_step).cpu().numpy()
    predictions = [
        Predictions(
            split=name if member is plan.members[0] else f"{member.name} {name}",
            task=each.task,
            classes=each.classes,
            items=tuple(split.items[row] for row in rows),
            groups=None if split.groups is None else split.groups[rows],
            truth=each.truth[rows],
            predicted=each.predicted(outputs[rows]),
        )
        for each in found
    ]
    return replace(predictions[0], beside=tuple(predictions[1:]), dropped=own.dropped)
