"""`search data check` on a folder in the layout of each visual-emotion data set."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from search.cli import main
from search.data import About
from tests import make_emotion_datasets as make

FOLDERS: dict[str, tuple[Callable[[Path], Path], int, dict[str, int]]] = {
    "abstract": (make.make_abstract, 65, {}),
    "artphoto": (make.make_artphoto, 80, {"contentment": 10, "sadness": 10}),
    "emoset": (make.make_emoset, 56, {"awe": 7, "sadness": 7}),
    "emotion6": (make.make_emotion6, 60, {"happiness": 9, "neutral": 9}),
    "fi": (make.make_fi, 80, {"awe": 10}),
    "oasis": (make.make_oasis, 50, {}),
    "twitter1": (make.make_twitter1, 30, {"negative": 15, "positive": 15}),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_data_check_reads_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SEARCH_HOME", str(tmp_path / "home"))
    write, items, counts = FOLDERS[name]
    root = write(tmp_path / "folder")
    assert main(["data", "check", name, "--root", str(root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(split["items"] for split in found["splits"].values()) == items
    for label, count in counts.items():
        assert sum(split["counts"][label] for split in found["splits"].values()) == count
    assert all(split["unreadable"] == {} for split in found["splits"].values())
    assert main(["data", "check", name, "--root", str(root)]) == 0
    assert main(["data", "check", name, "--root", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("search: no ")


@pytest.mark.parametrize("name", [*FOLDERS, "synthetic_emotion"])
def test_every_data_set_says_what_it_is(name: str) -> None:
    about = importlib.import_module(f"search.datasets.{name}").ABOUT
    assert isinstance(about, About)
    assert about.summary and about.terms and about.access
