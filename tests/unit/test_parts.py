import pytest
from torch import nn

from search.errors import ModelError
from search.training.parts import freeze, lr_ratios
from search.training.recipe import Knobs


class WithBackbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)

    def parts(self) -> dict[str, nn.Module]:
        return {"backbone": self.trunk}


def test_ratios_name_the_parts_that_differ() -> None:
    model = WithBackbone()
    assert lr_ratios(model, Knobs()) == []
    assert lr_ratios(model, Knobs(backbone_lr_ratio=0.1)) == [(model.trunk, 0.1)]
    assert lr_ratios(nn.Linear(2, 2), Knobs()) == []


def test_a_ratio_for_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match=r"projection_lr_ratio is 0.5, and the model .* but only backbone: leave"):
        lr_ratios(WithBackbone(), Knobs(projection_lr_ratio=0.5))
    with pytest.raises(ModelError, match=r"backbone_lr_ratio is 0, and the model has no part .* but none: leave"):
        freeze(nn.Linear(2, 2), Knobs(backbone_lr_ratio=0.0))


def test_a_ratio_of_0_freezes() -> None:
    model = WithBackbone()
    assert freeze(model, Knobs(backbone_lr_ratio=0.0)) == [model.trunk]
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        "head.weight",
        "head.bias",
    }
    other = WithBackbone()
    assert freeze(other, Knobs(backbone_lr_ratio=0.1)) == []
    assert all(parameter.requires_grad for parameter in other.parameters())


def test_freezing_everything_is_refused() -> None:
    model = WithBackbone()
    model.head.requires_grad_(False)
    with pytest.raises(ModelError, match="leave no parameter to train"):
        freeze(model, Knobs(backbone_lr_ratio=0.0))
