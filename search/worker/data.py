"""The prepared data of a study on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from search import catalog
from search.data import Splits
from search.errors import DatasetError
from search.settings import Settings
from search.study.definition import StudyDefinition
from search.training import cache
from search.training.cache import Manifest

Progress = Callable[[int, int], None]


def load_splits(name: str, root: str | Path | None, options: dict[str, Any], settings: Settings) -> Splits:
    """A data set, described but not yet decoded.

    root: its folder; by default the one of its name in the data folder. options: arguments of its `load`.

    Raises UnknownName, DatasetError.
    """
    folder = Path(root).expanduser() if root else settings.data / name
    splits: Splits = catalog.dataset(name)(folder, **options)
    return splits


def prepare(
    definition: StudyDefinition, settings: Settings, progress: Progress = lambda done, total: None
) -> tuple[Path, Manifest]:
    """The cache folder of the study's data, filled if need be, and what stands in it.

    progress: called with the images decoded so far and their total. Raises DatasetError.
    """
    section = definition.dataset
    folder = cache.prepare(
        load_splits(section.name, section.root, section.options, settings),
        name=section.name,
        image_size=section.image_size,
        validation_share=section.validation_share,
        split_seed=section.split_seed,
        bad_share=section.bad_share,
        cache=_cache(settings),
        progress=progress,
    )
    return folder, cache.read_manifest(folder)


def prepared_folder(definition: StudyDefinition, settings: Settings, *, fingerprint: str) -> Path:
    """The cache folder of the data that the study was registered with.

    Raises DatasetError where this machine's data set is another one.
    """
    section = definition.dataset
    expected = cache.folder_of(_cache(settings), section.name, section.image_size, fingerprint)
    if expected.exists():
        return expected
    folder, manifest = prepare(definition, settings)
    if manifest.fingerprint != fingerprint:
        raise DatasetError(
            f"the data set {section.name} on this machine is not the one that study {definition.name!r} was "
            f"registered with (fingerprint {manifest.fingerprint[:16]}, not {fingerprint[:16]}): "
            "copy the same files here."
        )
    return folder


def _cache(settings: Settings) -> Path:
    return settings.home / "cache"
