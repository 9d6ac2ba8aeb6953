"""All that a study's data consist of: images, vectors, companions; found again without the files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from search.errors import DatasetError
from search.settings import Settings
from search.study import StudyDefinition, load_study
from search.training.cache import Prepared
from search.worker import data
from search.worker.data import DataSource, cache_folder, open_data
from tests.make_datasets import make_image_folder

CLASSES = ("anger", "sadness")
FEATURES = {"name": "ir50", "crop": 12, "width": 2, "depths": [1, 1, 1, 1]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for seed, name in enumerate(("own", "other")):
        make_image_folder(tmp_path / name, CLASSES, {"train": 10, "test": 4}, seed, size=20)
    make_image_folder(tmp_path / "whole", CLASSES, {"train": 3, "val": 2}, 2, size=20)
    return Settings(tmp_path / "home", tmp_path, "results", None)


def definition(settings: Settings, **dataset: object) -> StudyDefinition:
    file = settings.data / "study.yaml"
    study = {
        "name": "study",
        "question": "Where are the data?",
        "dataset": {"name": "image_folder", "root": str(settings.data / "own"), "image_size": 16, **dataset},
        "model": {"name": "small_cnn"},
        "objective": "accuracy",
        "space": {"lr": {"choices": [0.001, 0.01], "role": "nuisance"}},
        "sampler": "grid",
        "budget": {"trials": 2},
    }
    file.write_text(yaml.safe_dump(study))
    return load_study(str(file))


def companion(settings: Settings, name: str, use: str) -> dict[str, str]:
    return {"name": "image_folder", "root": str(settings.data / name), "label": name, "use": use}


def source(given: StudyDefinition, settings: Settings, fingerprint: str) -> DataSource:
    return DataSource(given.dataset, settings.data, cache_folder(settings), fingerprint)


def opened(given: StudyDefinition, settings: Settings) -> Prepared:
    _, manifest = data.prepare(given, settings)
    found = open_data(source(given, settings, manifest.fingerprint), lambda done, total: None)
    assert found.fingerprint == manifest.fingerprint
    return found


def test_a_study_without_more_has_its_own_images(settings: Settings) -> None:
    found = opened(definition(settings), settings)
    assert (found.name, found.widths, found.companions, found.train.vectors) == ("image_folder", {}, (), None)


def test_companions_are_prepared_as_the_studys_own(settings: Settings) -> None:
    also = [companion(settings, "other", "both"), companion(settings, "whole", "test")]
    found = opened(definition(settings, also=also), settings)
    assert [(name, use) for name, use, _ in found.companions] == [("other", "both"), ("whole", "test")]
    both = found.companions[0][2]
    assert len(both.train.items) + len(both.validation.items) == 20
    assert both.test is not None
    assert len(both.test.items) == 8


def test_a_companion_for_tests_shows_its_test_split_or_all_of_it(settings: Settings) -> None:
    also = [companion(settings, "other", "test"), companion(settings, "whole", "test")]
    found = opened(definition(settings, also=also), settings)
    for (_, _, other), parts in zip(found.companions, [{"test"}, {"train", "val"}], strict=True):
        assert other.test is not None
        assert {item.split("/")[0] for item in other.test.items} == parts
        assert len(other.train.items) == len(other.validation.items) == 0
        assert other.train.images.shape == (0, 16, 16, 3)
        assert list(other.splits()) == ["test"]
    assert len(found.companions[1][2].test.items) == 10  # type: ignore[union-attr]


def test_the_whole_of_it_has_each_items_pixels_and_label(settings: Settings) -> None:
    found = opened(definition(settings, also=[companion(settings, "whole", "test")]), settings)
    pooled = found.companions[0][2].test
    assert pooled is not None
    splits = data.load_splits("image_folder", settings.data / "whole", {}, settings.data)
    for split in splits.named().values():
        for row, item in enumerate(split.items):
            at = list(pooled.items).index(item)
            assert (pooled.images[at] == split.images.decode(np.array([row]), 16)[0][0]).all()
            for task, target in split.targets.items():
                assert pooled.targets[task].values[at] == target.values[row]


def test_features_are_computed_for_all_of_them(settings: Settings) -> None:
    given = definition(settings, also=[companion(settings, "whole", "test")], features=FEATURES)
    found = opened(given, settings)
    others = [other for _, _, other in found.companions]
    assert found.widths == others[0].widths == {"images": 16}
    for prepared in (found, *others):
        for split in prepared.splits().values():
            assert split.vectors is not None
            assert len(split.vectors) == len(split.items)


def test_every_part_is_in_the_fingerprint(settings: Settings) -> None:
    other, whole = companion(settings, "other", "both"), companion(settings, "whole", "test")
    fingerprints = {
        opened(definition(settings, **dataset), settings).fingerprint
        for dataset in (
            {},
            {"also": [other]},
            {"also": [other | {"use": "train"}]},
            {"also": [whole]},
            {"also": [other, whole]},
            {"features": FEATURES},
            {"features": FEATURES | {"crop": 11}},
            {"features": FEATURES, "also": [other]},
        )
    }
    assert len(fingerprints) == 8


def test_what_is_prepared_opens_without_the_files_and_damage_is_repaired(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    given = definition(settings, also=[companion(settings, "other", "both")], features=FEATURES)
    first = opened(given, settings)
    pixels = first.train.images.copy()  # what is mapped would show the damage
    place = source(given, settings, first.fingerprint)
    calls: list[int] = []
    open_data(place, lambda done, total: calls.append(done))
    assert not calls

    for folder in (first.folder, *cache_folder(settings).glob("*ir50*")):
        if folder.is_dir():
            name = "train.images" if folder == first.folder else "train.vectors"
            (folder / name).write_bytes(bytes((folder / name).stat().st_size))
    again = open_data(place, lambda done, total: calls.append(done))
    assert calls
    assert "preparing the data again" in caplog.text
    assert (again.train.images == pixels).all()
    assert again.train.vectors is not None
    assert again.train.vectors.any()

    for name in ("own", "other"):
        shutil.rmtree(settings.data / name)
    assert open_data(place, lambda done, total: None).fingerprint == first.fingerprint


def test_another_companion_than_registered_is_refused(settings: Settings) -> None:
    given = definition(settings, also=[companion(settings, "other", "both")])
    fingerprint = opened(given, settings).fingerprint
    shutil.rmtree(cache_folder(settings))
    shutil.copy(
        settings.data / "other" / "train" / "anger" / "0.png",
        settings.data / "other" / "train" / "anger" / "1.png",
    )
    with pytest.raises(DatasetError, match="image_folder with other on this machine is not the one"):
        open_data(source(given, settings, fingerprint), lambda done, total: None)
