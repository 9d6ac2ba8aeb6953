"""Folders in the exact formats of the facial-expression data sets, with what is odd in the real ones."""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from search.tasks import EKMAN_NEUTRAL
from tests.make_datasets import draw_face, make_fer2013

KDEF_CODES = {"AF": 2, "AN": 0, "DI": 1, "HA": 3, "NE": 6, "SA": 4, "SU": 5}  # to the canonical order
KDEF_ANGLES = ("FL", "HL", "S", "HR", "FR")
FER_PLUS_NATIVE = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
RAF_ORDER = (5, 2, 1, 3, 4, 0, 6)  # folders 1 to 7 in the canonical order


def make_kdef(root: Path, people: Sequence[int] = (1, 2, 5), seed: int = 0) -> Path:
    """`root`/KDEF_and_AKDEF/KDEF with women and men of these numbers in both sessions; see `kdef_names`.

    As in the real one, three files have wrong names (two of surprise, one of sadness), and averaged faces lie
    beside. There is a hidden file and a backup, too, and an image of one person in the folder of another.
    """
    rng = np.random.default_rng(seed)
    folder = root / "KDEF_and_AKDEF" / "KDEF"
    for name in kdef_names(people):
        (folder / name[:4]).mkdir(parents=True, exist_ok=True)
        draw_face(KDEF_CODES[name[4:6]], rng, 24).resize((18, 24)).save(folder / name[:4] / f"{name}.JPG")
    averages = root / "KDEF_and_AKDEF" / "AKDEF"
    averages.mkdir()
    draw_face(0, rng, 24).save(averages / "FAFFL.JPG")
    first, second = (f"AF{number:02d}" for number in people[:2])
    (folder / first / f"{first}SUFR.JPG").rename(folder / first / f"{first}SUF.JPG")
    (folder / second / f"{second}SUHL.JPG").rename(folder / second / f"{second}V.JPG")
    (folder / second / f"{second}SAS.JPG").rename(folder / second / os.fsdecode(b"SA\xe4S.JPG"))
    (folder / first / f"._{first}AFFL.JPG").write_bytes(b"x")
    (folder / first / f"{first}AFFL.JPG~").write_bytes(b"x")
    (folder / first / "Thumbs.db").write_bytes(b"x")
    (folder / first / f"{second}AFFL.JPG").write_bytes((folder / second / f"{second}AFFL.JPG").read_bytes())
    return root


def kdef_names(people: Sequence[int]) -> list[str]:
    """The stems of all files there should be."""
    return [
        f"{session}{sex}{number:02d}{code}{angle}"
        for session in "AB"
        for sex in "FM"
        for number in people
        for code in KDEF_CODES
        for angle in KDEF_ANGLES
    ]


def fer_plus_votes(rows: int) -> list[list[int]]:
    """Ten votes a row: no face, unknown, without a majority, by nine people only, then clear ones in turn."""
    first = [
        [0] * 9 + [10],
        [2, 0, 0, 0, 1, 0, 0, 0, 7, 0],
        [4, 0, 0, 1, 3, 2, 0, 0, 0, 0],
        [0, 9, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    clear = [[8 * (column == row % 8) + (column == (row + 1) % 8) for column in range(10)] for row in range(rows)]
    return [*first, *clear][:rows]


def make_fer_plus(root: Path, train: int = 3, test: int = 2, seed: int = 0) -> Path:
    """`root`/fer2013new.csv beside fer2013.csv, with the votes of `fer_plus_votes` in each Usage.

    As in the real one, what is no face has no name, the numbers in the names are not those of the rows, and a name
    comes twice: here that of the fourth row, in the last one for training.
    """
    make_fer2013(root, train, test, seed)
    lines = [f"Usage,Image name,{','.join(FER_PLUS_NATIVE)},unknown,NF"]
    for usage, rows in (("Training", 7 * train), ("PublicTest", 7 * test), ("PrivateTest", 7 * test)):
        for votes in fer_plus_votes(rows):
            name = "" if votes[9] == 10 else fer_plus_name(len(lines) - 1)
            lines.append(f"{usage},{name},{','.join(map(str, votes))}")
    lines[7 * train] = lines[4]
    (root / "fer2013new.csv").write_text("\r\n".join(lines))
    return root


def make_fer_plus_folders(root: Path, train: int = 3, test: int = 2, seed: int = 0) -> Path:
    """The names of the same, once each, as `root`/FER2013Train/label.csv without a header; images beside it."""
    rng = np.random.default_rng(seed)
    row = 0
    for folder, rows in (("FER2013Train", 7 * train), ("FER2013Valid", 7 * test), ("FER2013Test", 7 * test)):
        (root / folder).mkdir(parents=True)
        lines = []
        for votes in fer_plus_votes(rows):
            if votes[9] < 10 and row != 7 * train - 1:
                name = fer_plus_name(row)
                draw_face(int(np.argmax(votes)), rng, 48).convert("L").save(root / folder / name)
                lines.append(f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes))}')
            row += 1
        (root / folder / "label.csv").write_text("\n".join(lines))
    return root


def fer_plus_name(row: int) -> str:
    return f"fer{row + (row > 10):07d}.png"


AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)


def affectnet_rows(per_class: int) -> list[tuple[int, float, float]]:
    """Expression, valence and arousal: `per_class` of 0 to 10 each, -2 from 8 on and in the very first row."""
    rows = [(code, round(0.1 * code - 0.4, 2), round(0.5 - 0.05 * code, 2)) for code in range(11)] * per_class
    rows = [(code, -2.0, -2.0) if code > 8 else (code, valence, arousal) for code, valence, arousal in rows]
    return [(0, -2.0, -2.0), *rows[1:]]


def make_affectnet_lists(root: Path, train: int = 3, test: int = 2, seed: int = 0) -> Path:
    """The lists of 2017 under `root`, and photographs with the face in a box on a blue ground.

    The second row of a list has no box; the last one repeats the third, and has no newline.
    """
    rng = np.random.default_rng(seed)
    (root / "Manually_Annotated_file_lists").mkdir(parents=True)
    for file, per_class in (("training.csv", train), ("validation.csv", test)):
        lines = [AFFECTNET_HEADER]
        for number, (code, valence, arousal) in enumerate(affectnet_rows(per_class)):
            path = f"{number % 3}/{rng.bytes(16).hex()}.{('jpg', 'JPG', 'png')[number % 3]}"
            image = root / "Manually_Annotated_Images" / path
            image.parent.mkdir(parents=True, exist_ok=True)
            whole = Image.new("RGB", (80, 60), "blue")
            whole.paste(draw_face(code, rng, 40), (30, 10))
            whole.save(image)
            box = "-1,-1,-1,-1" if number == 1 else "30,10,40,40"
            landmarks = ";".join(f"{value:.2f}" for value in rng.uniform(10, 70, 136))
            lines.append(f"{path},{box},{landmarks},{code},{valence},{arousal}")
        (root / "Manually_Annotated_file_lists" / file).write_text("\n".join([*lines, lines[3]]))
    return root


def make_affectnet_sets(root: Path, train: int = 3, test: int = 2, seed: int = 0) -> Path:
    """The crops of 2021 under `root`: images by number, annotations as numbers, texts and bytes in turn."""
    rng = np.random.default_rng(seed)
    for folder, per_class in (("train_set", train), ("val_set", test)):
        for kind in ("images", "annotations"):
            (root / folder / kind).mkdir(parents=True)
        for number, (code, valence, arousal) in enumerate(affectnet_rows(per_class)):
            draw_face(code, rng, 40).save(root / folder / "images" / f"{number}.jpg")
            for name, value in {"exp": code, "val": valence, "aro": arousal}.items():
                written = (value, str(value), str(value).encode())[number % 3]
                np.save(root / folder / "annotations" / f"{number}_{name}.npy", np.array(written))
            np.save(root / folder / "annotations" / f"{number}_lnd.npy", rng.uniform(0, 40, 136))
        (root / folder / "annotations" / ".DS_Store").write_bytes(b"x")
    return root


def make_wikimedia(root: Path, per_class: int = 2, seed: int = 0) -> Path:
    """`root`/1 to 7, no image square, grey, transparent and with odd names among them, and backups of each."""
    rng = np.random.default_rng(seed)
    for folder, label in enumerate(RAF_ORDER, start=1):
        (root / str(folder)).mkdir(parents=True)
        for number in range(per_class):
            face = draw_face(label, rng, 60).resize((50 + folder, 60))
            name = f"{EKMAN_NEUTRAL[label]}_{number}.jpg"
            face.save(root / str(folder) / name)
            (root / str(folder) / f"{name}~~").write_bytes(b"x")
    draw_face(0, rng, 60).convert("L").save(root / "1" / "It's_هیجان,_1.JPG")
    draw_face(0, rng, 60).convert("RGBA").save(root / "4" / "transparent.png")
    draw_face(0, rng, 60).save(root / "7" / os.fsdecode(b"Sch\xf6n.jpg"))
    (root / "README.md").write_text("where the images come from")
    return root


def rewrite(file: Path, line: int, text: str) -> None:
    """Puts `text` in the place of a line, counted from 1."""
    with file.open(newline="") as stream:
        lines = stream.read().split("\n")
    lines[line - 1] = text + ("\r" if lines[line - 1].endswith("\r") else "")
    file.write_bytes("\n".join(lines).encode())


def cells(file: Path) -> Iterable[list[str]]:
    """The rows of a CSV file."""
    with file.open(newline="") as stream:
        return list(csv.reader(stream))
