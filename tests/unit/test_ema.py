import pytest
import torch
from torch import nn

from search.training.ema import averaged


def share(step: int, decay: float) -> float:
    """The weight of the average before this step, by hand."""
    return min(decay, 1 - step ** (-2 / 3))


def test_weights_and_running_statistics_are_averaged_and_counters_copied() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = averaged(model, 0.6)
    floats = [name for name, tensor in model.state_dict().items() if tensor.is_floating_point()]
    expected = {name: model.state_dict()[name].clone() for name in floats}
    for step in range(1, 8):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(5, 3))
        average.update(model, step)
        for name in floats:
            old = share(step, 0.6)
            expected[name] = old * expected[name] + (1 - old) * model.state_dict()[name]
    assert "1.running_var" in floats
    assert share(7, 0.6) == 0.6 != share(2, 0.6)
    state = average.module.state_dict()
    torch.testing.assert_close({name: state[name] for name in floats}, expected)
    assert state["1.num_batches_tracked"] == 7


def test_the_average_starts_at_the_first_step_and_leaves_the_model_alone() -> None:
    model = nn.Linear(2, 1)
    average = averaged(model, 0.999)
    with torch.no_grad():
        model.weight.fill_(5.0)
    average.update(model, 1)
    assert average.module.get_parameter("weight").tolist() == [[5.0, 5.0]]
    with torch.no_grad():
        model.weight.fill_(7.0)
    average.update(model, 2)
    expected = 5 + 2 * 2 ** (-2 / 3)
    assert average.module.get_parameter("weight").tolist()[0] == pytest.approx([expected, expected])
    assert model.weight.tolist() == [[7.0, 7.0]]
    assert model.training
    assert not average.module.training
