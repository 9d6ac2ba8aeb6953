"""Aff-Wild2 (Kollias and Zafeiriou, 2019; ABAW challenges): 548 videos with labels for every frame.

Under the root lie the aligned face crops as cropped_aligned/TRACK/00001.jpg, and the annotations in a folder with
"annot" in its name, in one of these forms:

- sets: VA_Set, EXPR_Set and AU_Set (2020, 2021), or VA_Estimation_Challenge, EXPR_Classification_Challenge (or
  EXPR_Recognition_Challenge) and AU_Detection_Challenge (from 2022), each with Train_Set (or Training_Set) and
  Validation_Set, and in these TRACK.txt: a header, then one line a frame of the video.
- mtl: MTL_Challenge/train_set.txt and validation_set.txt, a line a frame: TRACK/00001.jpg, V, A, EXPR, 12 AUs.

A track is one person in one video: VIDEO, and VIDEO_left and VIDEO_right where there are two. The line k below the
header, from 0, is of the image number k + 1. There is no image where no face was found, and videos and annotations
differ in length, so lines and images are joined by number. -5 (valence, arousal) and -1 (expressions, action
units) say that a label is missing.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Indices, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages
from search.sounds import WavSounds, read_frame_rates
from search.tasks import ACTION_UNITS, EKMAN_NEUTRAL, Task

ABOUT = About(
    summary="2.8 million frames of 548 videos from the web: valence and arousal, seven expressions, twelve action "
    "units (Kollias and Zafeiriou, 2019; ABAW challenges)",
    terms="for research only, under an agreement that a laboratory's head signs; no redistribution",
    access="ask at https://ibug.doc.ic.ac.uk/resources/aff-wild2; the folder must hold cropped_aligned and the "
    "annotations, and for sound audio/VIDEO.wav",
)

Annotation = Literal["va", "expr", "au"]
Sheet = NDArray[np.float32]  # (n, 15), row k of frame k + 1: valence, arousal, expression, AUs; NaN: missing
Side = Literal["train", "held out"]
Tracks = dict[str, Sheet]

FRAMES = "cropped_aligned"
AUDIO = "audio"
FOLDERS: dict[Annotation, tuple[str, ...]] = {
    "va": ("VA_Set", "VA_Estimation_Challenge"),
    "expr": ("EXPR_Set", "EXPR_Classification_Challenge", "EXPR_Recognition_Challenge"),
    "au": ("AU_Set", "AU_Detection_Challenge"),
}
MULTI_TASK = "MTL_Challenge"
SIDES: dict[Side, tuple[str, ...]] = {"train": ("Train_Set", "Training_Set"), "held out": ("Validation_Set",)}
LISTS: dict[Side, str] = {"train": "train*.txt", "held out": "val*.txt"}  # of MTL_Challenge
COLUMNS: dict[Annotation, slice] = {"va": slice(0, 2), "expr": slice(2, 3), "au": slice(3, 15)}
TASKS: dict[Annotation, Task] = {
    "va": Task.VALENCE_AROUSAL,
    "expr": Task.EXPRESSION,
    "au": Task.ACTION_UNITS,
}
WIDTH = 3 + len(ACTION_UNITS)
NATIVE = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")  # codes 0 to 7
VALIDATION_SHARE = 0.15  # of the training videos, where validation is carved

_CODES = np.array([EKMAN_NEUTRAL.index(name) if name in EKMAN_NEUTRAL else np.nan for name in NATIVE], np.float32)
_FRAME = re.compile(r"(\d{5}|[1-9]\d{5,})\.jpg")
_LISTED = re.compile(r"([^/]+)/(\d+)\.jpg")


def load(
    root: Path,
    *,
    annotations: tuple[Annotation, ...] = ("va", "expr", "au"),
    form: Literal["sets", "mtl"] = "sets",
    protocol: Literal["held_out", "as_published"] = "held_out",
    sounds: bool = False,
) -> Splits:
    """The frames under `root` that have at least one of the labels asked for.

    annotations: which labels; frames are the union over them, and what a frame lacks is masked. A frame that has
        none of them is left out, so the next item can be some frames later.
    form: where the labels come from, see above.
    protocol: "held_out": Validation_Set, the only labelled set that is not for training, is the test split, and
        validation is carved: of the training videos in the order of a hash of their names the first 15 %, so
        these are the same for everybody. "as_published": Validation_Set is validation, and there is no test
        split, so figures compare with published ones, which select on the set they report.
    sounds: also hand over what is heard at each frame, from `root`/audio/VIDEO.wav, as `search.sounds` says. To
        make one: ffmpeg -i VIDEO.mp4 -vn -ac 1 -ar 16000 VIDEO.wav. Lines VIDEO,FPS in audio/fps.csv give the
        frames per second of videos that have not 30.

    Expressions are those of `search.tasks.EKMAN_NEUTRAL`; Other (from 2022 on) is none of them, so it is masked.
    The AUs of 2020 are 8, of which 7 are among the 12 of `search.tasks.ACTION_UNITS`; the others are masked.
    Valence and arousal count only together. Items are TRACK/00001.jpg, in order of time within a track; groups are
    tracks. The tracks of one video are always in the same split. The sets divide the videos differently: a video
    that one of them holds out is not trained on at all, and only what that one says of it is tested.

    Raises DatasetError where no form is found, a line is malformed, or no labelled frame has an image.
    """
    counts: Counter[str] = Counter()
    if form == "sets":
        folders = _sets(root, annotations)
        absent = [FOLDERS[annotation][0] for annotation in annotations if annotation not in folders]
        annotations = tuple(folders)
        train, held_out = (_read_sets(folders, side, counts) for side in SIDES)
    else:
        absent = []
        train, held_out = (_read_lists(root, side, annotations, counts) for side in SIDES)
    if protocol == "as_published" and not held_out:
        raise DatasetError(f"there is no Validation_Set under {root}, which protocol 'as_published' validates on.")
    held_videos = {_video(track) for track in held_out}
    shared = {track for track in train if _video(track) in held_videos}
    counts["held"] = len(shared)
    train = {track: sheet for track, sheet in train.items() if track not in shared}
    if not train:
        raise DatasetError(
            f"the annotations under {root} have no track to train on, of a video that none holds out."
        )
    parts = {"train": train, "test" if protocol == "held_out" else "validation": held_out}
    if protocol == "held_out":
        parts["train"], parts["validation"] = _carve(train)
    numbers = {track: number for number, track in enumerate(sorted(train | held_out))}
    splits = {
        name: _split(root, tracks, numbers, annotations, sounds, counts)
        for name, tracks in parts.items()
        if tracks
    }
    return Splits(EKMAN_NEUTRAL, **splits, notes=_notes(absent, counts, splits))


def _video(track: str) -> str:
    return re.sub(r"_(left|right)$", "", track)


def _carve(tracks: Tracks) -> tuple[Tracks, Tracks]:
    """The tracks to train on and those to validate on; none of these where there is one video only."""
    order = sorted({_video(track) for track in tracks}, key=lambda video: blake2b(video.encode()).digest())
    chosen = set(order[: max(1, round(VALIDATION_SHARE * len(order)))] if len(order) > 1 else [])
    sides: tuple[Tracks, Tracks] = ({}, {})
    for track, sheet in tracks.items():
        sides[_video(track) in chosen][track] = sheet
    return sides


# Annotations


def _sets(root: Path, annotations: Iterable[Annotation]) -> dict[Annotation, Path]:
    """The folders of the annotations asked for, without those that are not there."""
    found = {annotation: _find(root, FOLDERS[annotation]) for annotation in annotations}
    folders = {annotation: folder for annotation, folder in found.items() if folder is not None}
    if not folders:
        names = [name for annotation in found for name in FOLDERS[annotation]]
        other = f" There is {MULTI_TASK}: give form 'mtl'." if _find(root, (MULTI_TASK,)) else ""
        raise DatasetError(
            f"no Aff-Wild2 annotations under {root}: looked there, and in folders with 'annot' in their names, "
            f"for {', '.join(names)}.{other}"
        )
    return folders


def _read_sets(folders: Mapping[Annotation, Path], side: Side, counts: Counter[str]) -> Tracks:
    """The sheet of every track on one side."""
    tracks: Tracks = {}
    for annotation, folder in folders.items():
        files = [file for name in SIDES[side] for file in (folder / name).glob("[!.]*.txt")]
        for file in sorted(files):
            labels = _READERS[annotation](file, counts)
            sheet = tracks.get(file.stem, _empty(0))
            if len(labels) > len(sheet):
                sheet = np.concatenate([sheet, _empty(len(labels) - len(sheet))])
            sheet[: len(labels), COLUMNS[annotation]] = labels
            tracks[file.stem] = sheet
    return dict(sorted(tracks.items()))


def _read_lists(root: Path, side: Side, annotations: Iterable[Annotation], counts: Counter[str]) -> Tracks:
    """The sheet of every track on one side, of the multi-task form."""
    folder = _find(root, (MULTI_TASK,))
    files = [] if folder is None else sorted(folder.glob(LISTS[side]))
    if not files and side == "train":
        raise DatasetError(
            f"no {MULTI_TASK}/train_set.txt under {root}, nor in folders with 'annot' in their names."
        )
    tracks: Tracks = {}
    for file in files:
        lines = _lines(file)
        if not lines[0].lower().startswith("image,"):
            raise DatasetError(f"{file}:1: the header is {lines[0]!r}, not image,valence,arousal,expression,aus.")
        names, cells = zip(*(line.partition(",")[::2] for line in lines[1:]), strict=True)
        matches = [_LISTED.fullmatch(name.strip()) for name in names]
        what = "TRACK/00001.jpg, valence, arousal, expression and 12 action units"
        if None in matches:
            raise _malformed(file, matches.index(None), lines[1:], what)
        table = _numbers(file, lines[1:], cells, WIDTH, what)
        labels = np.concatenate(
            [
                _affect(file, lines[1:], table[:, :2]),
                _expressions(file, lines[1:], table[:, 2:3], len(NATIVE), counts),
                _units(file, lines[1:], table[:, 3:], ACTION_UNITS),
            ],
            axis=1,
        )
        for annotation in set(COLUMNS) - set(annotations):
            labels[:, COLUMNS[annotation]] = np.nan
        tracks |= _by_track([match.groups() for match in matches if match], labels)
    return dict(sorted(tracks.items()))


def _by_track(places: Sequence[Sequence[str]], labels: Sheet) -> Tracks:
    """One sheet for each track, from the track, the frame number and the labels of each line."""
    names, of_line = np.unique([track for track, _ in places], return_inverse=True)
    frames = np.array([int(frame) for _, frame in places])
    tracks = {}
    for index, name in enumerate(names):
        lines = of_line == index
        sheet = _empty(frames[lines].max())
        sheet[frames[lines] - 1] = labels[lines]
        tracks[str(name)] = sheet
    return tracks


def _find(root: Path, names: Iterable[str]) -> Path | None:
    """The folder of one of these names, in `root` or up to two folders of annotations deep."""
    places = [root]
    for _ in range(2):
        inner = [path for place in places for path in place.glob("*") if "annot" in path.name.lower()]
        places += [path for path in inner if path.is_dir() and path not in places]
    found = [place / name for place in places for name in names if (place / name).is_dir()]
    if len(found) > 1:
        raise DatasetError(f"the same annotations are there twice: {found[0]} and {found[1]}. Keep one of them.")
    return found[0] if found else None


def _empty(rows: int) -> Sheet:
    return np.full((rows, WIDTH), np.nan, np.float32)


def _read_affect(file: Path, counts: Counter[str]) -> Sheet:
    lines = _lines(file)
    if _header(lines) != ["valence", "arousal"]:
        raise DatasetError(f"{file}:1: the header is {lines[0]!r}, not 'valence,arousal'.")
    table = _numbers(file, lines[1:], lines[1:], 2, _AFFECT)
    return _affect(file, lines[1:], table)


def _read_expressions(file: Path, counts: Counter[str]) -> Sheet:
    lines = _lines(file)
    classes = _header(lines)
    if tuple(classes) not in (NATIVE, NATIVE[:-1]):
        wanted = ",".join(name.capitalize() for name in NATIVE)
        raise DatasetError(f"{file}:1: the header is {lines[0]!r}, not '{wanted}' (or the first seven of them).")
    table = _numbers(file, lines[1:], lines[1:], 1, _expression(len(classes)))
    return _expressions(file, lines[1:], table, len(classes), counts)


def _read_units(file: Path, counts: Counter[str]) -> Sheet:
    lines = _lines(file)
    header = _header(lines)
    if not header or not all(re.fullmatch(r"au\d+", name) for name in header):
        raise DatasetError(f"{file}:1: the header is {lines[0]!r}, not names of action units such as 'AU1,AU2'.")
    units = [int(name[2:]) for name in header]
    table = _numbers(file, lines[1:], lines[1:], len(units), _action_units(len(units)))
    return _units(file, lines[1:], table, units)


_READERS: dict[Annotation, Callable[[Path, Counter[str]], Sheet]] = {
    "va": _read_affect,
    "expr": _read_expressions,
    "au": _read_units,
}
_AFFECT = "a valence and an arousal, from -1 to 1 or -5"


def _expression(classes: int) -> str:
    return f"the number of an expression from 0 to {classes - 1}, or -1"


def _action_units(units: int) -> str:
    return f"{units} action units of 0, 1 or -1"


def _affect(file: Path, lines: Sequence[str], table: Sheet) -> Sheet:
    absent = table == -5
    _refuse(file, lines, ~np.all((np.abs(table) <= 1) | absent, axis=1), _AFFECT)
    return np.where(absent.any(axis=1, keepdims=True), np.float32(np.nan), table)


def _expressions(file: Path, lines: Sequence[str], table: Sheet, classes: int, counts: Counter[str]) -> Sheet:
    _refuse(file, lines, ~np.isin(table[:, 0], np.arange(-1, classes)), _expression(classes))
    counts["other"] += int((table == NATIVE.index("other")).sum())
    return np.append(_CODES, np.float32(np.nan))[table.astype(np.int64)]


def _units(file: Path, lines: Sequence[str], table: Sheet, units: Sequence[int]) -> Sheet:
    _refuse(file, lines, ~np.all(np.isin(table, (-1, 0, 1)), axis=1), _action_units(len(units)))
    known = np.where(table < 0, np.float32(np.nan), table)
    absent = np.full(len(table), np.nan, np.float32)
    columns = [known[:, units.index(unit)] if unit in units else absent for unit in ACTION_UNITS]
    return np.stack(columns, axis=1)


# Lines and numbers


def _lines(file: Path) -> list[str]:
    """The lines of a file, however they end, without empty ones at its end; the header and one more at least."""
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2:
        raise DatasetError(f"{file} holds no line below a header: it is not whole. Download it again.")
    return lines


def _header(lines: Sequence[str]) -> list[str]:
    return [cell.strip().lower() for cell in lines[0].rstrip(", ").split(",")]


def _numbers(file: Path, lines: Sequence[str], cells: Sequence[str], width: int, what: str) -> Sheet:
    """float32 (n, width), from the numbers of each line."""
    try:
        table = np.loadtxt(cells, np.float32, comments=None, delimiter=",", ndmin=2)
    except ValueError:
        table = np.empty((0, 0), np.float32)
    if table.shape != (len(lines), width):  # loadtxt passes over empty lines
        bad = next(index for index, text in enumerate(cells) if not _holds(text, width))
        raise _malformed(file, bad, lines, what)
    return table


def _holds(text: str, width: int) -> bool:
    try:
        return bool(text.strip()) and np.loadtxt([text], comments=None, delimiter=",", ndmin=2).shape == (1, width)
    except ValueError:
        return False


def _refuse(file: Path, lines: Sequence[str], bad: NDArray[np.bool_], what: str) -> None:
    if bad.any():
        raise _malformed(file, int(bad.argmax()), lines, what)


def _malformed(file: Path, index: int, lines: Sequence[str], what: str) -> DatasetError:
    """About the line `index`, from 0, below the header."""
    cut = " The file seems to be cut short: download it again." if index == len(lines) - 1 else ""
    return DatasetError(f"{file}:{index + 2}: {lines[index][:80]!r} is not {what}.{cut}")


# Frames


def _split(
    root: Path,
    tracks: Tracks,
    numbers: Mapping[str, int],
    annotations: Iterable[Annotation],
    sounds: bool,
    counts: Counter[str],
) -> Split:
    """The labelled frames of these tracks that have an image. numbers: the group of each track."""
    items: list[str] = []
    sheets, frames = [_empty(0)], [np.empty(0, np.int64)]
    for track, sheet in tracks.items():
        there = _listed(root / FRAMES / track)
        labelled = np.flatnonzero(~np.isnan(sheet).all(axis=1)) + 1
        kept = np.intersect1d(there, labelled, assume_unique=True)
        counts["no image"] += len(labelled) - len(kept)
        counts["no track"] += not len(there)
        counts["beyond"] += int((there > len(sheet)).sum())
        items += [f"{track}/{frame:05d}.jpg" for frame in kept.tolist()]
        sheets.append(sheet[kept - 1])
        frames.append(kept)
    if not items:
        raise DatasetError(
            f"no labelled frame of {next(iter(tracks))} and the other tracks of its split has an image: unpack "
            f"them as {root / FRAMES}/TRACK/00001.jpg."
        )
    labels, ids = np.concatenate(sheets), tuple(items)
    of_frame = np.repeat(np.arange(len(tracks)), [len(kept) for kept in frames[1:]])
    return Split(
        images=FileImages(ids, root / FRAMES),
        targets={TASKS[annotation]: _target(annotation, labels) for annotation in annotations},
        items=ids,
        groups=np.array([numbers[track] for track in tracks], np.int64)[of_frame],
        sounds=_sounds(root / AUDIO, tuple(tracks), of_frame, np.concatenate(frames)) if sounds else None,
    )


def _listed(folder: Path) -> Indices:
    """The numbers of the images in a folder, ascending; backups and other names are passed over."""
    try:
        with os.scandir(folder) as entries:
            matches = [_FRAME.fullmatch(entry.name) for entry in entries]
    except FileNotFoundError:
        matches = []
    return np.sort(np.array([int(match[1]) for match in matches if match], np.int64))


def _target(annotation: Annotation, labels: Sheet) -> Target:
    columns = labels[:, COLUMNS[annotation]]
    mask = ~np.isnan(columns)
    values = np.nan_to_num(columns)
    if annotation == "va":
        return Target(values, mask[:, 0] & mask[:, 1])
    if annotation == "expr":
        return Target(values[:, 0].astype(np.int64), mask[:, 0])
    return Target(values.astype(np.uint8), mask)


def _sounds(folder: Path, tracks: Sequence[str], of_frame: Indices, frames: Indices) -> WavSounds:
    if not folder.is_dir():
        raise DatasetError(
            f"there is no {folder}, which sounds are read from: make each VIDEO.wav there with "
            "ffmpeg -i VIDEO.mp4 -vn -ac 1 -ar 16000 VIDEO.wav."
        )
    rates = read_frame_rates(folder / "fps.csv")
    videos = [_video(track) for track in tracks]
    files = tuple(f"{video}.wav" for video in videos)
    return WavSounds(folder, files, tuple(rates.get(video, 30.0) for video in videos), of_frame, frames)


def _notes(absent: Sequence[str], counts: Counter[str], splits: Mapping[str, Split]) -> tuple[str, ...]:
    said = {
        "no image": "{} labelled frames have no image, because no face was found in them; they are left out.",
        "no track": "{} tracks have no image at all.",
        "beyond": "{} images have no line in the annotations; they are left out.",
        "other": "{} labels are Other, which is none of the seven expressions; they are masked.",
        "held": "{} training tracks are of videos that another set holds out; they are left out.",
    }
    notes = [f"There is no {name}: none of its labels is known." for name in absent]
    notes += [text.format(counts[key]) for key, text in said.items() if counts[key]]
    for name, split in splits.items():
        if isinstance(split.sounds, WavSounds):
            notes += [f"{name}: {note}" for note in split.sounds.notes()]
    return tuple(notes)
