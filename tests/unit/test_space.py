from collections import Counter
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from search.study import design
from search.study.space import Choices, Domain, Grid, Parameter, Range


def parameter(**keys: Any) -> Choices | Range | Grid:
    value: Choices | Range | Grid = TypeAdapter(Parameter).validate_python({"role": "nuisance", **keys})
    return value


def test_the_keys_tell_the_form() -> None:
    assert isinstance(parameter(choices=[1, "a", None, False, 0.5]), Choices)
    assert isinstance(parameter(low=1, high=2), Range)
    assert isinstance(parameter(grid="2 points from 0 to 1"), Grid)


def test_choices_keep_their_types() -> None:
    choices = [1, 2.5, "s4", None, False]
    found = TypeAdapter(Parameter).validate_json(
        '{"role": "scientific", "choices": [1, 2.5, "s4", null, false]}', strict=True
    )
    assert [*map(type, found.values())] == [*map(type, choices)]
    assert found.domain() == Domain("categorical", choices=tuple(choices))


def test_domains() -> None:
    assert parameter(low=1, high=8, integer=True).domain() == Domain("int", low=1, high=8)
    assert parameter(low=1e-5, high=1e-3, log=True).domain() == Domain("float", low=1e-5, high=1e-3, log=True)
    assert parameter(grid="13 points from 1e-6 to 1e-3, log").domain() == Domain(
        "float", low=1e-6, high=1e-3, log=True
    )
    assert parameter(grid="3 points from -1 to 1").domain() == Domain("float", low=-1, high=1)


def test_whole_numbers_have_whole_bounds() -> None:
    domain = parameter(low=1, high=8, integer=True).domain()
    assert isinstance(domain.low, int)
    assert isinstance(domain.high, int)


def test_values() -> None:
    assert parameter(low=2, high=5, integer=True).values() == range(2, 6)
    assert parameter(low=2, high=5).values() is None
    assert parameter(low=2, high=5, integer=True, log=True).values() is None
    assert parameter(grid="5 points from 0 to 1").values() == [0, 0.25, 0.5, 0.75, 1]


def test_the_notebooks_grid_is_thirteen_quarter_decades() -> None:
    values = parameter(grid="13 points from 1e-6 to 1e-3, log").values()
    assert values is not None
    assert len(values) == 13
    assert (values[0], values[-1]) == (1e-6, 1e-3)
    np.testing.assert_allclose(values, [1e-6 * 10 ** (i / 4) for i in range(13)], rtol=1e-12)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"low": 2, "high": 1}, "low 2 must be below high 1"),
        ({"low": 1, "high": 1}, "low 1 must be below high 1"),
        ({"low": 1e-3, "high": 1e-5, "log": True}, "low 0.001 must be below high 1e-05"),
        ({"low": 0, "high": 1, "log": True}, "low 0 must be above 0 on a log scale"),
        ({"low": -1, "high": 1, "log": True}, "low -1 must be above 0 on a log scale"),
        ({"low": 0.5, "high": 2, "integer": True}, "low 0.5 and high 2 must be whole numbers"),
        ({"grid": "1 points from 1 to 2"}, "a grid has at least 2 points"),
        ({"grid": "3 points from 2 to 1"}, "low 2 must be below high 1"),
        ({"grid": "3 points from 0 to 1, log"}, "low 0 must be above 0 on a log scale"),
        ({"grid": "3 points from nan to 1"}, "low nan must be below high 1"),
        ({"grid": "3 points from 1 to inf"}, "low 1 must be below high inf"),
        (
            {"grid": "three points from 1 to 2"},
            "'three points from 1 to 2' is not a grid; write it like '13 points from 1e-6 to 1e-3, log'",
        ),
        (
            {"grid": "3 points from a to b"},
            "'3 points from a to b' is not a grid; write it like '13 points from 1e-6 to 1e-3, log'",
        ),
        ({"choices": [1, 2, 1]}, "1 is listed twice"),
        ({"choices": [[1], [2]]}, "a choice is a number, a text, true, false or null"),
    ],
)
def test_what_is_no_parameter(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        parameter(**keys)
    assert message in str(error.value)


def test_grid_design_has_every_cell_once_in_an_order_of_its_seed() -> None:
    space = {"b": parameter(choices=["x", "y"]), "a": parameter(low=1, high=3, integer=True)}
    cells = design.grid(space, seed=0)
    assert sorted((cell["a"], cell["b"]) for cell in cells) == [(a, b) for a in (1, 2, 3) for b in ("x", "y")]
    assert design.grid(dict(reversed(space.items())), seed=0) == cells
    assert any(design.grid(space, seed=seed) != cells for seed in range(1, 4))


@pytest.mark.parametrize("drawn", [design.sobol, design.random])
def test_designs_stay_in_the_space_and_repeat(drawn: Any) -> None:
    space = {
        "lr": parameter(low=1e-5, high=1e-3, log=True),
        "decay": parameter(low=0, high=0.3),
        "depth": parameter(low=1, high=8, integer=True),
        "block": parameter(choices=["vit", "cls"]),
    }
    points = drawn(space, 50, seed=7)
    assert len(points) == 50
    assert drawn(dict(reversed(space.items())), 50, seed=7) == points
    assert drawn(space, 50, seed=8) != points
    for point in points:
        assert 1e-5 <= point["lr"] <= 1e-3
        assert 0 <= point["decay"] <= 0.3
        assert point["depth"] in range(1, 9)
        assert type(point["depth"]) is int
        assert type(point["lr"]) is float
        assert point["block"] in ("vit", "cls")


def test_sobol_points_are_balanced() -> None:
    space = {
        "lr": parameter(low=1e-4, high=1e-1, log=True),
        "depth": parameter(low=1, high=4, integer=True),
        "block": parameter(choices=["vit", "cls"]),
    }
    points = design.sobol(space, 64, seed=3)
    assert Counter(point["depth"] for point in points) == dict.fromkeys((1, 2, 3, 4), 16)
    assert Counter(point["block"] for point in points) == {"vit": 32, "cls": 32}
    logs = np.log10([float(str(point["lr"])) for point in points])
    assert np.histogram(logs, bins=[-4, -3.25, -2.5, -1.75, -1])[0].tolist() == [16, 16, 16, 16]
    assert design.sobol(space, 1, seed=3) == points[:1]
    assert design.sobol(space, 33, seed=3) == points[:33]


def test_positions_cover_a_domain_to_both_ends() -> None:
    almost_one = 1 - 2**-53
    whole = Domain("int", low=1, high=64, log=True)
    assert (whole.at(0), whole.at(almost_one)) == (1, 64)
    real = Domain("float", low=1e-6, high=1e-3, log=True)
    assert real.at(0) == 1e-6
    assert real.at(almost_one) == pytest.approx(1e-3)
    assert real.at(0.5) == pytest.approx(10**-4.5)
    assert [Domain("categorical", choices=("a", "b")).at(u) for u in (0, 0.49, 0.5, almost_one)] == [
        "a",
        "a",
        "b",
        "b",
    ]
