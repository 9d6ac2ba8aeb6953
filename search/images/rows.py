"""Images in the rows of a CSV file, as in FER2013: grey values as text, one image a line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from search.data import Indices, Pixels
from search.errors import DatasetError

SIDE = 48


@dataclass(frozen=True)
class Row:
    """A line of a table.

    number: from 1, the header's. offset: the byte at which the line starts.
    cells: by column; a line that is cut short lacks its last ones.
    """

    number: int
    offset: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class GreyRows:
    """One row of a CSV file an item: 48 x 48 grey values from 0 to 255 in row-major order, split by blanks.

    offsets: the byte at which each row starts. column: which cell of a row holds the pixels.
    Rows are resized bilinearly (with antialiasing); grey becomes three equal channels.
    """

    file: Path
    offsets: tuple[int, ...]
    column: int

    def __len__(self) -> int:
        return len(self.offsets)

    def fingerprint(self) -> str:
        """A hash of the pixels' text of every row."""
        digest = blake2b(digest_size=16)
        for text in self._texts(self.offsets):
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()

    def decode(self, indices: Indices, size: int) -> tuple[Pixels, dict[int, str]]:
        """See `search.data.Images`."""
        pixels = np.zeros((len(indices), size, size, 3), np.uint8)
        reasons = {}
        for position, text in enumerate(self._texts([self.offsets[index] for index in indices])):
            grey = _grey(text)
            if isinstance(grey, str):
                reasons[position] = grey
            else:
                resized = Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR)
                pixels[position] = np.asarray(resized)[..., None]
        return pixels, reasons

    def _texts(self, offsets: Sequence[int]) -> Iterator[str]:
        with self.file.open("rb") as stream:
            for offset in offsets:
                stream.seek(offset)
                cells = _cells(stream.readline())
                yield cells[self.column] if self.column < len(cells) else ""


def read_table(file: Path, columns: Sequence[str]) -> tuple[list[str], Iterator[Row]]:
    """The names of a CSV file's columns in their order, and its rows; empty lines are passed over.

    No cell of such a file holds a comma. Blanks and quotes around cells fall off.

    Raises DatasetError where one of `columns` is missing.
    """
    with file.open("rb") as stream:
        header = _cells(stream.readline())
    if not set(columns) <= set(header):
        first = ",".join(header)
        raise DatasetError(
            f"{file}:1: the first line is {first if len(first) <= 60 else first[:60] + '...'!r}, not the columns "
            f"{', '.join(columns)} in any order."
        )
    return header, _rows(file, header)


def _rows(file: Path, header: Sequence[str]) -> Iterator[Row]:
    with file.open("rb") as stream:
        offset = len(stream.readline())
        for number, line in enumerate(stream, start=2):
            if line.strip():
                yield Row(number, offset, dict(zip(header, _cells(line), strict=False)))
            offset += len(line)


def _cells(line: bytes) -> list[str]:
    return [cell.strip(' "\r\n') for cell in line.decode("utf-8-sig", errors="replace").split(",")]


def _grey(text: str) -> NDArray[np.uint8] | str:
    """uint8 (48, 48), or the reason why not."""
    values = text.split()
    if len(values) != SIDE**2:
        return f"holds {len(values)} pixel values, not {SIDE**2}"
    try:
        return np.array(values, np.uint8).reshape(SIDE, SIDE)
    except (ValueError, OverflowError):
        return "holds a pixel value that is not a whole number from 0 to 255"
