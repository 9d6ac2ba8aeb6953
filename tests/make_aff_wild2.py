"""Aff-Wild2 in the exact formats of its releases, traps included, with small drawn faces and tones.

The videos are video1, video2 with two persons, video3, 4-30-1920x1080 and video9. Every set trains on some of them
and holds out others: video9 in all sets, video3 in AU alone. Frames 3 and 7 of each track have no image.
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from tests.make_datasets import draw_face

Release = Literal[2020, 2021, 2022, 2024]
Row = list[str]

UNITS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)
UNITS_2020 = (1, 2, 4, 6, 12, 15, 20, 25)
CLASSES = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other")
FOLDERS: dict[int, tuple[str, dict[str, str]]] = {
    2020: ("annotations", {"va": "VA_Set", "expr": "EXPR_Set", "au": "AU_Set"}),
    2021: ("annotations", {"va": "VA_Set", "expr": "EXPR_Set", "au": "AU_Set"}),
    2022: (
        "Third ABAW Annotations",
        {"va": "VA_Estimation_Challenge", "expr": "EXPR_Classification_Challenge", "au": "AU_Detection_Challenge"},
    ),
    2024: (
        "6th_ABAW_Annotations/6th_ABAW_Annotations",
        {"va": "VA_Estimation_Challenge", "expr": "EXPR_Recognition_Challenge", "au": "AU_Detection_Challenge"},
    ),
}
SIDES = {
    "va": {"train": ("video1", "video2_left", "video2_right", "4-30-1920x1080"), "held": ("video9",)},
    "expr": {"train": ("video1", "video2_left", "video3", "4-30-1920x1080"), "held": ("video9",)},
    "au": {"train": ("video1", "video2_right", "4-30-1920x1080"), "held": ("video3", "video9")},
}
LINES = {"va": 12, "expr": 11, "au": 13}  # of each file, so the sets differ in length
IMAGES = 14  # the last number of an image, beyond all lines
WITHOUT_FACE = (3, 7)
RATE = 16000  # samples a second


def make_aff_wild2(root: Path, release: Release = 2021, seed: int = 0) -> Path:
    """The annotations of a release as one file a track and set, and the frames."""
    rng = np.random.default_rng(seed)
    place, names = FOLDERS[release]
    units = UNITS_2020 if release == 2020 else UNITS
    classes = CLASSES if release >= 2022 else CLASSES[:-1]
    headers = {"va": "valence,arousal", "expr": ",".join(classes), "au": ",".join(f"AU{unit}" for unit in units)}
    rows: Mapping[str, Callable[[], Row]] = {
        "va": lambda: affect(rng),
        "expr": lambda: [str(rng.integers(-1, len(classes)))],
        "au": lambda: [str(value) for value in rng.choice([-1, 0, 1], len(units), p=[0.1, 0.6, 0.3])],
    }
    train = "Training_Set" if release == 2020 else "Train_Set"
    for annotation, sides in SIDES.items():
        for side, tracks in sides.items():
            folder = root / place / names[annotation] / (train if side == "train" else "Validation_Set")
            folder.mkdir(parents=True)
            for track in tracks:
                lines = [headers[annotation], *(",".join(rows[annotation]()) for _ in range(LINES[annotation]))]
                (folder / f"{track}.txt").write_bytes(ending(annotation, track).join([*lines, ""]).encode())
    blank = root / place / names["expr"] / train / "video1.txt"
    blank.write_text(blank.read_text().replace(headers["expr"], headers["expr"] + ", ").rstrip("\n"))
    make_frames(root, rng)
    return root


def make_mtl(root: Path, seed: int = 0) -> Path:
    """The multi-task form: some frames of each track, listed in the order of their names as texts."""
    rng = np.random.default_rng(seed)
    folder = root / "annotations" / "MTL_Challenge"
    folder.mkdir(parents=True)
    tracks = {"train": SIDES["va"]["train"], "validation": ("video9",)}
    for side, names in tracks.items():
        lines = ["image,valence,arousal,expression,aus"]
        for track in names:
            for frame in rng.permutation(np.arange(1, 13))[:10]:
                units = [str(value) for value in rng.integers(-1, 2, 12)]
                cells = [f"{track}/{frame:05d}.jpg", *affect(rng), str(rng.integers(-1, 8)), *units]
                lines.append(",".join(cells))
        (folder / f"{side}_set.txt").write_text("\r\n".join(lines), newline="")
    make_frames(root, rng)
    return root


def affect(rng: np.random.Generator) -> Row:
    """Valence and arousal; now and then both or only one of them are missing."""
    values = [f"{value:.6g}" for value in rng.uniform(-1, 1, 2)]
    return [values, values, values, ["-5", "-5"], [values[0], "-5"], ["-5.0", values[1]]][rng.integers(0, 6)]


def ending(annotation: str, track: str) -> str:
    return "\r\n" if (annotation, track) == ("au", "video1") else "\n"


def make_frames(root: Path, rng: np.random.Generator) -> None:
    """The images of every track, among them files that are none of the frames."""
    tracks = sorted({track for sides in SIDES.values() for tracks in sides.values() for track in tracks})
    for track in tracks:
        folder = root / "cropped_aligned" / track
        folder.mkdir(parents=True)
        for frame in set(range(1, IMAGES + 1)) - set(WITHOUT_FACE):
            draw_face(frame, rng, 32).save(folder / f"{frame:05d}.jpg")
    for name in ("00003.jpg~", "._00003.jpg", "Thumbs.db"):
        (root / "cropped_aligned" / "video1" / name).write_bytes(b"not a frame")


def make_sounds(root: Path, seconds: Mapping[str, float], frames_per_second: Mapping[str, float]) -> None:
    """A tone that rises in steps, one for each half of a second, as audio/VIDEO.wav, and audio/fps.csv."""
    (root / "audio").mkdir(exist_ok=True)
    for video, length in seconds.items():
        wavfile.write(root / "audio" / f"{video}.wav", RATE, (tone(length) * 32767).astype(np.int16))
    with (root / "audio" / "fps.csv").open("w", newline="") as file:
        csv.writer(file).writerows(frames_per_second.items())


def tone(seconds: float) -> NDArray[np.float64]:
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * 500 * (1 + np.floor(2 * time)) * time)
