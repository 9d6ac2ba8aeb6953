"""The documents hold what the code holds."""

import re
from pathlib import Path

import pytest

from search import catalog
from search.cli import _parser
from search.tasks import OBJECTIVES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def test_the_commands_of_the_readme_parse() -> None:
    lines = re.findall(r"\.venv/bin/search (.*?)\s*(?:#.*)?$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        _parser().parse_args(line.split())


def test_every_make_target_of_the_documents_is_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"make (\w+)  ", document.read_text())) <= targets


def test_the_readme_names_every_study() -> None:
    readme = (ROOT / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in catalog.names("studies"))


def test_the_systems_are_told_of_with_every_metric_and_every_study() -> None:
    systems = (ROOT / "docs" / "systems.md").read_text()
    assert all(f"`{name}`" in systems or name.startswith(("recall_", "f1_au")) for name in OBJECTIVES)
    studies = [name for name in catalog.names("studies") if not name.startswith("clsfer_")]
    assert all(f"`{name}`" in systems and f"search launch {name} " in systems for name in studies)


def test_every_data_set_is_told_of() -> None:
    told = (ROOT / "docs" / "datasets.md").read_text()
    assert all(f"\n`{name}`" in told and f"| `{name}` |" in told for name in catalog.names("datasets"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_of_the_documents_parse(document: Path) -> None:
    for block in re.findall(r"```\n(.*?)```", document.read_text(), re.DOTALL):
        for line in re.findall(r"^search (\S.*?)\s*(?:#.*)?$", block, re.MULTILINE):
            _parser().parse_args(line.split())


def test_the_architecture_names_every_module_of_training() -> None:
    described = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "architecture.md").read_text()))
    modules = {path.stem for path in (ROOT / "search" / "training").glob("*.py")}
    assert modules - {"__init__"} <= described


def test_the_architecture_names_every_variable() -> None:
    described = set(re.findall(r"`(SEARCH_\w+)`", (ROOT / "docs" / "architecture.md").read_text()))
    assert set(re.findall(r"SEARCH_[A-Z_]+", (ROOT / "search" / "settings.py").read_text())) <= described
