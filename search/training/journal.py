"""Files that grow chunk by chunk, of which a kill at any moment costs the unfinished chunk alone."""

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

BLOCK = 1 << 20  # bytes read at once to verify a chunk


class _Entry(NamedTuple):
    note: Any
    sizes: list[int]
    crc32: int


class Journal:
    """Several files that grow together, and a journal of their chunks, one line of JSON each.

    A line holds a note about its chunk, the bytes of it in each file, and the CRC-32 of all of that; it is
    written after the bytes. On entering, every chunk of an earlier process is read and compared, and the files
    are cut off where the first one differs: nothing need have reached the disk in any order.
    """

    def __init__(self, journal: Path, files: Sequence[Path]) -> None:
        self._paths = (journal, *files)
        self._open: list[BinaryIO] = []
        self.notes: list[Any] = []  # of the chunks there are

    def __enter__(self) -> "Journal":
        for path in self._paths:
            path.touch()
        self._open = [path.open("r+b") for path in self._paths]
        ends = [0] * len(self._open)
        for length, entry in self._entries():
            if len(entry.sizes) != len(self._open) - 1 or self._checksum(entry) != entry.crc32:
                break
            self.notes.append(entry.note)
            ends = [end + size for end, size in zip(ends, (length, *entry.sizes), strict=True)]
        for file, end in zip(self._open, ends, strict=True):
            file.truncate(end)
            file.seek(end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open:
            file.close()

    def append(self, note: Any, *blocks: bytes) -> None:
        """Add a chunk. note: a JSON value as `json.loads` gives it; blocks: the bytes for each of the files."""
        checksum = _seed(note)
        for file, block in zip(self._open[1:], blocks, strict=True):
            file.write(block)
            file.flush()
            checksum = zlib.crc32(block, checksum)
        line = json.dumps(_Entry(note, [len(block) for block in blocks], checksum))
        self._open[0].write(line.encode() + b"\n")
        self._open[0].flush()
        self.notes.append(note)

    def _entries(self) -> Iterator[tuple[int, _Entry]]:
        for line in self._open[0]:
            try:
                note, sizes, checksum = json.loads(line)
                yield len(line), _Entry(note, [int(size) for size in sizes], int(checksum))
            except (ValueError, TypeError):
                return

    def _checksum(self, entry: _Entry) -> int:
        checksum = _seed(entry.note)
        for file, size in zip(self._open[1:], entry.sizes, strict=True):
            while size > 0 and (block := file.read(min(size, BLOCK))):
                checksum, size = zlib.crc32(block, checksum), size - len(block)
            if size:
                return -1
        return checksum


def _seed(note: Any) -> int:
    return zlib.crc32(json.dumps(note, sort_keys=True).encode())
