"""KDEF: people on one side, angles, names that are not what they should be."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL
from tests.make_fer_datasets import KDEF_CODES, kdef_names, make_kdef

load = catalog.dataset("kdef")

# Of women and men with the numbers 1, 2 and 5, in two sessions, with 35 images each.
WRONG = {"AF01SUFR", "AF02SUHL", "AF02SAS"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_kdef(tmp_path_factory.mktemp("kdef"))


def test_the_names_say_all_and_wrong_ones_are_left_out_and_named(root):
    splits = load(root)
    assert splits.classes == EKMAN_NEUTRAL
    assert splits.validation is None
    expected = [name for name in kdef_names((1, 2, 5)) if name not in WRONG]
    found = {Path(item).stem: item for split in splits.named().values() for item in split.items}
    assert set(found) == set(expected)
    assert all(item == f"{name[:4]}/{name}.JPG" for name, item in found.items())
    for split in splits.named().values():
        labels = [KDEF_CODES[Path(item).stem[4:6]] for item in split.items]
        assert split.labels().tolist() == labels
        assert not split.images.decode(np.arange(5), 16)[1]
    counts = Counter(np.concatenate([split.labels() for split in splits.named().values()]).tolist())
    assert counts == {0: 60, 1: 60, 2: 60, 3: 60, 6: 60, 4: 59, 5: 58}
    assert splits.notes == (
        "4 images are left out, as their name is not that of a KDEF image of their folder: AF01/AF01SUF.JPG, "
        r"AF01/AF02AFFL.JPG, AF02/AF02V.JPG, AF02/SA\xe4S.JPG.",
    )


def test_the_people_with_a_fifth_number_are_for_testing_in_both_sessions(root):
    splits = load(root)
    assert {Path(item).stem[2:4] for item in splits.train.items} == {"01", "02"}
    assert {Path(item).stem[:4] for item in splits.test.items} == {"AF05", "AM05", "BF05", "BM05"}
    assert sorted(set(splits.train.groups.tolist())) == [1, 2, 36, 37]
    assert sorted(set(splits.test.groups.tolist())) == [5, 40]
    for item, group in zip(splits.test.items, splits.test.groups, strict=True):
        assert group == (5 if Path(item).stem[1] == "F" else 40)


def test_the_last_of_both_sexes_are_for_testing(tmp_path):
    splits = load(make_kdef(tmp_path, people=(34, 30, 35)))
    assert sorted(set(splits.train.groups.tolist())) == [34, 69]
    assert sorted(set(splits.test.groups.tolist())) == [30, 35, 65, 70]


def test_without_a_test_all_is_in_train(root):
    splits = load(root, test="none")
    assert splits.test is None
    assert len(splits.train.items) == 2 * 2 * 3 * 35 - 3


def test_angles_are_picked(root):
    straight = load(root, angles=["S"])
    assert {Path(item).stem[6:] for split in straight.named().values() for item in split.items} == {"S"}
    assert len(straight.train.items) == 2 * 2 * 2 * 7 - 1
    profiles = load(root, angles=("FL", "FR"), test="none")
    assert len(profiles.train.items) == 2 * 2 * 3 * 7 * 2 - 1
    with pytest.raises(DatasetError, match=r"holds no training image of the angles \(none\)"):
        load(root, angles=())


@pytest.mark.parametrize("inner", ["KDEF_and_AKDEF", "KDEF_and_AKDEF/KDEF"])
def test_the_inner_folders_are_the_same_data(root, inner):
    assert load(root / inner).fingerprint() == load(root).fingerprint()


def test_names_in_small_letters_are_read(tmp_path):
    make_kdef(tmp_path, people=(1, 2))
    folder = tmp_path / "KDEF_and_AKDEF" / "KDEF"
    before = load(tmp_path).train.labels()
    for file in list((folder / "AF01").iterdir()):
        file.rename(file.with_name(os.fsdecode(os.fsencode(file.name).lower())))
    assert (load(tmp_path).train.labels() == before).all()


def test_whole_and_well_named_there_is_nothing_to_note(tmp_path):
    make_kdef(tmp_path, people=(1, 2, 3))
    folder = tmp_path / "KDEF_and_AKDEF" / "KDEF"
    for person in ("AF01", "AF02"):
        shutil.rmtree(folder / person)
    assert load(tmp_path).notes == ()


def test_many_wrong_names_are_counted_and_a_few_named(tmp_path):
    make_kdef(tmp_path, people=(1, 2))
    for number in range(20):
        (tmp_path / "KDEF_and_AKDEF" / "KDEF" / "AF01" / f"{number}.jpg").write_bytes(b"x")
    (note,) = load(tmp_path).notes
    assert note.startswith("24 images")
    assert note.endswith(" and 14 more.")


def test_no_such_folders_says_what_was_looked_for(tmp_path):
    (tmp_path / "KDEF" / "AF1").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"no KDEF under .*: looked for folders from AF01 to BM35"):
        load(tmp_path)
    with pytest.raises(DatasetError, match="no KDEF under"):
        load(tmp_path / "nowhere")
