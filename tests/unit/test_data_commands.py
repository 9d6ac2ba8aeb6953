"""`search data list`, and `search data check` on folders of the facial-expression data sets."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from search import catalog
from search.cli import main
from search.data import About
from search.errors import DatasetError, UnknownName
from tests import make_datasets as made
from tests import make_fer_datasets as fer

Make = Callable[[Path], Path]

WHOLE: dict[str, tuple[str, Make, str]] = {  # data set, writer, words of what is told
    "kdef": ("kdef", fer.make_kdef, "as their name is not that of a KDEF image"),
    "fer2013": ("fer2013", made.make_fer2013, "surprise"),
    "fer2013 folders": ("fer2013", made.make_fer2013_folders, "48 to 48 pixels wide"),
    "ferplus": ("ferplus", fer.make_fer_plus, "no face by the rule majority"),
    "ferplus folders": ("ferplus", fer.make_fer_plus_folders, "contempt"),
    "affectnet lists": ("affectnet", fer.make_affectnet_lists, "3 uncertain, 3 no face"),
    "affectnet sets": ("affectnet", fer.make_affectnet_sets, "1 images have no valence and arousal in [-1, 1]."),
    "wikimedia": ("wikimedia_commons_emotions", fer.make_wikimedia, "14 backup files (~) are left out."),
    "image_folder": ("image_folder", made.make_image_folder, "happy"),
    "raf_db": ("raf_db", made.make_official_raf_db, "100 to 100 pixels wide"),
}


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    out, err = capsys.readouterr()
    return " ".join(out.split()), err


@pytest.mark.parametrize(("name", "make", "words"), WHOLE.values(), ids=WHOLE)
def test_check_tells_what_is_there(tmp_path, capsys, name, make, words):
    root = make(tmp_path / "it")
    assert main(["data", "check", name, "--root", str(root)]) == 0
    out, err = told(capsys)
    assert words in out
    assert not err
    assert main(["data", "check", name, "--root", str(root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not any(split["unreadable"] for split in found["splits"].values())
    assert sum(split["items"] for split in found["splits"].values()) > 10
    assert isinstance(found["notes"], list)


@pytest.mark.parametrize(
    ("name", "make", "file", "line", "text"),
    [
        ("fer2013", made.make_fer2013, "fer2013.csv", 3, "9,1 2 3,Training"),
        ("ferplus", fer.make_fer_plus, "fer2013new.csv", 3, "Training,fer0000001.png,1,2"),
        ("ferplus", fer.make_fer_plus_folders, "FER2013Valid/label.csv", 2, "fer0000001.png"),
        ("affectnet", fer.make_affectnet_lists, "Manually_Annotated_file_lists/training.csv", 4, "0/a.jpg,1,2"),
        ("raf_db", made.make_official_raf_db, "basic/EmoLabel/list_patition_label.txt", 5, "train_00005.jpg 0"),
    ],
)
def test_check_names_file_and_line_of_a_damaged_list_once(tmp_path, capsys, name, make, file, line, text):
    root = make(tmp_path / "it")
    fer.rewrite(root / file, line, text)
    assert main(["data", "check", name, "--root", str(root)]) == 2
    _, err = told(capsys)
    assert err.startswith(f"search: {root / file}:{line}: ")
    assert err.count("\n") == 1


def test_list_tells_of_every_data_set_what_it_is_and_how_one_gets_it(capsys):
    assert main(["data", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found] == catalog.names("datasets")
    assert all(set(entry) == {"name", "summary", "terms", "access"} for entry in found)
    assert main(["data", "list"]) == 0
    out, _ = told(capsys)
    assert "kdef 4,900 photographs of 70 people" in out
    assert "terms for researchers and non-commercial use only" in out
    assert "access download from https://kdef.se" in out


@pytest.mark.parametrize("name", catalog.names("datasets"))
def test_every_data_set_says_what_it_is_its_terms_and_how_one_gets_it(name):
    about = catalog.about(name)
    for text in (about.summary, about.terms, about.access):
        assert text
        assert text == text.strip()
        assert "\n" not in text


def test_a_data_set_that_says_nothing_of_itself_is_told_to(monkeypatch):
    monkeypatch.delattr(sys.modules[catalog.dataset("kdef").__module__], "ABOUT")
    with pytest.raises(DatasetError, match=r"datasets/kdef.py has no ABOUT: give it one, `ABOUT = About\(summary"):
        catalog.about("kdef")
    monkeypatch.undo()
    assert isinstance(catalog.about("kdef"), About)
    with pytest.raises(UnknownName, match="no data set is named 'imagenet'"):
        catalog.about("imagenet")
