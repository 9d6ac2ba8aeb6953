"""The model of a run's best epoch so far."""

from typing import Any

from torch import nn

from search.tasks import turned


class BestEpoch:
    """The model of the best epoch so far, the earliest of equals.

    state: its epoch, its objective and the state of its model on the CPU; empty before the first epoch.
    """

    def __init__(self, objective: str) -> None:
        self._objective = objective
        self.state: dict[str, Any] = {}

    def consider(self, number: int, metrics: dict[str, float], model: nn.Module) -> None:
        """Keeps the model as it is now where it is better than the one kept."""
        value = turned(self._objective, metrics[self._objective])
        if not self.state or value > self.state["value"]:
            tensors = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            self.state = {"epoch": number, "value": value, "model": tensors}
