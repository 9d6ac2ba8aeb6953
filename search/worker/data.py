"""The prepared data of a study on this machine."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search import catalog
from search.data import Splits
from search.errors import CacheError, DatasetError
from search.settings import Settings
from search.study.definition import DatasetSection, StudyDefinition
from search.training import cache
from search.training.cache import Manifest, Prepared

Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSource:
    """Where this machine finds a study's data, and where it keeps them decoded.

    fingerprint: of the data that the study was registered with.
    """

    section: DatasetSection
    data: Path
    cache: Path
    fingerprint: str


def load_splits(name: str, root: str | Path | None, options: dict[str, Any], data: Path) -> Splits:
    """A data set, described but not yet decoded.

    root: its folder; by default the one of its name in `data`. options: arguments of its `load`.

    Raises UnknownName, DatasetError.
    """
    folder = Path(root).expanduser() if root else data / name
    splits: Splits = catalog.dataset(name)(folder, **options)
    return splits


def prepare(
    definition: StudyDefinition, settings: Settings, progress: Progress = lambda done, total: None
) -> tuple[Path, Manifest]:
    """The cache folder of the study's data, filled if need be, and what stands in it.

    progress: called with the images decoded so far and their total. Raises DatasetError.
    """
    return _prepare(definition.dataset, settings.data, cache_folder(settings), progress)


def open_data(source: DataSource, progress: Progress) -> Prepared:
    """The data, decoded if need be, or decoded again where the cache is damaged.

    progress: as for `prepare`. Raises DatasetError where this machine's data set is another one.
    """
    section = source.section
    folder = cache.folder_of(source.cache, section.name, section.image_size, source.fingerprint)
    if folder.exists():
        try:
            return cache.open_prepared(folder)
        except CacheError as damage:
            log.warning("preparing the data again: %s", damage)
            cache.discard_damaged(folder)
    folder, manifest = _prepare(section, source.data, source.cache, progress)
    if manifest.fingerprint != source.fingerprint:
        raise DatasetError(
            f"the data set {section.name} on this machine is not the one that the study was registered with "
            f"(fingerprint {manifest.fingerprint[:16]}, not {source.fingerprint[:16]}): copy the same files here."
        )
    return cache.open_prepared(folder)


def cache_folder(settings: Settings) -> Path:
    """Where decoded data sets are kept."""
    return settings.home / "cache"


def _prepare(section: DatasetSection, data: Path, cache_folder: Path, progress: Progress) -> tuple[Path, Manifest]:
    folder = cache.prepare(
        load_splits(section.name, section.root, section.options, data),
        name=section.name,
        image_size=section.image_size,
        validation_share=section.validation_share,
        split_seed=section.split_seed,
        bad_share=section.bad_share,
        cache=cache_folder,
        progress=progress,
    )
    return folder, cache.read_manifest(folder)
