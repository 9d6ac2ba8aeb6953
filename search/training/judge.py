"""A finished run's best model, and what it says about the split that judges."""

from collections.abc import Callable
from pathlib import Path

import torch

from search.predictions import Predictions
from search.tasks import Task
from search.training.arithmetic import deterministic
from search.training.batches import Batches
from search.training.cache import Prepared
from search.training.checkpoint import Checkpoints
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
    with deterministic(device):
        network = Network(recipe, data, device)
        network.model.load_state_dict(best["model"])
        name, split = ("test", data.test) if data.test is not None else ("validation", data.validation)
        batches = Batches(name, split, device)
        probabilities = network.logits(batches, on_step).softmax(dim=1)
    about = {"recipe": recipe.model_dump_json(), "classes": list(data.classes), "image_size": data.image_size}
    with weights.open("wb") as file:
        torch.save({**about, "epoch": best["epoch"], "model": best["model"]}, file)
    rows = batches.rows
    return Predictions(
        split=name,
        task=Task.EXPRESSION,
        classes=data.classes,
        items=tuple(split.items[row] for row in rows),
        groups=None if split.groups is None else split.groups[rows],
        truth=batches.labels.cpu().numpy(),
        predicted=probabilities.cpu().numpy(),
    )
