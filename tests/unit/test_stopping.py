import subprocess
import sys

import pytest

from search.training.recipe import Knobs
from search.training.stopping import is_over


@pytest.mark.parametrize(
    ("values", "over"),
    [
        ([], False),
        ([0.5], False),
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.5], True),  # two in a row that are no better
        ([0.5, 0.4, 0.6], False),
        ([0.5, 0.4, 0.6, 0.6, 0.1], True),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], True),  # all epochs
    ],
)
@pytest.mark.parametrize(("objective", "sign"), [("accuracy", 1), ("mse", -1)])
def test_a_run_ends_after_so_many_epochs_without_a_better_one(
    values: list[float], over: bool, objective: str, sign: int
) -> None:
    assert is_over(Knobs(epochs=6, early_stopping=2), objective, [sign * value for value in values]) is over


def test_by_default_a_run_has_all_its_epochs() -> None:
    assert not is_over(Knobs(epochs=6), "accuracy", [0.5] * 5)
    assert is_over(Knobs(epochs=6), "accuracy", [0.5] * 6)


def test_workers_ask_without_torch() -> None:
    script = "import sys, search.training.stopping; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
