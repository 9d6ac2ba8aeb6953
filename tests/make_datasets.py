"""Folders in the exact formats of the data sets, with small drawn faces whose class can be learnt."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

RAF_LABELS = range(1, 8)


def draw_face(label: int, rng: np.random.Generator, size: int = 100) -> Image.Image:
    """A drawn face: mouth, eyes and brows follow the label (any integer from 0), the rest is chance."""
    unit = size / 100
    skin = tuple(int(value) for value in rng.integers(110, 230, 3))
    image = Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8))
    draw = ImageDraw.Draw(image)
    x, y = rng.uniform(-5, 5, 2)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return tuple(unit * value for value in (left + x, top + y, right + x, bottom + y))

    draw.ellipse(box(10, 5, 90, 95), fill=skin)
    opening = 3 + 4 * (label % 3)
    for left in (28, 58):
        draw.ellipse(box(left, 40 - opening, left + 14, 40 + opening), fill="black")
        draw.line(box(left - 2, 24 + 3 * (label % 2), left + 16, 24 + 3 * (label // 2 % 2)), fill="black", width=3)
    depth = 4 + 3 * (label % 4)
    draw.chord(box(32, 68 - depth, 68, 68 + depth), 0, 180 if label % 2 else 360, fill="darkred")
    return image


def make_official_raf_db(root: Path, train: int = 10, test: int = 3, seed: int = 0) -> Path:
    """`train` and `test` faces of each class in the official layout, under `root`/basic; no final newline."""
    rng = np.random.default_rng(seed)
    folder = root / "basic"
    (folder / "Image" / "aligned").mkdir(parents=True)
    (folder / "EmoLabel").mkdir()
    lines = []
    for split, digits, per_class in (("train", 5, train), ("test", 4, test)):
        labels = rng.permutation(np.repeat(RAF_LABELS, per_class))
        for number, label in enumerate(labels, start=1):
            stem = f"{split}_{number:0{digits}d}"
            draw_face(int(label), rng).save(folder / "Image" / "aligned" / f"{stem}_aligned.jpg")
            lines.append(f"{stem}.jpg {label}")
    (folder / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    return root


def make_recut_raf_db(root: Path, train: int = 10, test: int = 3, seed: int = 0, lists: bool = True) -> Path:
    """The same faces re-cut as `root`/DATASET/train/1..7, with the two lists SPLIT_labels.csv beside DATASET."""
    rng = np.random.default_rng(seed)
    for split, digits, per_class in (("train", 5, train), ("test", 4, test)):
        rows = []
        for number, label in enumerate(rng.permutation(np.repeat(RAF_LABELS, per_class)), start=1):
            name = f"{split}_{number:0{digits}d}_aligned.jpg"
            (root / "DATASET" / split / str(label)).mkdir(parents=True, exist_ok=True)
            draw_face(int(label), rng).save(root / "DATASET" / split / str(label) / name)
            rows.append((name, label))
        if lists:
            with (root / f"{split}_labels.csv").open("w", newline="") as file:
                csv.writer(file).writerows([("image", "label"), *rows])
    return root


def make_image_folder(
    root: Path,
    classes: Sequence[str] = ("happy", "sad", "surprise"),
    counts: dict[str, int] | None = None,
    seed: int = 0,
    size: int = 64,
) -> Path:
    """`counts` faces of each class by split (10 in train, 4 in test unless told) as `root`/SPLIT/CLASS/N.png."""
    rng = np.random.default_rng(seed)
    for split, count in (counts or {"train": 10, "test": 4}).items():
        for label, name in enumerate(classes):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                draw_face(label, rng, size).save(root / split / name / f"{number}.png")
    return root


FER_FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # in the order of the codes


def make_fer2013(root: Path, train: int = 10, test: int = 3, seed: int = 0) -> Path:
    """`root`/fer2013.csv with `train` faces of each class for Training and `test` each for the other Usages."""
    rows = [f"{code},{pixels},{usage}" for code, usage, pixels in _fer2013_rows(train, test, seed)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return root


def make_icml_fer2013(root: Path, train: int = 10, test: int = 3, seed: int = 0) -> Path:
    """The same faces as `root`/icml_face_data.csv, whose column names have blanks before them."""
    rows = [f"{code},{usage},{pixels}" for code, usage, pixels in _fer2013_rows(train, test, seed)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "icml_face_data.csv").write_text("\n".join(["emotion, Usage, pixels", *rows]) + "\n")
    return root


def make_fer2013_folders(root: Path, train: int = 10, test: int = 3, seed: int = 0) -> Path:
    """As many grey faces as `root`/train/CLASS/Training_N.jpg and `root`/test/CLASS/PublicTest_N.jpg."""
    rng = np.random.default_rng(seed)
    for split, stem, per_class in (("train", "Training", train), ("test", "PublicTest", test)):
        for number, code in enumerate(rng.permutation(np.repeat(range(7), per_class))):
            folder = root / split / FER_FOLDERS[code]
            folder.mkdir(parents=True, exist_ok=True)
            draw_face(int(code), rng, 48).convert("L").save(folder / f"{stem}_{number}.jpg")
    return root


def _fer2013_rows(train: int, test: int, seed: int) -> list[tuple[int, str, str]]:
    """Code, Usage and pixels of every row, in the order of the Usages."""
    rng = np.random.default_rng(seed)
    rows = []
    for usage, per_class in (("Training", train), ("PublicTest", test), ("PrivateTest", test)):
        for code in rng.permutation(np.repeat(range(7), per_class)):
            grey = np.asarray(draw_face(int(code), rng, 48).convert("L"))
            rows.append((int(code), usage, " ".join(map(str, grey.ravel()))))
    return rows
