"""Vectors of a frozen network: computed once, from the cache, gone on with after a kill, verified like it."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from search import catalog
from search.data import Indices, Split, Splits
from search.errors import CacheError, DatasetError
from search.training import features
from search.training.augment import normalize
from search.training.cache import Prepared, open_prepared, prepare
from search.training.features import Extractor, compute, verify_vectors, with_vectors

ARGUMENTS = {"crop": 12, "width": 2, "depths": (1, 1, 1, 1), "weights": None}
SMALL = Extractor("ir50", ARGUMENTS, "half", sounds=False)
WIDTH = 16  # of its vectors

forking = multiprocessing.get_context("fork")


class Hum:
    """A sound whose three values at each item are its number, and twice, and three times that."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        return f"hum {self.count}"

    def decode(self, indices: Indices) -> NDArray[np.float32]:
        return indices[:, None].astype(np.float32) * np.array([1, 2, 3], np.float32)


def with_sound(splits: Splits) -> Splits:
    def heard(split: Split) -> Split:
        return replace(split, sounds=Hum(len(split.items)))

    assert splits.test is not None
    return replace(splits, train=heard(splits.train), test=heard(splits.test))


def prepared(cache: Path, sounds: bool = False, images: int = 140) -> Prepared:
    splits = catalog.dataset("synthetic_faces")(Path(), images=images, test_images=14, subjects=24)
    folder = prepare(
        with_sound(splits) if sounds else splits,
        name="faces",
        image_size=16,
        validation_share=0.2,
        split_seed=0,
        bad_share=0.0,
        cache=cache,
    )
    return open_prepared(folder)


def computed(data: Prepared, extractor: Extractor = SMALL) -> Prepared:
    cache = data.folder.parent
    return with_vectors(data, compute(data, extractor, cache=cache, progress=lambda done, total: None))


def weights(file: Path, seed: int) -> Extractor:
    torch.manual_seed(seed)
    model = catalog.features("ir50")(image_size=16, **ARGUMENTS)
    torch.save(model.state_dict(), file)
    return replace(SMALL, arguments=ARGUMENTS | {"weights": str(file)})


def test_every_vector_is_that_of_its_image(tmp_path: Path) -> None:
    extractor = weights(tmp_path / "weights.pt", 3)
    data = computed(prepared(tmp_path / "cache"), extractor)
    assert data.widths == {"images": WIDTH}
    model = catalog.features("ir50")(image_size=16, **extractor.arguments).eval()
    assert list(data.splits()) == ["train", "validation", "test"]
    for split in data.splits().values():
        assert split.vectors is not None
        assert isinstance(split.vectors, np.memmap)
        assert not split.vectors.flags.writeable
        assert (split.vectors.dtype, split.vectors.shape) == (np.float16, (len(split.items), WIDTH))
        pixels = torch.from_numpy(np.array(split.images)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            expected = model(normalize(pixels, "half")).numpy()
        np.testing.assert_allclose(split.vectors.astype(np.float32), expected, atol=2e-3)
        assert expected.std(axis=0).max() > 0.01


def test_they_are_computed_once_and_follow_all_they_hang_on(tmp_path: Path) -> None:
    data = prepared(tmp_path / "cache")
    calls: list[tuple[int, int]] = []
    folder = compute(data, SMALL, cache=tmp_path / "cache", progress=lambda *done: calls.append(done))
    assert calls[-1] == (154, 154)
    calls.clear()
    assert compute(data, SMALL, cache=tmp_path / "cache", progress=lambda *done: calls.append(done)) == folder
    assert not calls
    first = weights(tmp_path / "weights.pt", 0)
    fingerprints = [SMALL.fingerprint(data), first.fingerprint(data)]
    weights(tmp_path / "weights.pt", 1)  # the same file with another content
    fingerprints += [
        first.fingerprint(data),
        replace(SMALL, normalization="imagenet").fingerprint(data),
        replace(SMALL, arguments=ARGUMENTS | {"crop": 11}).fingerprint(data),
        SMALL.fingerprint(replace(data, fingerprint="other")),
    ]
    assert len(set(fingerprints)) == 6
    shutil.copy(tmp_path / "weights.pt", tmp_path / "moved.pt")
    moved = replace(SMALL, arguments=ARGUMENTS | {"weights": str(tmp_path / "moved.pt")})
    assert moved.fingerprint(data) == first.fingerprint(data)


def test_a_network_without_weights_is_the_same_every_time(tmp_path: Path) -> None:
    vectors = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        vectors.append(np.array(computed(prepared(tmp_path / str(seed))).train.vectors))
        assert torch.initial_seed() == seed
    assert (vectors[0] == vectors[1]).all()


def test_sounds_follow_the_vectors(tmp_path: Path) -> None:
    data = prepared(tmp_path, sounds=True)
    with_both = computed(data, replace(SMALL, sounds=True))
    assert with_both.widths == {"images": WIDTH, "sounds": 3}
    silent = computed(data)
    assert silent.widths == {"images": WIDTH}
    for name, split in with_both.splits().items():
        assert split.vectors is not None
        numbers = [int(item.split("/")[1]) for item in split.items]
        assert split.vectors[:, -3].tolist() == numbers
        assert split.vectors[:, -1].tolist() == [3 * number for number in numbers]
        images = silent.splits()[name].vectors
        assert images is not None
        assert (split.vectors[:, :-3] == images).all()


def test_sounds_that_there_are_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="faces has no sound: set `sounds: false`"):
        computed(prepared(tmp_path), replace(SMALL, sounds=True))


def test_vectors_beyond_float16_are_refused(tmp_path: Path) -> None:
    extractor = weights(tmp_path / "weights.pt", 0)
    state = torch.load(tmp_path / "weights.pt")
    spoilt = {name: value * torch.nan if value.is_floating_point() else value for name, value in state.items()}
    torch.save(spoilt, tmp_path / "weights.pt")
    data = prepared(tmp_path / "cache")
    with pytest.raises(DatasetError, match="ir50 gives values beyond float16"):
        computed(data, extractor)
    assert not list((tmp_path / "cache").glob(".*.filling"))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.vectors")}


def compute_and_die(data: Prepared, stop: int, log: Path) -> None:
    torch.set_num_threads(1)  # a fork has none of the threads that the test's process started

    def progress(done: int, total: int) -> None:
        with log.open("a") as file:
            file.write(f"{done} ")
        if done >= stop:
            os.kill(os.getpid(), signal.SIGKILL)

    compute(data, SMALL, cache=data.folder.parent, progress=progress)


def test_killed_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BATCH", 8)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    data, log = prepared(tmp_path / "cache"), tmp_path / "log"
    try:
        expected = contents(compute(data, SMALL, cache=tmp_path / "whole", progress=lambda done, total: None))
        for stop, code in ((8, -signal.SIGKILL), (40, -signal.SIGKILL), (142, -signal.SIGKILL), (999, 0)):
            log.write_text("")
            process = forking.Process(target=compute_and_die, args=(data, stop, log))
            process.start()
            process.join(60)
            assert process.exitcode == code
    finally:
        torch.set_num_threads(before)
    # Train is done, and validation; test goes on.
    assert log.read_text().split()[:3] == [str(len(data.train.items)), "140", "148"]
    (folder,) = (tmp_path / "cache").glob("faces-16-ir50-*")
    assert contents(folder) == expected
    assert not list((tmp_path / "cache").glob(".*.filling"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(bytes(file.stat().st_size)), "was changed"),
        (lambda file: file.write_bytes(b""), "was changed"),
        (Path.unlink, "is missing"),
    ],
)
def test_damage_is_found_on_open(tmp_path: Path, damage: Callable[[Path], Any], message: str) -> None:
    data = prepared(tmp_path)
    folder = compute(data, SMALL, cache=tmp_path, progress=lambda done, total: None)
    damage(folder / "train.vectors")
    with pytest.raises(CacheError, match=rf"train\.vectors {message}"):
        with_vectors(data, folder)
    with pytest.raises(CacheError):
        verify_vectors(folder)
