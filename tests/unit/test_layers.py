"""The floors: a room imports only from floors below its own, and the source is read to see it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import search

PACKAGE = Path(search.__file__).parent
ROOT = PACKAGE.parent

FLOORS = [
    {"errors"},
    {"settings", "tasks"},
    {"redaction"},
    {"logs", "places"},
    {"data"},
    {"folds", "images", "predictions", "pretrained", "sounds"},
    {"backbones"},
    {"catalog"},
    {"training"},
    {"study"},
    {"store"},
    {"analysis", "history"},
    {"worker"},
    {"console"},
    {"launch"},
    {"campaigns"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it; `from search import x` counts as `search.x`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    parts = [module.split(".") for module in imported(path)]
    return {part[1] for part in parts if part[0] == "search" and len(part) > 1 and part[1] in FLOOR}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_the_floors_below(path: Path) -> None:
    own = room(path)
    above = {other for other in rooms_imported(path) - {own} if FLOOR[other] >= FLOOR[own]}
    assert not above


@pytest.mark.parametrize("path", list((PACKAGE / "training").rglob("*.py")), ids=lambda path: path.name)
def test_training_never_sees_the_store(path: Path) -> None:
    assert not {module.split(".")[0] for module in imported(path)} & {"optuna", "sqlalchemy", "psycopg2"}


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.py")), ids=lambda path: path.name)
def test_models_know_only_errors_and_how_to_start_from_pretrained_networks(path: Path) -> None:
    allowed = ("search.backbones", "search.errors", "search.pretrained")
    ours = {module for module in imported(path) if module.startswith("search")}
    assert all(module.startswith(allowed) for module in ours)


@pytest.mark.parametrize("path", sorted((ROOT / "datasets").glob("*.py")), ids=lambda path: path.name)
def test_data_sets_know_only_what_they_hand_over(path: Path) -> None:
    allowed = (
        "search.data",
        "search.folds",
        "search.images",
        "search.sounds",
        "search.tasks",
        "search.errors",
    )
    ours = {module for module in imported(path) if module.startswith("search")}
    assert all(module.startswith(allowed) for module in ours)
    assert "torch" not in set(imported(path))


def test_only_the_catalog_imports_plug_ins() -> None:
    plug_ins = ("search.models", "search.datasets", "search.studies", "models", "datasets", "studies")
    for path in SOURCES:
        assert not [module for module in imported(path) if module.startswith(plug_ins)], path
