"""The prepared data of a study on this machine: its images, the vectors of a frozen network, its companions."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from search import catalog
from search.data import Splits
from search.errors import CacheError, DatasetError
from search.settings import Settings
from search.study.definition import DatasetSection, StudyDefinition
from search.training import cache
from search.training.aside import alone, lock_of
from search.training.cache import Manifest, Prepared

if TYPE_CHECKING:
    from search.training.features import Extractor

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


class _Wanted(NamedTuple):
    """One data set of a study. use: what a companion is for, or None for the study's own."""

    name: str
    root: str | None
    options: dict[str, Any]
    use: str | None


class _Folders(BaseModel):
    """Where one data set lies in the cache: the folder of its images, and that of its vectors if there are any."""

    model_config = ConfigDict(frozen=True)

    images: str
    vectors: str | None


class _Record(BaseModel):
    """What a study's data consist of, its own first: so that they are found again without reading the files."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    parts: tuple[_Folders, ...]


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
    """The cache folder of the study's own images, and what stands in it; companions and vectors lie beside it.

    All of them are prepared if need be. The fingerprint is that of all together.

    progress: called with the images decoded so far and their total; then anew for the images whose vectors are
        computed, and for each companion. Raises DatasetError.
    """
    cache_at = cache_folder(settings)
    record = _prepare(definition.dataset, settings.data, cache_at, progress)
    folder = cache_at / record.parts[0].images
    return folder, cache.read_manifest(folder).model_copy(update={"fingerprint": record.fingerprint})


def open_data(source: DataSource, progress: Progress) -> Prepared:
    """The data, prepared if need be, or prepared again where the cache is damaged.

    progress: as for `prepare`. Raises DatasetError where this machine's data set is another one.
    """
    section = source.section
    record = _recorded(source)
    if record is not None:
        try:
            return _open(section, source.cache, record)
        except CacheError as damage:
            log.warning("preparing the data again: %s", damage)
            _discard_damaged(source.cache, record)
    record = _prepare(section, source.data, source.cache, progress)
    if record.fingerprint != source.fingerprint:
        also = f" with {', '.join(companion.called for companion in section.also)}" if section.also else ""
        raise DatasetError(
            f"the data set {section.name}{also} on this machine is not the one that the study was registered with "
            f"(fingerprint {record.fingerprint[:16]}, not {source.fingerprint[:16]}): copy the same files here."
        )
    return _open(section, source.cache, record)


def cache_folder(settings: Settings) -> Path:
    """Where decoded data sets are kept."""
    return settings.home / "cache"


def _prepare(section: DatasetSection, data: Path, cache_at: Path, progress: Progress) -> _Record:
    prepared = [_prepare_one(section, wanted, data, cache_at, progress) for wanted in _wanted(section)]
    parts = tuple(folders for folders, _ in prepared)
    fingerprints = [fingerprint for _, fingerprint in prepared]
    if len(parts) == 1:
        fingerprint = fingerprints[0]
    else:
        uses = [wanted.use for wanted in _wanted(section)]
        fingerprint = blake2b(json.dumps([fingerprints, uses]).encode(), digest_size=16).hexdigest()
    record = _Record(fingerprint=fingerprint, parts=parts)
    file = _record_file(cache_at, section, fingerprint)
    with alone(lock_of(file)):
        draft = file.with_suffix(".draft")
        draft.write_text(record.model_dump_json())
        draft.replace(file)
    return record


def _prepare_one(
    section: DatasetSection, wanted: _Wanted, data: Path, cache_at: Path, progress: Progress
) -> tuple[_Folders, str]:
    """The folders of one data set, and the fingerprint of its vectors, or of its images where there are none."""
    folder = cache.prepare(
        load_splits(wanted.name, wanted.root, wanted.options, data),
        name=wanted.name,
        image_size=section.image_size,
        validation_share=section.validation_share,
        split_seed=section.split_seed,
        bad_share=section.bad_share,
        cache=cache_at,
        test_only=wanted.use == "test",
        progress=progress,
    )
    extractor = _extractor(section)
    if extractor is None:
        return _Folders(images=folder.name, vectors=None), cache.read_manifest(folder).fingerprint
    from search.training.features import compute, verify_vectors

    vectors = compute(cache.open_prepared(folder), extractor, cache=cache_at, progress=progress)
    return _Folders(images=folder.name, vectors=vectors.name), verify_vectors(vectors).fingerprint


def _wanted(section: DatasetSection) -> list[_Wanted]:
    own = _Wanted(section.name, section.root, section.options, None)
    return [own, *(_Wanted(other.name, other.root, other.options, other.use) for other in section.also)]


def _extractor(section: DatasetSection) -> "Extractor | None":
    if section.features is None:
        return None
    from search.training.features import Extractor  # needs torch, which takes seconds to load

    features = section.features
    return Extractor(features.name, features.arguments, features.normalization, features.sounds)


def _recorded(source: DataSource) -> _Record | None:
    try:
        return _Record.model_validate_json(
            _record_file(source.cache, source.section, source.fingerprint).read_bytes()
        )
    except (OSError, ValidationError):
        return None


def _record_file(cache_at: Path, section: DatasetSection, fingerprint: str) -> Path:
    return cache_at / f"{section.name}-{section.image_size}-{fingerprint[:16]}.json"


def _open(section: DatasetSection, cache_at: Path, record: _Record) -> Prepared:
    own, *others = (_open_one(cache_at, folders) for folders in record.parts)
    companions = tuple((also.called, also.use, data) for also, data in zip(section.also, others, strict=True))
    return replace(own, fingerprint=record.fingerprint, companions=companions)


def _open_one(cache_at: Path, folders: _Folders) -> Prepared:
    data = cache.open_prepared(cache_at / folders.images)
    if folders.vectors is None:
        return data
    from search.training.features import with_vectors

    return with_vectors(data, cache_at / folders.vectors)


def _discard_damaged(cache_at: Path, record: _Record) -> None:
    for folders in record.parts:
        cache.discard_damaged(cache_at / folders.images, cache.open_prepared)
        if folders.vectors is not None:
            from search.training.features import verify_vectors

            cache.discard_damaged(cache_at / folders.vectors, verify_vectors)
