"""Rendered faces whose expressions are combinations of facial action units; nothing to download.

A face is a record of numbers: who it is (drawn once for each subject), how it is seen (pose, light, what hides
it), and how strongly each facial action unit (AU) is active. Action units move brows, lids, cheeks, nose, lips
and jaw (`EFFECTS`). An expression is one of the combinations EMFACS lists for it (`PROTOTYPES`), at any strength
from faint to full, beside a few stray units that mean nothing.

Lengths are in face units, of which the image is about 2.5 wide; x points right and y down from the middle of the
face. Left and right are those of the image. Colours are RGB from 0 to 1.

Sources: Ekman, Friesen, "Facial Action Coding System" (1978); Friesen, Ekman, "EMFACS-7: Emotional Facial Action
Coding System" (1983); Russell, "A circumplex model of affect", J. Pers. Soc. Psychol. 39 (1980) 1161-1178.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.data import About, Indices, Pixels, Split, Splits, Target
from search.errors import DatasetError
from search.images import drawn
from search.tasks import ACTION_UNITS, EKMAN, EKMAN_NEUTRAL, Task

Array = NDArray[Any]  # float32 unless said otherwise
Parameters = Mapping[str, Array]
Ranges = Mapping[str, tuple[float, float]]

ABOUT = About(
    summary="rendered faces, single or in sequences with sound: expression, valence, arousal, action units",
    terms="free for any use",
    access="nothing to get: they are drawn",
)

RENDERER = 1  # to be raised whenever the same options would give other pixels
PIXELS_AT_ONCE = 2**16  # faces are drawn in chunks whose planes fit the processor's cache
PRESENT = 0.3  # an action unit is labelled as present when its intensity, from 0 to 1, is above this
UNITS = (*ACTION_UNITS, 5, 9, 20)  # upper lid raiser, nose wrinkler and lip stretcher are drawn but not labelled
EPISODE = 40  # frames an expression takes to come and go, about
SHORTEST = 20  # frames of a sequence
BANDS = 64  # of a sound's spectrum
ALIGNED = ("centre_x", "centre_y", "unit", "roll")  # of SCENE, nearly the same in all frames of all sequences
WANDERING = ("yaw", "nod", "gaze_x", "gaze_y")  # of SCENE, from frame to frame of a sequence
STRENGTH = (2.5, 0.9)  # parameters of the beta distribution of an expression's strength: mean 0.74

# fmt: off
# EMFACS combinations of each expression at full strength: action units with FACS intensities, A (trace) to E.
PROTOTYPES = {
    "anger": ("4E 5C 7D 23E", "4E 5B 7D 24E", "4E 5C 7C 10B 23B 25D 26B"),
    "disgust": ("9E 10D 15C", "4B 9D 10E 15D", "7B 9E 10E 25D"),
    "fear": ("1E 2C 4D 5E 20E 25D", "1E 2B 4D 5E 20E 25D 26B", "1E 2C 4D 5E 25B"),
    "happiness": ("6D 12E", "6E 12E 25E", "6E 12E 25E 26B"),
    "sadness": ("1E 4C 15E", "1E 4D 7B 15D"),
    "surprise": ("1E 2E 5E 25E 26E", "1E 2E 5E 25C 26C"),
    "neutral": ("",),
}

# Valence and arousal at full strength: the expression's place on Russell's circumplex.
CIRCUMPLEX = {
    "anger": (-0.60, 0.70), "disgust": (-0.70, 0.35), "fear": (-0.55, 0.80), "happiness": (0.85, 0.45),
    "sadness": (-0.75, -0.45), "surprise": (0.20, 0.85), "neutral": (0.0, 0.0),
}

# What each action unit, fully active, adds to a measure of the face.
EFFECTS: dict[str, dict[int, float]] = {
    "brow_inner_y": {1: -0.17, 2: -0.03, 4: 0.13, 9: 0.06},
    "brow_middle_y": {1: -0.07, 2: -0.16, 4: 0.09, 9: 0.03},
    "brow_outer_y": {2: -0.15},
    "knit": {1: 0.15, 4: 0.85},
    "lid_upper": {4: -0.01, 5: 0.075, 6: -0.012, 7: -0.03, 9: -0.02, 10: -0.01},
    "lid_lower": {5: 0.015, 6: -0.04, 7: -0.03, 9: -0.025, 10: -0.01},
    "cheek": {6: 0.9, 9: 0.4, 10: 0.3, 12: 0.5},
    "fold": {6: 0.3, 9: 0.5, 10: 0.8, 12: 0.6},
    "wrinkle": {9: 1.0},
    "nose_y": {9: -0.05, 10: -0.03},
    "nose_width": {9: 0.02, 10: 0.03, 12: 0.02},
    "corner_x": {12: 0.10, 20: 0.10, 23: -0.08, 24: -0.02, 26: -0.06},
    "corner_y": {12: -0.17, 15: 0.14, 20: 0.03, 26: 0.09},
    "upper_y": {9: -0.05, 10: -0.10, 12: -0.01, 15: 0.015, 25: -0.035, 26: 0.005},
    "lower_y": {9: -0.015, 10: -0.05, 15: 0.015, 25: 0.06, 26: 0.245},
    "thinning": {10: 0.15, 12: 0.3, 20: 0.25, 23: 0.55, 24: 0.7},
    "smile": {12: 1.0},
    "frown": {15: 1.0},
    "chin_y": {26: 0.15},
}

# Who it is: uniform in these ranges, once for each subject.
PERSON = {
    "face_width": (0.80, 0.93), "face_top": (1.12, 1.25), "chin_y": (1.00, 1.16), "taper": (0.12, 0.36),
    "square": (0.0, 0.35), "tone": (0.0, 1.0), "age": (0.0, 1.0), "eye_x": (0.36, 0.41), "eye_y": (-0.13, -0.05),
    "eye_width": (0.19, 0.23), "lid_upper": (0.075, 0.110), "lid_lower": (0.050, 0.065),
    "eye_slant": (-0.035, 0.025), "iris": (0.085, 0.102), "brow_y": (-0.31, -0.25), "brow_arch": (0.0, 0.05),
    "brow_slope": (-0.02, 0.03), "brow_thick": (0.028, 0.055), "nose_y": (0.24, 0.33), "nose_width": (0.15, 0.21),
    "mouth_y": (0.57, 0.66), "mouth_width": (0.28, 0.36), "mouth_rest": (-0.035, 0.015),
    "lip_upper": (0.045, 0.080), "lip_lower": (0.065, 0.105), "hair_top": (0.06, 0.26), "hair_wave": (0.0, 0.06),
    "hairline": (0.62, 0.85), "hairline_bend": (0.45, 1.30), "hairline_side": (-0.2, 0.2),
    "glasses_size": (0.24, 0.29),
}

# How it is seen: uniform in these ranges, once for each image. Angles in radians.
SCENE = {
    "centre_x": (0.45, 0.55), "centre_y": (0.45, 0.52), "unit": (0.365, 0.435), "roll": (-0.22, 0.22),
    "yaw": (-0.40, 0.40), "nod": (-0.05, 0.07), "gaze_x": (-0.05, 0.05), "gaze_y": (-0.02, 0.02),
    "light_x": (-0.55, 0.55), "light_y": (-0.50, 0.15), "backdrop_x": (-0.3, 0.3), "backdrop_y": (-0.3, 0.3),
    "contrast": (0.80, 1.15), "grain": (0.01, 0.07), "hand_x": (-0.8, 0.8), "hand_y": (0.3, 1.0),
    "hand_turn": (-0.8, 0.8),
}
CUPID = 0.28  # depth of the dip in the middle of the upper lip, as a share of its height
LARGEST_UNIT = 0.52  # the largest unit, in image widths, and a fifth for the roll

SKIN = ("fadec9", "f0c7a8", "deab85", "b37d59", "754f38")  # light to dark
HAIR = ("171417", "2b1c14", "4d301f", "75381f", "9e7340", "a8a39e")  # dark first
EYES = ("382114", "5c3b1f", "546638", "4d7399", "6b7880")  # dark first
CLOTH = ("33425c", "853b38", "4d6654", "bfb5a3", "38383d", "8f708a")
BACKDROP = ("ccccc7", "8ca1b0", "738070", "b89e85", "454d59", "998fa1")
# fmt: on


def load(
    root: Path,
    *,
    images: int = 3000,
    test_images: int = 700,
    subjects: int = 150,
    mislabelled: float = 0.05,
    frames: int = 0,
    missing: float = 0.0,
    seed: int = 0,
) -> Splits:
    """Faces of seven expressions, in the order of `search.tasks.EKMAN_NEUTRAL`, equally many single ones of each.

    root: ignored; the faces are rendered, not read.
    images, test_images: how many there are to train on (validation is carved from these) and to test on.
    subjects: different people; training and test share none of them. Every sequence shows a person of its own,
        however many these are.
    mislabelled: share of the training images, in [0, 1), whose expression label is wrong. Test labels are right.
    frames: 0 for single images. Otherwise the images are the frames of sequences of this length, which must divide
        the numbers of images. A person makes one expression after another, about one in `EPISODE` frames,
        each with an onset, an apex and an offset, and neutral in between; head and eyes wander, and faces are
        cropped and upright as in aligned videos. A frame has the expression while its action units are above
        `PRESENT` of their apex. Sequences have `RenderedSounds`.
    missing: of sequences, the share of the labels of expression, of valence and arousal, and of each action unit
        that is missing, in [0, 1), in stretches of frames; in training and in test.
    seed: everything random comes from it, 0 or more; the same arguments give the same faces.

    Targets: expression (in sequences most often neutral); action units (1 above an intensity of `PRESENT`);
    valence and arousal (the expression's place on the circumplex times its strength, and a small jitter); 22
    landmarks: for the left, then the right side the brow's inner end, middle and outer end, the eye's inner and
    outer corner, top and bottom, and the mouth's corner; then nose tip, upper lip's top and bottom, lower lip's
    top and bottom, chin.
    Groups are subjects, and so sequences. Raises DatasetError when an argument can't be met.
    """
    classes = len(EKMAN_NEUTRAL)
    _at_least(images=(images, classes), test_images=(test_images, classes), subjects=(subjects, 2), seed=(seed, 0))
    for name, share in {"mislabelled": mislabelled, "missing": missing}.items():
        if not 0 <= share < 1:
            raise DatasetError(f"synthetic_faces: {name} is {share}; give a share of 0 or more, below 1.")
    if frames:
        return _of_sequences(images, test_images, frames, mislabelled, missing, seed)
    if missing:
        raise DatasetError(
            "synthetic_faces: labels can only be missing of sequences; give frames, too, or no missing."
        )
    tested = min(max(round(subjects * test_images / (images + test_images)), 1), subjects - 1)
    train = _split("train", images, range(subjects - tested), mislabelled, seed)
    test = _split("test", test_images, range(subjects - tested, subjects), 0.0, seed)
    return Splits(classes=EKMAN_NEUTRAL, train=train, test=test)


def _of_sequences(
    images: int, test_images: int, frames: int, mislabelled: float, missing: float, seed: int
) -> Splits:
    _at_least(frames=(frames, SHORTEST), images=(images, 2 * frames), test_images=(test_images, frames))
    for name, count in {"images": images, "test_images": test_images}.items():
        if count % frames:
            raise DatasetError(f"synthetic_faces: {name} is {count}; give a multiple of the {frames} frames.")
    people, tested = images // frames, test_images // frames
    train = _sequences("train", range(people), frames, mislabelled, missing, seed)
    test = _sequences("test", range(people, people + tested), frames, 0.0, missing, seed)
    return Splits(classes=EKMAN_NEUTRAL, train=train, test=test)


def _at_least(**arguments: tuple[int, int]) -> None:
    for name, (value, least) in arguments.items():
        if value < least:
            raise DatasetError(f"synthetic_faces: {name} is {value}; give {least} or more.")


@dataclass(frozen=True)
class RenderedFaces:
    """The N faces of one split, drawn when asked for.

    options: all that the faces depend on, as text.
    key: seeds the grain of the images, together with each image's index.
    parameters: (N,) numbers, (N, 2) numbers of the left and the right side, and (N, 3) colours.
    """

    options: str
    key: tuple[int, int]
    parameters: Parameters = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.parameters["unit"])

    def fingerprint(self) -> str:
        """A hash of the options and of the renderer's version."""
        return hashlib.sha256(f"{RENDERER} {self.options}".encode()).hexdigest()[:16]

    def decode(self, indices: Indices, size: int) -> tuple[Pixels, dict[int, str]]:
        """The faces at `indices`, drawn at `size` (16 to 256); none is unreadable. Raises DatasetError."""
        pixels = drawn(
            self._draw, indices, size, dataset="synthetic_faces", things="faces", at_once=PIXELS_AT_ONCE
        )
        return pixels, {}

    def _draw(self, indices: Indices, pixels: Pixels) -> None:
        size = pixels.shape[1]
        p = {name: values[indices].T[..., None, None] for name, values in self.parameters.items()}
        canvas = Canvas(p, np.empty((3, len(indices), size, size), np.float32))
        for layer in LAYERS:
            layer(canvas)
        for image, index in enumerate(indices):
            random = np.random.Philox(key=self.key, counter=[0, 0, 0, index]).random_raw(-(-size * size // 4))
            grain = random.view(np.uint8)[: 2 * size * size].reshape(2, size, size).astype(np.float32)
            canvas.rgb[:, image] += (grain[0] - grain[1]) * (p["grain"][image] / 255)
        np.clip(canvas.rgb, 0.0, 1.0, out=canvas.rgb)
        canvas.rgb *= 255
        canvas.rgb += 0.5
        pixels[...] = np.moveaxis(canvas.rgb.astype(np.uint8), 0, -1)


@dataclass(frozen=True)
class RenderedSounds:
    """What is heard at each of the N frames of a split's sequences: made-up spectra of a voice in BANDS bands.

    It is the louder the more aroused the person is, but also rises and falls as speech does; a band about a third
    of the way up (a vowel's formant) is the stronger the wider the mouth is open, and a low one belongs to the
    person; there is some noise. Values are about 0 to 1.

    options, key: as of `RenderedFaces`. loudness: (N,), about 0 to 1. opening: (N,), from 0 to 1. pitch: (N,), the
    place of the person's band, from 0 to 1.
    """

    options: str
    key: tuple[int, int]
    loudness: Array = field(repr=False, compare=False)
    opening: Array = field(repr=False, compare=False)
    pitch: Array = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.loudness)

    def fingerprint(self) -> str:
        """A hash of the options and of the version."""
        return hashlib.sha256(f"sounds {RENDERER} {self.options}".encode()).hexdigest()[:16]

    def decode(self, indices: Indices) -> NDArray[np.float32]:
        """float32 (n, BANDS): see `search.data.Sounds`."""
        bands = np.linspace(0, 1, BANDS)
        loudness, opening, pitch = (values[indices, None] for values in (self.loudness, self.opening, self.pitch))
        formant, fundamental = np.exp(-(((bands - 0.35) / 0.11) ** 2)), np.exp(-(((bands - pitch) / 0.04) ** 2))
        voice = loudness * (1 - 0.5 * bands) + 0.4 * opening * formant + 0.2 * fundamental
        counter = [[0, 0, 1, index] for index in indices.tolist()]  # the grain of the images has a 0 for the 1
        noise = [
            np.random.Philox(key=self.key, counter=at).random_raw(BANDS // 8).view(np.uint8) for at in counter
        ]
        return _clip(voice + 0.1 * (np.array(noise).reshape(-1, BANDS) / 255 - 0.5), 0.0, 2.0)


# The numbers of a split


def _split(name: str, count: int, subjects: range, mislabelled: float, seed: int) -> Split:
    key = (seed, ("train", "test").index(name))
    generator = np.random.default_rng(key)
    expressions = generator.permutation(np.arange(count) % len(EKMAN_NEUTRAL))
    strengths = generator.beta(*STRENGTH, (count, 1))
    units = _units(expressions, strengths, generator)
    rows = generator.permutation(np.arange(count) % len(subjects))
    people = _people(len(subjects), generator)
    given = {number: values[rows] for number, values in people.items()} | _scenes(count, generator)
    parameters = _parameters(given, units, _unevenness(count, generator))
    affect = np.array([CIRCUMPLEX[expression] for expression in EKMAN_NEUTRAL])[expressions] * strengths
    targets = {
        Task.ACTION_UNITS: (units[:, : len(ACTION_UNITS)] > PRESENT).astype(np.uint8),
        Task.VALENCE_AROUSAL: _clip(affect + generator.normal(0.0, 0.05, affect.shape), -1.0, 1.0),
        Task.LANDMARKS: _landmarks(parameters),
        Task.EXPRESSION: _mislabel(expressions, mislabelled, generator),
    }
    return Split(
        images=RenderedFaces(f"{name} {count} {subjects} {mislabelled} {seed}", key, parameters),
        targets={task: Target(values, np.ones(count, np.bool_)) for task, values in targets.items()},
        items=tuple(f"{name}/{item:06d}" for item in range(count)),
        groups=rows + subjects.start,
    )


def _sequences(name: str, people: range, frames: int, mislabelled: float, missing: float, seed: int) -> Split:
    key = (seed, ("train", "test").index(name))
    generator = np.random.default_rng((*key, frames))
    count, shape = len(people) * frames, (len(people), frames)
    expressions, units, affect = _episodes(*shape, generator)
    given = _moving(*shape, generator)
    parameters = _parameters(given, units, np.repeat(_unevenness(len(people), generator), frames, axis=0))
    options = f"{name} {people} of {frames} {mislabelled} {seed}"
    pitch = np.repeat(generator.uniform(0.05, 0.2, len(people)), frames)
    speech = np.repeat(generator.normal(0.0, 0.05, len(people)), frames) + generator.normal(0.0, 0.15, count)
    jitter = 0.05 * _drift(*shape, 2, generator).reshape(count, 2)
    values = {
        Task.ACTION_UNITS: (units[:, : len(ACTION_UNITS)] > PRESENT).astype(np.uint8),
        Task.VALENCE_AROUSAL: _clip(affect + jitter, -1.0, 1.0),
        Task.LANDMARKS: _landmarks(parameters),
        Task.EXPRESSION: _mislabel(expressions, mislabelled, generator),
    }
    attention = _drift(*shape, 2 + len(ACTION_UNITS), generator).reshape(count, -1)
    there = attention >= np.quantile(attention, missing, axis=0)
    masks: dict[Task, NDArray[np.bool_]] = {
        Task.ACTION_UNITS: there[:, 2:],
        Task.VALENCE_AROUSAL: there[:, 0],
        Task.LANDMARKS: np.ones(count, np.bool_),
        Task.EXPRESSION: there[:, 1],
    }
    opening = units[:, [UNITS.index(25), UNITS.index(26)]] @ np.array([0.4, 0.6])
    return Split(
        images=RenderedFaces(options, key, parameters),
        targets={task: Target(values[task], masks[task]) for task in values},
        items=tuple(f"{name}/{person:04d}/{frame:05d}" for person in people for frame in range(1, frames + 1)),
        groups=np.repeat(np.arange(people.start, people.stop), frames),
        sounds=RenderedSounds(options, key, 0.4 + 0.3 * affect[:, 1] + speech, opening, pitch),
    )


def _moving(sequences: int, frames: int, generator: np.random.Generator) -> dict[str, Array]:
    """The parameters of a person for each sequence, and of the view, one row for each frame."""
    still = _people(sequences, generator) | _scenes(sequences, generator)
    given = {number: np.repeat(values, frames, axis=0) for number, values in still.items()}
    for number in (*ALIGNED, *WANDERING):
        middle = sum(SCENE[number]) / 2
        given[number] = middle + (0.1 if number in ALIGNED else 0.3) * (given[number] - middle)
    for number in WANDERING:
        low, high = SCENE[number]
        given[number] += 0.15 * (high - low) * _drift(sequences, frames, 1, generator).ravel()
    return given


def _parameters(given: dict[str, Array], units: Array, uneven: Array) -> Parameters:
    """What `RenderedFaces` draws of people and scenes, (N, ...), and action units, (N, 15)."""
    moved = given | _shape(given, units, uneven)
    return {number: values.astype(np.float32) for number, values in moved.items()}


def _episodes(sequences: int, frames: int, generator: np.random.Generator) -> tuple[Indices, Array, Array]:
    """(N,) expressions, (N, 15) intensities of UNITS, and (N, 2) valence and arousal of sequences of expressions.

    Sequences are cut into episodes of equal length. In each an expression comes and goes; its action units
    do so a little one after the other.
    """
    each = max(1, round(frames / EPISODE))
    count = sequences * each
    shown = generator.permutation(np.arange(count) % len(EKMAN))  # in EKMAN_NEUTRAL, too, neutral being the last
    strengths = generator.beta(*STRENGTH, (count, 1))
    apexes = _units(shown, strengths, generator)  # (count, 15)
    begin, end = generator.uniform(0.05, 0.2, (count, 1)), generator.uniform(0.6, 0.7, (count, 1))
    onset, offset = generator.uniform(0.15, 0.25, (2, count, 1))
    lags = generator.uniform(0.0, 0.05, apexes.shape)

    episode, moment = np.divmod(np.arange(frames) * each / frames, 1)  # the moment within it, from 0 to 1
    rows = (np.arange(sequences)[:, None] * each + episode.astype(np.int64)).ravel()  # the episode of each frame
    since = np.tile(moment, sequences)[:, None] - np.append(lags, np.zeros((count, 1)), axis=1)[rows]
    strength = _ramp((since - begin[rows]) / onset[rows]) * (1 - _ramp((since - end[rows]) / offset[rows]))
    places = np.array([CIRCUMPLEX[expression] for expression in EKMAN])[shown] * strengths
    shows = strength[:, -1] > PRESENT
    expressions = np.where(shows, shown[rows], EKMAN_NEUTRAL.index("neutral"))
    return expressions, apexes[rows] * strength[:, :-1], places[rows] * strength[:, -1:]


def _ramp(share: Array) -> Array:
    """From 0 to 1 as `share` does, with a smooth beginning and end."""
    share = np.clip(share, 0.0, 1.0)
    ramp: Array = (3 - 2 * share) * share**2
    return ramp


def _drift(sequences: int, frames: int, columns: int, generator: np.random.Generator) -> Array:
    """(sequences, frames, columns) numbers from -1 to 1 that wander smoothly from frame to frame."""
    periods = generator.uniform(40, 160, (2, sequences, 1, columns))  # frames
    phases = generator.uniform(0, 2 * np.pi, periods.shape)
    time = np.arange(frames)[:, None]
    first, second = np.sin(2 * np.pi * time / periods + phases)
    waves: Array = (first + second) / 2
    return waves


def _unevenness(count: int, generator: np.random.Generator) -> Array:
    """(N, 2): how much more or less than the other the left and the right side of the face move."""
    return generator.uniform(-0.15, 0.15, (count, 2))


def _clip(values: Array, low: float, high: float) -> Array:
    return np.clip(values, low, high).astype(np.float32)


def _mislabel(expressions: Indices, share: float, generator: np.random.Generator) -> Indices:
    labels = expressions.copy()
    wrong = generator.choice(len(labels), round(share * len(labels)), replace=False)
    labels[wrong] += generator.integers(1, len(EKMAN_NEUTRAL), len(wrong))
    return labels % len(EKMAN_NEUTRAL)


def _units(expressions: Indices, strengths: Array, generator: np.random.Generator) -> Array:
    """(N, 15) intensities of UNITS, from 0 to 1: a prototype times its strength, beside a few stray units."""
    prototypes = [[_intensities(codes) for codes in PROTOTYPES[expression]] for expression in EKMAN_NEUTRAL]
    units = np.array([generator.choice(prototypes[expression]) for expression in expressions])
    units *= strengths * generator.uniform(0.7, 1.2, units.shape)
    stray = (generator.random(units.shape) < 0.05) * generator.uniform(0.1, 0.4, units.shape)
    return _clip(np.maximum(units, stray), 0.0, 1.0)


def _intensities(codes: str) -> Array:
    """(15,) intensities of UNITS from FACS codes such as "6D 12E"; A is 0.2 and E is 1."""
    coded = {int(code[:-1]): ("ABCDE".index(code[-1]) + 1) / 5 for code in codes.split()}
    return np.array([coded.get(unit, 0.0) for unit in UNITS])


def _uniform(ranges: Ranges, count: int, generator: np.random.Generator) -> dict[str, Array]:
    return {name: generator.uniform(*span, count) for name, span in ranges.items()}


def _palette(colours: tuple[str, ...]) -> Array:
    return np.array([tuple(bytes.fromhex(colour)) for colour in colours]) / 255


def _people(count: int, generator: np.random.Generator) -> dict[str, Array]:
    """The parameters of identity, one row for each subject."""
    people = _uniform(PERSON, count, generator)
    place = people["tone"] * (len(SKIN) - 1)
    skin = np.stack([np.interp(place, range(len(SKIN)), channel) for channel in _palette(SKIN).T], axis=-1)
    skin += generator.uniform(-0.015, 0.015, (count, 1)) * np.array([1.0, 0.0, -1.2])
    hairs = np.where(people["tone"] > 0.55, 3, len(HAIR))
    eyes = np.where(people["tone"] > 0.45, 2, len(EYES))
    hair_length = generator.choice([-0.3, 0.2, 0.75, 1.5], count, p=[0.45, 0.15, 0.2, 0.2])
    short = hair_length < 0
    bald = short & (generator.random(count) < 0.15)
    beard = generator.uniform(0.25, 0.95, count) * (short & (generator.random(count) < 0.45))
    reddening = generator.uniform(0.03, 0.10, (count, 1)) * np.array([0.2, 1.0, 0.8])
    return people | {
        "skin": skin,
        "shadow": skin * np.array([0.62, 0.50, 0.47]),
        "lip": skin * (np.array([0.88, 0.65, 0.62]) - reddening),
        "hair": _palette(HAIR)[generator.integers(0, hairs)] * generator.uniform(0.85, 1.15, (count, 1)),
        "eye": _palette(EYES)[generator.integers(0, eyes)],
        "hair_length": hair_length + generator.uniform(-0.1, 0.1, count),
        "hair_side": np.where(short, 0.03, 0.12) + generator.uniform(0.0, 0.10, count),
        "hair_part": np.where(short, 0, generator.integers(0, 2, count)),
        "long": ~short,
        "hairline": np.where(bald, 9.0, people["hairline"]),
        "beard": beard,
        "moustache": beard * (generator.random(count) < 0.7),
        "glasses": generator.random(count) < 0.15,
        "frame": generator.uniform(0.05, 0.4, (count, 1)) * np.array([1.0, 0.85, 0.75]),
    }


def _scenes(count: int, generator: np.random.Generator) -> dict[str, Array]:
    """The parameters of the view, one row for each image."""
    brightness = 0.5 + generator.uniform(-0.10, 0.08, (count, 1))
    return _uniform(SCENE, count, generator) | {
        "cloth": _palette(CLOTH)[generator.integers(0, len(CLOTH), count)],
        "backdrop": _palette(BACKDROP)[generator.integers(0, len(BACKDROP), count)],
        "cast": brightness + generator.uniform(-0.04, 0.04, (count, 1)) * np.array([1.0, 0.0, -1.0]),
        "hand": generator.random(count) < 0.08,
    }


# Geometry


def _shape(given: Parameters, units: Array, uneven: Array) -> dict[str, Array]:
    """Where the parts of each face are once action units and the pose of the head have moved them."""
    moved = {name: units @ np.array([effect.get(unit, 0.0) for unit in UNITS]) for name, effect in EFFECTS.items()}
    sides = {name: values[:, None] * (1 + uneven) for name, values in moved.items()}
    signs = {name: moved[name] for name in ("knit", "cheek", "wrinkle", "smile", "frown")}
    return signs | _eyes_and_brows(given, moved, sides) | _nose_and_mouth(given, moved, sides)


def _across(yaw: Array, x: Array, depth: float) -> Array:
    """(N, 2), left and right: points `x` off the middle, `depth` before the axis the head turns about."""
    return np.stack([-x, x], axis=-1) * np.cos(yaw)[:, None] + depth * np.sin(yaw)[:, None]


def _eyes_and_brows(given: Parameters, moved: Parameters, sides: Parameters) -> dict[str, Array]:
    yaw, eye_y, slope = given["yaw"], given["eye_y"] + given["nod"], given["brow_slope"]
    eye_end, brow_y = given["eye_x"] + given["eye_width"], eye_y + given["brow_y"]
    return {
        "eye_middle_y": eye_y,
        "eye_inner_x": _across(yaw, given["eye_x"] - given["eye_width"], 0.80),
        "eye_outer_x": _across(yaw, eye_end, 0.62),
        "lid_upper": np.maximum(given["lid_upper"][:, None] + sides["lid_upper"], 0.015),
        "lid_lower": np.maximum(given["lid_lower"][:, None] + sides["lid_lower"], 0.0),
        "brow_inner_x": _across(yaw, 0.16 - 0.07 * moved["knit"], 0.86),
        "brow_outer_x": _across(yaw, eye_end + 0.05, 0.60),
        "brow_inner_y": (brow_y - slope)[:, None] + sides["brow_inner_y"],
        "brow_middle_y": (brow_y - given["brow_arch"] - 0.02)[:, None] + sides["brow_middle_y"],
        "brow_outer_y": (brow_y + slope + 0.02)[:, None] + sides["brow_outer_y"],
        "raised": -moved["brow_middle_y"] / 0.16,
    }


def _nose_and_mouth(given: Parameters, moved: Parameters, sides: Parameters) -> dict[str, Array]:
    turn, nod, thickness = np.sin(given["yaw"]), given["nod"], 1 - np.minimum(moved["thinning"], 0.85)
    mouth_y = given["mouth_y"] + nod
    return {
        "bridge_x": 0.90 * turn,
        "nose_x": 1.10 * turn,
        "nose_base_x": 0.98 * turn,
        "nose_y": given["nose_y"] + 1.2 * nod + moved["nose_y"],
        "nose_width": given["nose_width"] + moved["nose_width"],
        "fold": moved["fold"] + 0.35 * given["age"],
        "mouth_x": 0.95 * turn,
        "mouth_y": mouth_y,
        "corner_x": _across(given["yaw"], given["mouth_width"] + moved["corner_x"], 0.80),
        "corner_y": (mouth_y + given["mouth_rest"])[:, None] + sides["corner_y"],
        "upper_y": mouth_y + moved["upper_y"],
        "lower_y": mouth_y + moved["lower_y"],
        "lip_upper": given["lip_upper"] * thickness,
        "lip_lower": given["lip_lower"] * thickness,
        "chin_x": 0.20 * turn,
        "chin_y": given["chin_y"] + 0.6 * nod + moved["chin_y"],
    }


def _landmarks(p: Parameters) -> Array:
    """(N, 22, 2), in the order `load` gives, as shares of the image's width and height."""
    points: list[tuple[Array, Array]] = []
    for side in (0, 1):
        at = {name: values[:, side] for name, values in p.items() if values.ndim == 2}
        brow_x = (at["brow_inner_x"] + at["brow_outer_x"]) / 2
        eye_x, eye_y, slant = (at["eye_inner_x"] + at["eye_outer_x"]) / 2, p["eye_middle_y"], p["eye_slant"]
        points += [(at["brow_inner_x"], at["brow_inner_y"]), (brow_x, at["brow_middle_y"])]
        points += [(at["brow_outer_x"], at["brow_outer_y"]), (at["eye_inner_x"], eye_y - slant)]
        points += [(at["eye_outer_x"], eye_y + slant), (eye_x, eye_y - at["lid_upper"])]
        points += [(eye_x, eye_y + at["lid_lower"]), (at["corner_x"], at["corner_y"])]
    lips = (p["upper_y"] - (1 - CUPID) * p["lip_upper"], p["upper_y"], p["lower_y"], p["lower_y"] + p["lip_lower"])
    points += [(p["nose_x"], p["nose_y"]), *((p["mouth_x"], y) for y in lips), (p["chin_x"], p["chin_y"])]
    x, y = np.array(points).transpose(1, 0, 2)
    return _clip(np.stack(_on_image(p, x, y), axis=-1).swapaxes(0, 1), 0.0, 1.0)


def _on_image(p: Parameters, x: Array, y: Array) -> tuple[Array, Array]:
    """Across and down the image, as shares of its size, of the points `x`, `y` of the face."""
    cos, sin = np.cos(p["roll"]), np.sin(p["roll"])
    return p["centre_x"] + p["unit"] * (x * cos - y * sin), p["centre_y"] + p["unit"] * (x * sin + y * cos)


# Drawing. For a chunk of B faces numbers have the shape (B, 1, 1), numbers of both sides (2, B, 1, 1), colours
# (3, B, 1, 1), and planes (B, height, width).


@dataclass(frozen=True)
class Region:
    """A window of every image of the chunk: its pixels, and the place of each pixel on the face.

    rgb: (3, B, height, width). x, y: face units. density: pixels in a face unit.
    """

    rgb: Array
    x: Array
    y: Array
    density: Array

    def fill(self, cover: Array, colour: Array) -> None:
        """Lay `colour` over the pixels, as opaque as `cover` says, from 0 to 1."""
        change = colour - self.rgb
        change *= cover
        self.rgb[...] += change

    def inside(self, distance: Array) -> Array:
        """Cover of an area with smooth edges: `distance` in face units from its border, positive within."""
        cover = distance * self.density
        cover += 0.5
        return np.clip(cover, 0.0, 1.0, out=cover)

    def stroke(self, distance: Array, width: float) -> Array:
        """Cover of a line of `width`, at a `distance` from its middle; fainter where thinner than a pixel."""
        drawn = np.maximum(width, 1 / self.density)
        return self.inside(drawn / 2 - np.abs(distance)) * (width / drawn)


class Canvas:
    """The images of one chunk: `rgb` (3, B, size, size), and the parameters `p` of their faces."""

    def __init__(self, p: Parameters, rgb: Array) -> None:
        self.p, self.rgb, self.size = p, rgb, rgb.shape[-1]
        corner = np.zeros((1, 1, 1))
        self.whole = self._at(rgb, corner, corner)

    def _at(self, rgb: Array, top: Array, left: Array) -> Region:
        """The region of these pixels, whose corners lie `top` and `left` (B, 1, 1), in pixels."""
        cos, sin = np.cos(self.p["roll"]) / self.p["unit"], np.sin(self.p["roll"]) / self.p["unit"]
        height, width = rgb.shape[-2:]
        down = ((top + np.arange(height)[:, None] + 0.5) / self.size).astype(np.float32) - self.p["centre_y"]
        across = ((left + np.arange(width) + 0.5) / self.size).astype(np.float32) - self.p["centre_x"]
        return Region(rgb, across * cos + down * sin, down * cos - across * sin, self.size * self.p["unit"])

    @contextmanager
    def region(self, x: Array, y: Array, half_width: float, half_height: float) -> Iterator[Region]:
        """A window about the place `x`, `y` of each face, no larger than the image; written back on leaving."""
        reach = LARGEST_UNIT * self.size
        height = min(self.size, 2 * math.ceil(half_height * reach) + 1)
        width = min(self.size, 2 * math.ceil(half_width * reach) + 1)
        across, down = _on_image(self.p, x, y)
        left = np.clip(np.rint(across * self.size - width / 2), 0, self.size - width).astype(np.int64)
        top = np.clip(np.rint(down * self.size - height / 2), 0, self.size - height).astype(np.int64)
        windows = np.lib.stride_tricks.sliding_window_view(self.rgb, (height, width), axis=(2, 3), writeable=True)
        place = (slice(None), np.arange(len(top)), top.ravel(), left.ravel())
        region = self._at(windows[place], top, left)
        yield region
        windows[place] = region.rgb


Layer = Callable[[Canvas], None]


def only(switch: str, layer: Layer) -> Layer:
    """The layer, drawn on those faces alone whose parameter `switch` is not 0."""

    def draw(canvas: Canvas) -> None:
        rows = np.flatnonzero(canvas.p[switch])
        if len(rows):
            some = {name: values[..., rows, :, :] for name, values in canvas.p.items()}
            part = Canvas(some, canvas.rgb[:, rows])
            layer(part)
            canvas.rgb[:, rows] = part.rgb

    return draw


def blob(squared: Array) -> Array:
    """A soft round spot: 1 where the squared radius is 0, falling to 0 where it is 1."""
    rest: Array = np.maximum(1 - squared, 0.0)
    rest *= rest
    return rest


def ripple(turns: Array) -> Array:
    """Parabolas in place of a sine, which is slow: from -1 to 1 and back once in each of `turns`."""
    part = turns - np.rint(turns)
    part *= 8 - 16 * np.abs(part)
    return part


def head_outline(canvas: Canvas) -> tuple[Array, Array, Array]:
    """Across and down the head, from -1 to 1, and the distance inside its outline."""
    p, whole = canvas.p, canvas.whole
    low = np.maximum(whole.y, 0.0) / p["chin_y"]
    down = np.minimum(whole.y, 0.0) / p["face_top"] + low
    low *= low
    across = (whole.x - p["chin_x"] * low) / (p["face_width"] * (1 - p["taper"] * low))
    x, y = across * across, down * down
    return across, down, (1 - np.sqrt(x + y - p["square"] * x * y)) * p["face_width"]


def hair_outline(canvas: Canvas) -> tuple[Array, Array]:
    """The distance inside the outline of the hair, and the waves that run along it."""
    p, whole = canvas.p, canvas.whole
    wave = p["hair_wave"] * ripple(1.4 * whole.y + 0.6 * whole.x * whole.x)
    width = p["face_width"] + p["hair_side"]
    across = (np.abs(whole.x) + wave) / width
    up = np.minimum(whole.y + 0.2, 0.0) / (p["face_top"] + p["hair_top"] - 0.2)
    low = np.maximum(whole.y - p["hair_length"], 0.0) / 0.35
    return (1 - np.sqrt(across * across + up * up + low * low)) * width, wave


def draw_backdrop(canvas: Canvas) -> None:
    whole, p = canvas.whole, canvas.p
    np.multiply(p["backdrop"], 1 + p["backdrop_x"] * whole.x + p["backdrop_y"] * whole.y, out=canvas.rgb)


def draw_long_hair(canvas: Canvas) -> None:
    distance, wave = hair_outline(canvas)
    canvas.whole.fill(canvas.whole.inside(distance), canvas.p["hair"] * (0.72 + 3 * wave))


def draw_shoulders(canvas: Canvas) -> None:
    whole, p = canvas.whole, canvas.p
    wide = np.abs(whole.x)
    neck = whole.inside(np.minimum(0.45 - wide, whole.y - 0.5))
    whole.fill(neck, p["shadow"] * (0.55 + 0.35 * whole.y))
    whole.fill(whole.inside(whole.y - 1.40 + 0.30 * wide), p["cloth"])


def draw_head(canvas: Canvas) -> None:
    whole, p = canvas.whole, canvas.p
    for side in (-1.0, 1.0):
        ear = side * p["face_width"] - 0.15 * p["yaw"]
        with canvas.region(ear, EAR_Y, 0.17, 0.26) as region:
            radius = np.sqrt(np.square((region.x - ear) / 0.14) + np.square((region.y - EAR_Y) / 0.24))
            region.fill(region.inside((1 - radius) * 0.14), p["shadow"] * 0.55 + p["skin"] * 0.35)
    across, down, distance = head_outline(canvas)
    light = 0.86 + p["light_x"] * 0.5 * across + p["light_y"] * 0.3 * down
    light -= 0.30 * np.square(across * across)
    np.clip(light, 0.0, 1.12, out=light)
    whole.fill(whole.inside(distance), p["shadow"] + (p["skin"] - p["shadow"]) * light)


def draw_beard(canvas: Canvas) -> None:
    whole, p = canvas.whole, canvas.p
    across, down, distance = head_outline(canvas)
    across = across * across
    edge = down - 0.28 - 0.45 * np.square(1 - across) + 0.5 * blob(across * 5)
    cover = whole.inside(distance) * np.clip(edge * 6, 0.0, 1.0)
    whole.fill(cover * p["beard"], p["hair"] * 0.95)


def draw_cheeks(canvas: Canvas) -> None:
    """Blush, the bulge of a raised cheek, and the fold from nose to mouth."""
    p = canvas.p
    for side, sign in ((0, -1.0), (1, 1.0)):
        x = p["eye_inner_x"][side] * 0.35 + p["eye_outer_x"][side] * 0.65
        y = p["eye_middle_y"] + 0.40 - 0.04 * p["cheek"]
        with canvas.region(x, y, 0.40, 0.40) as region:
            dx, dy = (region.x - x) / 0.38, (region.y - y) / 0.30
            spot = blob(dx * dx + dy * dy)
            region.fill(spot * (0.10 + 0.22 * p["cheek"]), p["skin"] * BLUSH)
            high = blob((dx * dx + np.square(dy + 0.35)) / 0.35)
            region.fill(high * (0.10 + 0.30 * p["cheek"]), p["skin"] * 0.55 + 0.45)
            along = np.clip((region.y - p["nose_y"] + 0.08) / (p["corner_y"][side] - p["nose_y"] + 0.16), 0.0, 1.0)
            start = p["nose_base_x"] + sign * (p["nose_width"] + 0.02)
            end = p["corner_x"][side] + sign * (0.07 + 0.04 * p["smile"])
            fold = region.stroke(region.x - start - (end - start) * along * (1.6 - 0.6 * along), 0.035)
            region.fill(fold * along * (1 - along) * np.minimum(2.6 * p["fold"], 3.2), p["shadow"])


def draw_forehead(canvas: Canvas) -> None:
    """Lines across a forehead when brows are raised, furrows between brows that are knit."""
    p = canvas.p
    x = p["bridge_x"]
    with canvas.region(x, p["eye_middle_y"] - 0.46, 0.50, 0.40) as region:
        dx = region.x - x
        wide = dx * dx
        lines = region.y - p["brow_middle_y"].mean(0) + 0.14 + 0.10 * wide
        drawn = region.stroke(lines, 0.022) + region.stroke(lines + 0.11, 0.022)
        region.fill(
            drawn * blob(wide / 0.25) * np.clip(p["raised"] * 0.6 + 0.12 * p["age"], 0.0, 0.7), p["shadow"]
        )
        rise = region.y - p["brow_inner_y"].mean(0)
        furrow = region.stroke(np.abs(dx) - 0.05 - 0.10 * rise, 0.03) * blob(np.square(rise - 0.03) / 0.025)
        region.fill(furrow * np.minimum(0.75 * p["knit"], 0.8), p["shadow"] * 0.85)


def draw_nose(canvas: Canvas) -> None:
    p = canvas.p
    x, y, wide = p["nose_base_x"], p["nose_y"], p["nose_width"]
    with canvas.region((x + p["bridge_x"]) / 2, y - 0.17, 0.32, 0.36) as region:
        below = region.y - y
        rise = below / (p["eye_middle_y"] - y)
        up = np.clip(rise, 0.0, 1.0)
        dx = region.x - p["nose_x"] - (p["bridge_x"] - p["nose_x"]) * up
        side = blob(np.square(np.abs(dx) - wide * (0.95 - 0.45 * up)) / 0.012)
        side *= np.clip(np.minimum(5 * rise, 5 - 4 * rise), 0.0, 1.0)
        region.fill(side * (0.29 - 0.12 * np.clip(dx * p["light_x"] * 40, -1.0, 1.0)), p["shadow"])
        ridge = blob(np.square(dx / 0.06)) * blob(np.square((below + 0.28) / 0.38))
        region.fill(ridge * 0.36, p["skin"] * 0.5 + 0.5)
        crease = below + 0.5 * np.abs(region.x - p["bridge_x"])
        creases = region.stroke(crease + 0.22, 0.025) + region.stroke(crease + 0.30, 0.025)
        region.fill(creases * blob(np.square(dx / 0.20)) * (0.75 * p["wrinkle"]), p["shadow"] * 0.9)
        dx = region.x - x
        under = blob(np.square(dx / (wide * 1.15)) + np.square((below - 0.05) / 0.10))
        region.fill(under * 0.55, p["shadow"])
        dx = np.abs(dx)
        wing = region.stroke(dx - wide * 1.02 + 3 * below * below, 0.03) * blob(np.square(below / 0.10))
        region.fill(wing * 0.6, p["shadow"] * 0.8)
        nostril = 1 - np.sqrt(np.square((dx - wide * 0.50) / 0.062) + np.square((below - 0.035) / 0.034))
        region.fill(region.inside(nostril * 0.034) * 0.85, p["shadow"] * 0.38)


def draw_eyes(canvas: Canvas) -> None:
    p = canvas.p
    for side in (0, 1):
        x = (p["eye_inner_x"][side] + p["eye_outer_x"][side]) / 2
        with canvas.region(x, p["eye_middle_y"] - 0.15, 0.35, 0.37) as region:
            draw_eye(region, p, side, x)
            draw_brow(region, p, side)


def draw_eye(region: Region, p: Parameters, side: int, x: Array) -> None:
    """The eye whose middle is at `x`."""
    dx = region.x - x
    along = dx / (p["eye_outer_x"][side] - x)
    squared = along * along
    bow = 1 - squared
    middle = region.y - p["eye_middle_y"] - p["eye_slant"] * along
    upper = middle + p["lid_upper"][side] * bow * (1.0 - 0.25 * along)
    lower = p["lid_lower"][side] * bow * (1.0 + 0.25 * along) - middle
    between = np.maximum(1 - squared / 1.3, 0.0)
    region.fill(blob(squared / 1.9 + np.square(middle + 0.07) / 0.05) * 0.30, p["shadow"])
    opening = region.inside(np.minimum(np.minimum(upper, lower), 0.15 * bow))
    region.fill(opening, SCLERA - 0.9 * np.maximum(0.10 - upper, 0.0))
    dx -= p["gaze_x"]
    dy = middle + (0.012 - p["gaze_y"])
    radius = np.sqrt(dx * dx + dy * dy)
    region.fill(opening * region.inside(p["iris"] - radius), p["eye"] * (0.45 + 5.0 * radius))
    region.fill(opening * region.inside(p["iris"] * 0.45 - radius), INK)
    glint = region.inside(0.024 - np.sqrt(np.square(dx + 0.03) + np.square(dy + 0.035)))
    region.fill(opening * glint * 0.95, WHITE)
    region.fill(region.stroke(upper - 0.005, 0.034) * np.minimum(between * 4, 0.92), p["hair"] * 0.25)
    pouch = np.minimum(0.15 + 0.4 * p["age"] + 0.6 * p["cheek"], 0.8)
    lines = region.stroke(lower, 0.016) * 0.6 + region.stroke(lower + 0.05, 0.025) * pouch
    lines += region.stroke(upper + 0.045 + 0.02 * along, 0.02) * 0.6
    region.fill(np.minimum(lines * between, 0.9), p["shadow"] * 0.75)
    past = along - 1.15
    feet = region.stroke(np.abs(middle) - 0.25 * past - 0.015, 0.018) + region.stroke(middle, 0.018)
    feet *= blob(np.square(past - 0.25) / 0.09) * (along > 1)
    region.fill(feet * np.minimum(0.5 * p["cheek"], 0.5), p["shadow"])


def draw_brow(region: Region, p: Parameters, side: int) -> None:
    along = (region.x - p["brow_inner_x"][side]) / (p["brow_outer_x"][side] - p["brow_inner_x"][side])
    start, middle, end = p["brow_inner_y"][side], p["brow_middle_y"][side], p["brow_outer_y"][side]
    curve = start + along * (4 * middle - 3 * start - end + along * (2 * start + 2 * end - 4 * middle))
    taper = np.clip(np.minimum(1.15 - 0.75 * along, along * 5 + 0.6), 0.0, 1.0)
    ends = np.clip(np.minimum(along + 0.03, 1.03 - along) * 10, 0.0, 0.88)
    region.fill(region.inside(p["brow_thick"] * taper - np.abs(region.y - curve)) * ends, p["hair"] * 0.62)


def draw_mouth(canvas: Canvas) -> None:
    p = canvas.p
    x = p["mouth_x"]
    with canvas.region(x, p["mouth_y"] + 0.08, 0.56, 0.42) as region:
        dx = region.x - x
        along = np.maximum(dx, 0.0) / (p["corner_x"][1] - x) + np.minimum(dx, 0.0) / (x - p["corner_x"][0])
        corner = p["corner_y"].mean(0) + (p["corner_y"][1] - p["corner_y"][0]) / 2 * along
        squared = along * along
        bow = 1 - squared
        upper = corner * squared + p["upper_y"] * bow
        lower = corner * squared + p["lower_y"] * bow
        top = region.y - upper + p["lip_upper"] * (bow * (1 + 0.8 * squared) - CUPID * blob(squared / 0.06))
        bottom = lower + p["lip_lower"] * bow * (1 + 0.3 * squared) - region.y
        region.fill(blob(squared / 0.6 + np.square((bottom + 0.06) / 0.09)) * 0.45, p["shadow"])
        along = np.abs(along)
        dent = blob(np.square(along - 1.08) / 0.03 + np.square((region.y - corner - 0.06) / 0.10))
        region.fill(dent * np.minimum(0.10 + 0.6 * p["frown"] + 0.35 * p["smile"], 0.8), p["shadow"])
        hairs = blob(squared / 1.3) * blob(np.square((top + 0.05) / 0.10))
        region.fill(np.minimum(hairs * 1.6, 1.0) * p["moustache"], p["hair"] * 0.85)
        lips = region.inside(np.minimum(np.minimum(top, bottom), 0.15 * bow))
        half = region.y - (upper + lower) / 2
        region.fill(lips, p["lip"] * (0.84 + np.clip(11 * half, 0.0, 0.22)))
        shine = blob(squared / 0.25 + np.square((region.y - lower - p["lip_lower"] * 0.45) / 0.035))
        region.fill(lips * shine * 0.28, WHITE)
        gap = lower - upper
        within = region.inside(np.minimum(region.y - upper, lower - region.y)) * np.clip(gap / 0.02, 0.0, 1.0)
        region.fill(within, THROAT)
        tongue = blob(squared / 0.5 + np.square((region.y - lower - 0.02) / 0.13))
        region.fill(within * np.minimum(tongue * 1.5, 0.9), TONGUE)
        show = upper + 0.03 + 0.09 * np.minimum(p["smile"] + 0.4 * p["fold"], 1.0)
        region.fill(within * region.inside(show - region.y) * np.clip(1.6 - along * 1.2, 0.0, 1.0), TEETH)
        shut = region.stroke(half, 0.022) * np.clip(0.85 - gap / 0.06, 0.0, 0.85) * (squared < 1.05)
        region.fill(shut, p["shadow"] * 0.42)


def draw_hair(canvas: Canvas) -> None:
    whole, p = canvas.whole, canvas.p
    distance, wave = hair_outline(canvas)
    x = whole.x - 0.5 * p["chin_x"] - 0.3 * p["hairline_side"]
    bent = x * x
    bent += (np.abs(x) - bent) * p["hair_part"]
    line = p["hairline_bend"] * bent + p["hairline_side"] * x - p["hairline"] + 1.2 * wave
    strand = ripple(x * (3 - 2.5 * whole.y))
    shine = blob(np.square((whole.y + 0.98 - 0.3 * bent) / 0.28))
    cover = whole.inside(np.minimum(distance, line - whole.y))
    whole.fill(cover, p["hair"] * (0.90 + 0.07 * strand + 0.22 * shine + 0.3 * p["light_x"] * x))


def draw_glasses(canvas: Canvas) -> None:
    p = canvas.p
    y, size = p["eye_middle_y"] + 0.03, p["glasses_size"]
    with canvas.region(p["bridge_x"], y, 0.85, 0.40) as region:
        for side in (0, 1):
            inner, outer = p["eye_inner_x"][side], p["eye_outer_x"][side]
            half = size * np.abs(outer - inner) / (2 * p["eye_width"])
            dx, dy = np.square((region.x - (inner + outer) / 2) / half), np.square((region.y - y) / (size * 0.85))
            distance = (1 - np.sqrt(np.sqrt(dx * dx + dy * dy))) * size
            region.fill(region.inside(distance) * 0.12, WHITE)
            region.fill(region.stroke(distance, 0.04), p["frame"])
        gap = np.minimum(p["eye_inner_x"][1] - region.x, region.x - p["eye_inner_x"][0]) + 0.02
        region.fill(region.stroke(region.y - y + 0.03, 0.035) * region.inside(gap), p["frame"])


def draw_hand(canvas: Canvas) -> None:
    """A hand before the face: a palm and four fingers."""
    whole, p = canvas.whole, canvas.p
    cos, sin = np.cos(p["hand_turn"]), np.sin(p["hand_turn"])
    dx, dy = whole.x - p["hand_x"], whole.y - p["hand_y"]
    x, y = dx * cos + dy * sin, dy * cos - dx * sin
    palm = (1 - np.sqrt(np.square(x / 0.36) + np.square((y - 0.35) / 0.45))) * 0.36
    middle = np.clip(np.rint(x / 0.175 - 0.5) + 0.5, -1.5, 1.5)
    finger = np.square(x - 0.175 * middle)
    tip = np.maximum(-0.45 + 0.12 * np.abs(middle) - y, 0.0)
    fingers = np.minimum(0.083 - np.sqrt(finger + tip * tip), 0.4 - y)
    light = np.clip(1.0 - 70 * finger * (y < 0.1), 0.0, 1.0)
    whole.fill(whole.inside(np.maximum(palm, fingers)), p["shadow"] + (p["skin"] - p["shadow"]) * light)


def draw_light(canvas: Canvas) -> None:
    """The photograph: a gradient of light, contrast, brightness and colour temperature."""
    whole, p = canvas.whole, canvas.p
    canvas.rgb -= 0.5
    canvas.rgb *= p["contrast"] * (1 + 0.18 * (p["light_x"] * whole.x + p["light_y"] * whole.y))
    canvas.rgb += p["cast"]


EAR_Y = np.full((1, 1, 1), 0.08, np.float32)


def _colour(name: str) -> Array:
    return _palette((name,)).astype(np.float32).T[..., None, None]


WHITE, INK, SCLERA, BLUSH = _colour("ffffff"), _colour("0d0d0d"), _colour("edebe6"), _colour("ffbdb3")
TEETH, TONGUE, THROAT = _colour("f0ebde"), _colour("b35757"), _colour("421214")

LAYERS: tuple[Layer, ...] = (
    draw_backdrop,
    only("long", draw_long_hair),
    draw_shoulders,
    draw_head,
    only("beard", draw_beard),
    draw_cheeks,
    draw_forehead,
    draw_nose,
    draw_mouth,
    draw_eyes,
    draw_hair,
    only("glasses", draw_glasses),
    only("hand", draw_hand),
    draw_light,
)
