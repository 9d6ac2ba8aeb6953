"""Image files as the `Images` of a data set: any common mode and depth becomes RGB, or a reason why not."""

import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from search.data import Indices, Pixels

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
MAX_PIXELS = 64_000_000  # a larger image is named unreadable: no camera's face crop, and it may be a bomb
SHARE = 32  # files that a thread reads before it takes the next ones
AHEAD = 4096  # files that are given to threads at once
BACKGROUND = (128, 128, 128)  # what shows through transparent pixels

R = TypeVar("R")

_TOO_LARGE = f"larger than {MAX_PIXELS // 1_000_000} megapixels"


@dataclass(frozen=True)
class FileImages:
    """One image file an item; paths are relative to `root`.

    boxes: int64 (N, 4): the left, upper, right and lower edge, in pixels of the upright image, of the part that
        is taken of each; what lies beyond the image is black. Four zeros, or None for all, take it whole.

    Files are turned upright by their EXIF orientation and resized bilinearly (with antialiasing) to a square
    whatever their shape, as is usual for face crops. Transparent pixels show mid-grey. 16-bit grey is scaled
    from its full range. Of an animation the first frame counts.
    """

    paths: tuple[str, ...]
    root: Path
    boxes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def fingerprint(self) -> str:
        """A hash of every path, box and file's content; a missing file counts as one."""
        digest = blake2b(b"" if self.boxes is None else self.boxes.tobytes(), digest_size=16)
        for path, content in zip(self.paths, _in_threads(self._content, self.paths), strict=True):
            digest.update(os.fsencode(path) + b"\0" + content)
        return digest.hexdigest()

    def decode(self, indices: Indices, size: int) -> tuple[Pixels, dict[int, str]]:
        """See `search.data.Images`. Never raises for a file's sake."""
        pixels = np.zeros((len(indices), size, size, 3), np.uint8)
        reasons = {}
        files = [self.root / self.paths[index] for index in indices]
        boxes = [[0, 0, 0, 0]] * len(files) if self.boxes is None else self.boxes[indices].tolist()
        # The filters hold for all threads; Pillow warns of odd metadata, which does not matter here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for position, result in enumerate(_in_threads(lambda file, box: _read(file, box, size), files, boxes)):
                if isinstance(result, str):
                    reasons[position] = result
                else:
                    pixels[position] = result
        return pixels, reasons

    def dimensions(self) -> NDArray[np.int64]:
        """int64 (N, 2): width and height in pixels as stored, (0, 0) where the file can't be read."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sizes = list(_in_threads(lambda path: _dimensions(self.root / path), self.paths))
        return np.array(sizes, np.int64).reshape(-1, 2)

    def _content(self, path: str) -> bytes:
        try:
            with (self.root / path).open("rb") as file:
                return blake2b(file.read(), digest_size=16).digest()
        except OSError:
            return b"unreadable"


def _in_threads(function: Callable[..., R], *arguments: Sequence[Any]) -> Iterator[R]:
    """As `map`, several calls at a time; of the arguments only AHEAD calls' are taken before they are needed."""
    count = len(arguments[0])
    with ThreadPoolExecutor() as threads:
        for start in range(0, count, AHEAD):
            shares = [
                [argument[first : first + SHARE] for argument in arguments]
                for first in range(start, min(start + AHEAD, count), SHARE)
            ]
            for results in threads.map(lambda share: list(map(function, *share)), shares):
                yield from results


def _read(file: Path, box: Sequence[int], size: int) -> Pixels | str:
    try:
        content = file.read_bytes()  # at once: a thread that reads piece by piece keeps waiting for the others
        if not content:
            return "file is empty"
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return _TOO_LARGE
            if not any(box):
                image.draft(None, (2 * size, 2 * size))  # decodes large JPEGs at a fraction of their size
            ImageOps.exif_transpose(image, in_place=True)
            part = _cropped(image, box) if any(box) else image
            return np.asarray(_rgb(part).resize((size, size), Image.Resampling.BILINEAR))
    except FileNotFoundError:
        return "file is missing"
    except UnidentifiedImageError:
        return f"not an image ({', '.join(FORMATS)})"
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return _TOO_LARGE
    except Exception as error:  # a malformed file can raise anything from within a decoder
        return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _cropped(image: Image.Image, box: Sequence[int]) -> Image.Image:
    left, upper, right, lower = box
    if max(left, 0) >= min(right, image.width) or max(upper, 0) >= min(lower, image.height):
        raise ValueError(f"its box {tuple(box)} lies outside the image of {image.width} x {image.height} pixels")
    if (right - left) * (lower - upper) > MAX_PIXELS:
        raise ValueError(f"its box {tuple(box)} is {_TOO_LARGE}")
    return image.crop((left, upper, right, lower))


def _dimensions(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file, formats=FORMATS) as image:
            return image.size
    except Exception:  # as in _read
        return 0, 0


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels of unknown range")
    if image.mode.startswith("I"):  # 16-bit grey, in one of several byte orders
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("32-bit pixels of unknown range")
        image = Image.fromarray((values // 257).astype(np.uint8))
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, BACKGROUND)
        image = Image.alpha_composite(background, image.convert("RGBA"))
    return image.convert("RGB")
