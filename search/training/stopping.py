"""When a run is over. Imports no torch."""

from collections.abc import Sequence

from search.tasks import turned
from search.training.recipe import Knobs


def is_over(knobs: Knobs, objective: str, values: Sequence[float]) -> bool:
    """Whether a run ends after epochs with these values of the objective.

    It does after `epochs`, or once `early_stopping` epochs in a row have not been better than the best one.
    """
    if len(values) >= knobs.epochs:
        return True
    if not knobs.early_stopping or not values:
        return False
    worth = [turned(objective, value) for value in values]
    return len(worth) - 1 - worth.index(max(worth)) >= knobs.early_stopping
