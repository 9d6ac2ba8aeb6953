from typing import Any

import pytest
from pydantic import ValidationError

from search.errors import UnknownName
from search.study import StudyDefinition
from search.study.definition import DatasetSection, ModelSection
from search.training.recipe import Knobs


def definition(**changes: Any) -> StudyDefinition:
    keys: dict[str, Any] = {
        "name": "depths",
        "question": "Deeper?",
        "dataset": {"name": "faces", "root": "/data/faces", "image_size": 48, "images": 500},
        "model": {"name": "net", "heads": 4, "depths": [1, 2]},
        "objective": "macro_f1",
        "training": {"epochs": 8, "eps": 1e-7},
        "space": {
            "depth": {"role": "scientific", "low": 1, "high": 4, "integer": True},
            "lr": {"role": "nuisance", "low": 1e-4, "high": 1e-2, "log": True},
        },
        "sampler": "tpe",
        "pruner": {"name": "hyperband", "min_resource": 1, "max_resource": 8},
        "budget": {"trials": 12},
    }
    return StudyDefinition.model_validate(keys | changes)


def test_further_keys_of_a_section_are_arguments_of_its_plug_in() -> None:
    study = definition()
    assert study.dataset.options == {"images": 500}
    assert study.model.arguments == {"heads": 4, "depths": [1, 2]}
    assert DatasetSection(name="faces", image_size=48).options == {}
    assert ModelSection(name="net").arguments == {}


def test_a_definition_survives_the_store() -> None:
    study = definition()
    again = StudyDefinition.from_json(study.canonical_json())
    assert again == study
    assert again.canonical_json() == study.canonical_json()
    assert again.hash == study.hash
    assert again.tickets() == study.tickets()
    assert [*map(type, again.space.values())] == [type(study.space[name]) for name in sorted(study.space)]


def test_a_definition_can_not_be_changed() -> None:
    with pytest.raises(ValidationError):
        definition().seed = 3


def test_the_hash_is_that_of_the_meaning() -> None:
    study = definition()
    keys = study.model_dump()
    assert StudyDefinition.model_validate(dict(reversed(keys.items()))).hash == study.hash
    moved = keys["dataset"] | {"root": None}
    assert definition(dataset=moved).hash == study.hash
    assert definition(dataset=moved).differences(study) == []
    assert definition(dataset=moved).canonical_json() != study.canonical_json()
    assert len(study.hash) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"name": "depths@2"},
        {"question": "Wider?"},
        {"dataset": {"name": "faces", "image_size": 48, "images": 501}},
        {"dataset": {"name": "faces", "image_size": 64, "images": 500}},
        {"model": {"name": "net", "heads": 8, "depths": [1, 2]}},
        {"objective": "accuracy"},
        {"training": {"epochs": 9, "eps": 1e-7}},
        {"training": {"epochs": 8}},
        {"sampler": "gp"},
        {"pruner": {"name": "none"}},
        {"budget": {"trials": 13}},
        {"budget": {"trials": 12, "hours": 3}},
        {"seed": 1},
    ],
)
def test_any_change_of_value_changes_the_hash(change: dict[str, Any]) -> None:
    assert definition(**change).hash != definition().hash


def test_differences_name_each_key() -> None:
    wider = definition(
        space={
            "depth": {"role": "scientific", "choices": [1, 2]},
            "lr": {"role": "nuisance", "low": 1e-4, "high": 1e-1, "log": True},
        },
        model={"name": "net", "heads": 4, "depths": [1, 3], "qk_norm": True},
    )
    assert definition().differences(wider) == [
        "model.depths: [1, 2] -> [1, 3]",
        "model.qk_norm: absent -> true",
        "space.depth.choices: absent -> [1, 2]",
        "space.depth.high: 4.0 -> absent",
        "space.depth.integer: true -> absent",
        "space.depth.log: false -> absent",
        "space.depth.low: 1.0 -> absent",
        "space.lr.high: 0.01 -> 0.1",
    ]


def test_another_name_is_another_study() -> None:
    again = definition().renamed("depths@2")
    assert definition().differences(again) == ['name: "depths" -> "depths@2"']
    assert again.hash != definition().hash
    with pytest.raises(UnknownName, match="'two words' is no name for a study"):
        definition().renamed("two words")


def test_the_objective_knows_its_direction() -> None:
    assert definition().direction == "maximize"


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_samplers_that_learn_leave_tickets_open(sampler: str) -> None:
    assert definition(sampler=sampler).tickets() == [None] * 12


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_designs_fill_the_budget(sampler: str) -> None:
    tickets = definition(sampler=sampler).tickets()
    assert len(tickets) == 12
    assert tickets == definition(sampler=sampler).tickets()
    assert tickets != definition(sampler=sampler, seed=1).tickets()


def test_a_grid_files_every_cell_once() -> None:
    space = {
        "depth": {"role": "scientific", "low": 1, "high": 4, "integer": True},
        "lr": {"role": "nuisance", "grid": "3 points from 1e-4 to 1e-2, log"},
    }
    tickets = definition(sampler="grid", space=space).tickets()
    assert len(tickets) == 12
    assert {tuple(sorted(ticket.items())) for ticket in tickets if ticket} == {
        (("depth", depth), ("lr", lr)) for depth in (1, 2, 3, 4) for lr in (1e-4, 1e-3, 1e-2)
    }


def test_a_recipe_sorts_parameters_into_knobs_and_arguments() -> None:
    recipe = definition().recipe({"depth": 3, "lr": 2e-3, "heads": 8}, seed=5)
    assert recipe.model == "net"
    assert recipe.model_arguments == {"heads": 8, "depths": [1, 2], "depth": 3}
    assert recipe.knobs == Knobs(epochs=8, eps=1e-7, lr=2e-3)
    assert (recipe.objective, recipe.seed) == ("macro_f1", 5)


def test_a_recipe_refuses_what_is_no_value_of_a_knob() -> None:
    with pytest.raises(ValidationError):
        definition().recipe({"lr": -1.0}, seed=0)
