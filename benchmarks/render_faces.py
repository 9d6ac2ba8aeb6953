"""How many synthetic faces a second one core draws, against the same faces drawn one by one with Pillow.

Run: `python benchmarks/render_faces.py`; about a minute. Pillow draws polygons and ellipses at four times the
size and shrinks them, the usual way to smooth edges with `PIL.ImageDraw`. "Shaded" adds what makes a face more
than flat shapes and is the peer to compare with: soft shadows and highlights (blurred masks), a gradient of light
and grain. Even so it leaves out folds, waves of hair, beards, glasses and hands. Seconds are those of the
processor, so that other programs count little; the median of the repeats is printed.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from search import catalog
from search.data import Indices, Split
from search.tasks import Task

SIZES = (48, 64, 112)
FACES = 256
REPEATS = 7
FINER = 4

Point = tuple[float, ...]
Colour = tuple[int, ...]


def main() -> None:
    split = catalog.dataset("synthetic_faces")(Path()).train
    print(f"faces a second on one core, median of {REPEATS} repeats of {FACES} faces")
    for size in SIZES:
        rendered = rate(partial(split.images.decode, size=size))
        for peer, shaded in (("Pillow, flat", False), ("Pillow, shaded", True)):
            drawn = rate(partial(pillow_faces, split, size=size, shaded=shaded))
            print(f"{size:4d} px: ours {rendered:6.0f}, {peer:14s} {drawn:6.0f}, ratio {rendered / drawn:5.2f}")


def rate(draw: Callable[[Indices], object]) -> float:
    """Faces a second of processor time, drawing other faces in each repeat."""
    seconds = []
    for repeat in range(REPEATS):
        indices = np.arange(repeat * FACES, (repeat + 1) * FACES)
        start = time.process_time()
        draw(indices)
        seconds.append(time.process_time() - start)
    return FACES / statistics.median(seconds)


def pillow_faces(split: Split, indices: Indices, size: int, shaded: bool) -> NDArray[np.uint8]:
    """The faces at `indices`, (N, size, size, 3)."""
    return np.stack([pillow_face(split, int(item), size, shaded) for item in indices])


def pillow_face(split: Split, item: int, size: int, shaded: bool) -> NDArray[np.uint8]:
    """One face, drawn from its landmarks and colours, (size, size, 3)."""
    p = {name: values[item] for name, values in vars(split.images)["parameters"].items()}
    marks: list[Point] = [
        tuple(mark) for mark in (split.targets[Task.LANDMARKS].values[item] * size * FINER).tolist()
    ]
    x, y, unit = (float(p[name]) * size * FINER for name in ("centre_x", "centre_y", "unit"))
    image = Image.new("RGB", (size * FINER, size * FINER), colour(p["backdrop"]))
    draw = ImageDraw.Draw(image)
    draw_head(draw, p, x, y, unit)
    if shaded:
        shade(image, p, marks, x, y, unit)
    for first in (0, 8):
        draw_eye(draw, p, marks[first : first + 7], unit)
    nose, top, upper, lower, bottom, _ = marks[16:]
    disc(draw, nose[0], nose[1], 0.12 * unit, 0.05 * unit, colour(p["shadow"]))
    draw.polygon((marks[7], top, marks[15], bottom), fill=colour(p["lip"]))
    draw.polygon((marks[7], upper, marks[15], lower), fill=(66, 18, 20))
    pixels = np.asarray(image.reduce(FINER))
    return photograph(pixels, p, item) if shaded else pixels


def draw_head(draw: ImageDraw.ImageDraw, p: dict[str, NDArray[Any]], x: float, y: float, unit: float) -> None:
    hair, skin, wide = colour(p["hair"]), colour(p["skin"]), float(p["face_width"]) * unit
    disc(draw, x, y - 0.1 * unit, wide * 1.15, 1.4 * unit, hair)
    draw.rectangle((x - 0.45 * unit, y, x + 0.45 * unit, y + 2 * unit), fill=colour(p["shadow"]))
    disc(draw, x, y + 1.8 * unit, 1.5 * unit, 0.5 * unit, colour(p["cloth"]))
    for side in (-1, 1):
        disc(draw, x + side * wide, y, 0.14 * unit, 0.24 * unit, skin)
    disc(draw, x, y, wide, 1.1 * unit, skin)
    draw.chord((x - wide, y - 1.25 * unit, x + wide, y + unit), 215, 325, fill=hair)


def draw_eye(draw: ImageDraw.ImageDraw, p: dict[str, NDArray[Any]], marks: list[Point], unit: float) -> None:
    corner, end, top, bottom = marks[3:]
    draw.line(marks[:3], fill=colour(p["hair"] * 0.6), width=max(1, round(0.08 * unit)))
    draw.polygon((corner, top, end, bottom), fill=(237, 235, 230))
    x, y = (top[0] + bottom[0]) / 2, (top[1] + bottom[1]) / 2
    disc(draw, x, y, 0.09 * unit, 0.09 * unit, colour(p["eye"]))
    disc(draw, x, y, 0.04 * unit, 0.04 * unit, (13, 13, 13))
    disc(draw, x - 0.03 * unit, y - 0.03 * unit, 0.02 * unit, 0.02 * unit, (255, 255, 255))
    draw.line((corner, top, end), fill=(20, 15, 15), width=max(1, round(0.03 * unit)))


def shade(
    image: Image.Image, p: dict[str, NDArray[Any]], marks: list[Point], x: float, y: float, unit: float
) -> None:
    """Soft shadows in the sockets, beside the nose and below the lip; soft lights on cheeks and nose."""
    dark, light = Image.new("L", image.size), Image.new("L", image.size)
    shadows, lights = ImageDraw.Draw(dark), ImageDraw.Draw(light)
    for eye in (marks[5], marks[13]):
        disc(shadows, eye[0], eye[1], 0.26 * unit, 0.15 * unit, (80,))
        disc(lights, eye[0], eye[1] + 0.35 * unit, 0.22 * unit, 0.15 * unit, (60,))
    disc(shadows, marks[16][0] + 0.12 * unit, marks[16][1] - 0.1 * unit, 0.06 * unit, 0.2 * unit, (90,))
    disc(shadows, marks[20][0], marks[20][1] + 0.06 * unit, 0.2 * unit, 0.06 * unit, (110,))
    disc(lights, x, y, 0.05 * unit, 0.2 * unit, (90,))
    blur = ImageFilter.GaussianBlur(0.06 * unit)
    image.paste(colour(p["shadow"]), mask=dark.filter(blur))
    image.paste(colour(p["skin"] * 0.5 + 0.5), mask=light.filter(blur))


def photograph(pixels: NDArray[np.uint8], p: dict[str, NDArray[Any]], item: int) -> NDArray[np.uint8]:
    """A gradient of light and grain over the finished face."""
    size = pixels.shape[0]
    light = Image.linear_gradient("L").point(lambda value: 190 + value / 4).resize((size, size)).convert("RGB")
    lit = np.asarray(ImageChops.multiply(Image.fromarray(pixels), light), np.float32)
    grain = np.random.default_rng(item).standard_normal((size, size, 1), np.float32) * float(p["grain"] * 100)
    return np.clip(lit + grain, 0, 255).astype(np.uint8)


def disc(draw: ImageDraw.ImageDraw, x: float, y: float, wide: float, high: float, fill: Colour) -> None:
    draw.ellipse((x - wide, y - high, x + wide, y + high), fill=fill)


def colour(values: NDArray[Any]) -> Colour:
    return tuple(np.clip(values * 255, 0, 255).astype(int).tolist())


if __name__ == "__main__":
    main()
