"""The model of a recipe on a device, in the memory layout and precision that it trains in."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from search import catalog
from search.errors import DatasetError
from search.training.arithmetic import memory_layout
from search.training.augment import normalize
from search.training.batches import Batches, Windows
from search.training.cache import Prepared
from search.training.heads import Layout
from search.training.recipe import Recipe


class Network:
    """`model` is what trains; calling this gives what it says.

    judged: what `outputs` asks: the same, unless another of its kind is put in its place.
    """

    def __init__(self, recipe: Recipe, data: Prepared, layout: Layout, device: torch.device) -> None:
        """Builds the model with the weights that torch's random numbers and the recipe give it."""
        model = _build(recipe, data, layout)
        self._layout = memory_layout(model, device)
        self._device = device
        self._knobs = recipe.knobs
        self.model: nn.Module = model.to(device, memory_format=self._layout)
        self.judged = self.model

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the model says, and while it trains a penalty for its loss where it has one.

        inputs: normalized images, float (B, 3, S, S), give (B, W); vectors (B, T, D) give (B, T, W).
        """
        said = self._said(self.model, inputs)
        return said if isinstance(said, tuple) else (said, None)

    @torch.inference_mode()
    def outputs(self, batches: Batches | Windows, on_step: Callable[[], None]) -> Tensor:
        """Float32 (N, W) of every item of a split, in order, as they are; `on_step` after each batch."""
        self.judged.eval()
        outputs: Tensor | None = None
        for positions, batch in batches.in_order(self._knobs.batch_size):
            inputs = batch.inputs
            floats = normalize(inputs, self._knobs.normalization) if inputs.ndim == 4 else inputs
            said = self._said(self.judged, floats)
            if outputs is None:
                outputs = said.new_empty((len(batches.rows), said.shape[-1]), dtype=torch.float32)
            outputs[positions.to(outputs.device)] = said.float().reshape(len(positions), -1)
            on_step()
        assert outputs is not None
        return outputs

    def _said(self, model: nn.Module, inputs: Tensor) -> Any:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._knobs.precision == "bf16"):
            return model(inputs.contiguous(memory_format=self._layout) if inputs.ndim == 4 else inputs)


def _build(recipe: Recipe, data: Prepared, layout: Layout) -> Any:
    build = catalog.model(recipe.model)
    asked = inspect.signature(build).parameters
    if ("features" in asked) != bool(data.widths):
        kind, other = ("sequences of features", "images") if "features" in asked else ("images", "features")
        raise DatasetError(
            f"the model {recipe.model} reads {kind}, and the data set gives {other}: "
            + (
                "name a frozen network under dataset.features."
                if "features" in asked
                else "leave out dataset.features."
            )
        )
    given: Mapping[str, Any] = {
        "outputs": layout.width,
        "columns": {head.name: len(head.labels) for head in layout.heads},
        "image_size": data.image_size,
        "features": dict(data.widths),
    }
    chosen = {name: value for name, value in given.items() if name in asked}
    return build(**chosen, **recipe.model_arguments)
