import pytest
import torch

from search.training.recipe import Knobs
from search.training.schedules import learning_rate, plateau_ratio


def rates(knobs: Knobs, steps_per_epoch: int) -> list[float]:
    return [learning_rate(knobs, step, steps_per_epoch) for step in range(knobs.epochs * steps_per_epoch)]


def test_warm_up_rises_linearly_to_the_peak() -> None:
    values = rates(Knobs(epochs=4, lr=1.0, schedule="constant", warmup_epochs=1.5), 6)
    assert values[:9] == pytest.approx([(step + 1) / 10 for step in range(9)])
    assert values[9:] == [1.0] * 15


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
@pytest.mark.parametrize(("epochs", "warmup"), [(20, 0.0), (60, 5.0), (2, 1.0)])
def test_schedules_fall_from_the_peak_to_the_final_ratio(schedule: str, epochs: int, warmup: float) -> None:
    knobs = Knobs(epochs=epochs, lr=0.5, schedule=schedule, final_lr_ratio=0.04, warmup_epochs=warmup)
    values = rates(knobs, 5)
    after = values[round(warmup * 5) :]
    assert after[0] == pytest.approx(0.5)
    assert after[-1] == pytest.approx(0.02)
    assert after == sorted(after, reverse=True)


def test_halves_of_the_two_schedules() -> None:
    shape = {"epochs": 1, "lr": 1.0, "final_lr_ratio": 0.01, "warmup_epochs": 0.0}
    assert learning_rate(Knobs(schedule="cosine", **shape), 50, 101) == pytest.approx(0.505)
    assert learning_rate(Knobs(schedule="exponential", **shape), 50, 101) == pytest.approx(0.1)


def test_runs_of_any_length_decay_alike() -> None:
    short, long = (Knobs(epochs=epochs, schedule="exponential", warmup_epochs=0.0) for epochs in (20, 60))
    ends = [learning_rate(knobs, knobs.epochs * 10 - 1, 10) for knobs in (short, long)]
    assert ends[0] == pytest.approx(ends[1])


@pytest.mark.parametrize(
    "knobs", [Knobs(epochs=1), Knobs(epochs=1, warmup_epochs=1.0), Knobs(epochs=2, warmup_epochs=9.0)]
)
def test_rates_of_the_shortest_runs_are_positive_and_at_most_the_peak(knobs: Knobs) -> None:
    assert all(0 < rate <= knobs.lr for rate in rates(knobs, 1))


def test_step_multiplies_by_its_factor_every_so_many_epochs() -> None:
    knobs = Knobs(epochs=7, lr=1.0, schedule="step", step_epochs=3, step_factor=0.5, warmup_epochs=0.0)
    assert rates(knobs, 2) == [1.0] * 6 + [0.5] * 6 + [0.25] * 2


def test_a_step_each_epoch_is_torchs_exponential_schedule() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
    knobs = Knobs(epochs=5, lr=0.3, schedule="step", step_epochs=1, step_factor=0.98, warmup_epochs=0.0)
    for epoch in range(5):
        assert learning_rate(knobs, 4 * epoch + 3, 4) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()


STALLING = [0.3, 0.5, 0.4, 0.5, 0.5, 0.45, 0.6, 0.6, 0.1, 0.2, 0.6, 0.55, 0.58, 0.6, 0.2, 0.3, 0.61]


@pytest.mark.parametrize(("objective", "sign"), [("accuracy", 1.0), ("mse", -1.0), ("ccc_mean", 1.0)])
@pytest.mark.parametrize("shift", [0.0, -1.0])
def test_plateau_is_that_of_torch(objective: str, sign: float, shift: float) -> None:
    knobs = Knobs(lr=0.1, schedule="plateau", plateau_patience=2, plateau_factor=0.5, final_lr_ratio=0.2)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max" if sign > 0 else "min", 0.5, 2, threshold=0, threshold_mode="abs", min_lr=0.02
    )
    values = [sign * (value + shift) for value in STALLING]
    seen = set()
    for epoch in range(len(values)):
        ratio = plateau_ratio(knobs, objective, values[:epoch])
        rate = learning_rate(knobs, 1000, 10, ratio)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
        seen.add(round(rate, 4))
        scheduler.step(values[epoch])
    assert seen == {0.1, 0.05, 0.025, 0.02}
