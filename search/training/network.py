"""The model of a recipe on a device, in the memory layout and precision that it trains in."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from search import catalog
from search.training.arithmetic import memory_layout
from search.training.augment import normalize
from search.training.batches import Batches
from search.training.cache import Prepared
from search.training.recipe import Recipe


class Network:
    """`model` is what trains; calling this gives its logits."""

    def __init__(self, recipe: Recipe, data: Prepared, device: torch.device) -> None:
        """Builds the model with the weights that torch's random numbers and the recipe give it."""
        build = catalog.model(recipe.model)
        model = build(outputs=len(data.classes), image_size=data.image_size, **recipe.model_arguments)
        self._layout = memory_layout(model, device)
        self._device = device
        self._knobs = recipe.knobs
        self.model: nn.Module = model.to(device, memory_format=self._layout)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) of normalized images, float (B, 3, S, S)."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._knobs.precision == "bf16"):
            logits: Tensor = self.model(images.contiguous(memory_format=self._layout))
        return logits

    @torch.inference_mode()
    def logits(self, batches: Batches, on_step: Callable[[], None]) -> Tensor:
        """Float32 logits (N, K) of every image of a split, in order, as they are; `on_step` after each batch."""
        self.model.eval()
        logits = []
        for images, _ in batches.in_order(self._knobs.batch_size):
            logits.append(self(normalize(images, self._knobs.normalization)))
            on_step()
        return torch.cat(logits).float()
