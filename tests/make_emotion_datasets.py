"""Folders in the exact formats of the visual-emotion data sets, with their traps and small drawn pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from search.tasks import MIKELS

ABSTRACT_EMOTIONS = ("Amusement", "Anger", "Awe", "Content", "Disgust", "Excitement", "Fear", "Sad")


def draw_picture(path: Path, number: int, mode: str = "RGB") -> None:
    """A small picture, different for each number, in the format of the path's suffix."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8)).resize((40, 30))
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse.convert(mode).save(path, "PNG" if mode == "RGBA" else None)


def make_emotion6(root: Path, images: int = 60) -> Path:
    """`root`/Emotion6 with `images` photographs in the six folders by turns; number 7 is only neutral.

    The likeliest emotion of number n is n % 7, and its folder says something else. No final newline.
    """
    keywords = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
    names = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
    header = ["[image_filename]", "[valence]", "[arousal]", *(f"[prob. {name}]" for name in names)]
    lines = ["\t".join(header), "disgust/1.jpg\t2.5\t3.8\t0.133333\t0.7\t0\t0.0666667\t0.1\t0\t0"]
    draw_picture(root / "Emotion6" / "images" / "disgust" / "1.jpg", 0)
    for number in range(2, images + 1):
        name = f"{keywords[number % 6]}/{number}.jpg"
        shares = [0.1, 0.1, 0, 0, 0, 0, 0.1]
        shares[number % 7] += 0.7
        if number == 7:
            shares = [0, 0, 0, 0, 0, 0, 1]
        affect = [f"{1 + 8 * (number - 2) / (images - 2):.4g}", f"{9 - number % 5}"]
        lines.append("\t".join([name, *affect, *(f"{share:.6g}" for share in shares)]))
        draw_picture(root / "Emotion6" / "images" / name, number)
    (root / "Emotion6" / "ground_truth.txt").write_text("\n".join(lines))
    return root


def make_abstract(root: Path, counts: Sequence[int] = (8, 3, 8, 8, 8, 8, 8, 8), ties: int = 6) -> Path:
    """`root`/testImages_abstract: `counts` paintings won by each emotion with 8 of 14 votes, and `ties`.

    Text stands in single quotes and lines end as on Windows.
    """
    folder = root / "testImages_abstract"
    winners = [index for index, count in enumerate(counts) for _ in range(count)]
    rows = ["''," + ",".join(f"'{emotion}'" for emotion in ABSTRACT_EMOTIONS)]
    for number in range(len(winners) + ties):
        votes = [0] * 8
        if number < len(winners):
            votes[winners[number]] += 8
            votes[(winners[number] + 1) % 8] += 6
        else:
            votes[number % 8] += 7
            votes[(number + 3) % 8] += 7
        name = f"abstract_{number + 1:04d}.jpg"
        rows.append(f"'{name}'," + ",".join(map(str, votes)))
        draw_picture(folder / name, number)
    (folder / "ABSTRACT_groundTruth.csv").write_bytes("\r\n".join(rows).encode() + b"\r\n")
    return root


def make_artphoto(root: Path, images: int = 10) -> Path:
    """`root`/testImages_artphoto with `images` photographs of each emotion, and what else lies in that folder."""
    folder = root / "testImages_artphoto"
    words = ("amusement", "anger", "awe", "content", "disgust", "excitement", "fear", "sad")
    for index, word in enumerate(words):
        for number in range(images):
            draw_picture(
                folder / f"{word}_{number:04d}.{'JPG' if number == 3 else 'jpg'}", index * images + number
            )
    (folder / "ReadMe.rtf").write_bytes(b"{\\rtf1}")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "._sad_0001.jpg").write_bytes(b"\0\5\x16\7")
    (folder / "awe_0001.jpg~").write_bytes(b"")
    draw_picture(folder / "IMG_0042.jpg", 999)
    return root


def make_oasis(root: Path, series: int = 20) -> Path:
    """`root`/OASIS_database_2016: `series` series of 1 to 4 photographs in four categories; number 3 is RGBA.

    Lines end in a bare carriage return, and two themes in a blank.
    """
    folder = root / "OASIS_database_2016"
    categories = ("Animal", "Object", "Person", "Scenery")
    columns = "Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N"
    lines = [f",{columns}"]
    for group in range(series):
        for number in range(1, 2 + group % 4):
            row = len(lines)
            theme = f"Theme {chr(ord('a') + group)} {number}"
            blank = " " if row in (5, 9) else ""
            valence, arousal = 1 + 6 * (row % 7) / 6, 7 - 6 * (row % 4) / 3
            cells = [f"{valence:.6g}", "1.2", "103", f"{arousal:.6g}", "1.9", "101"]
            lines.append(",".join([f"I{row}", theme + blank, categories[group % 4], "Pixabay", *cells]))
            draw_picture(folder / "images" / f"{theme}.jpg", row, "RGBA" if row == 3 else "RGB")
    (folder / "OASIS.csv").write_bytes("\r".join(lines).encode() + b"\r")
    return root


def make_twitter1(root: Path, images: int = 30, form: str = "table", header: str = "image,num,neg,pos") -> Path:
    """`root`/Twitter_PCNN with `images` photographs; of number n's five votes n % 6 are positive.

    form: table (amt_result.csv with the columns `header`), agree (five_agree.txt) or agrees (the other names).
    """
    folder = root / "Twitter_PCNN"
    rows: list[str] = []
    lists: dict[int, list[str]] = {5: [], 4: [], 3: []}
    for number in range(images):
        name, positive = f"{number}.jpg", number % 6
        draw_picture(folder / "Agg_AMT_Candidates" / name, number)
        rows.append(f"{name},5,{5 - positive},{positive}")
        for agree in lists:
            if max(positive, 5 - positive) >= agree:
                lists[agree].append(f"{name} {int(positive > 2)}")
    if form == "table":
        (folder / "amt_result.csv").write_text("\n".join([header, *rows]) + "\n")
    else:
        for agree, word in ((5, "five"), (4, "four"), (3, "three")):
            name = f"{word}_agree.txt" if form == "agree" else f"twitter_{word}_agrees.txt"
            (folder / name).write_text("\n".join(lists[agree]))
    return root


def make_emoset(root: Path, counts: Mapping[str, int] | None = None, ids: bool = True) -> Path:
    """`root`/EmoSet-118K with `counts` images of each emotion by split, with or without the ids in the lists."""
    folder = root / "EmoSet-118K"
    number = 0
    for split, count in (counts or {"train": 4, "val": 1, "test": 2}).items():
        entries = []
        for _ in range(count):
            for emotion in sorted(MIKELS):
                stem = f"{emotion}_{number:05d}"
                paths = [f"image/{emotion}/{stem}.jpg", f"annotation/{emotion}/{stem}.json"]
                entries.append([emotion, *([stem] if ids else []), *paths])
                draw_picture(folder / paths[0], number)
                (folder / paths[1]).parent.mkdir(parents=True, exist_ok=True)
                (folder / paths[1]).write_text(
                    json.dumps({"image_id": stem, "emotion": emotion, "brightness": 0.5})
                )
                number += 1
        (folder / f"{split}.json").write_text(json.dumps(entries))
    native = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
    info = {"emotion": {"label2idx": {name: index for index, name in enumerate(native)}}}
    (folder / "info.json").write_text(json.dumps(info))
    return root


def make_fi(root: Path, images: int = 10) -> Path:
    """`root`/emotion_dataset with `images` images in each folder, and a file that belongs to no one."""
    folder = root / "emotion_dataset"
    for index, emotion in enumerate(sorted(MIKELS)):
        for number in range(images):
            draw_picture(folder / emotion / f"{emotion}_{number:04d}.jpg", index * images + number)
    (folder / "awe" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root
