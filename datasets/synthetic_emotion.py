"""Rendered scenes that look like a feeling, and what people say they feel; nothing to download.

A scene starts from a state: a mixture of ten feelings (`FEELINGS`), one of them strongest, with the valence and
arousal of the mixture. The state moves what is seen: hue, saturation and brightness (Valdez and Mehrabian, 1994),
how jagged (Bar and Neta, 2006) and how large the forms are, how busy and how slanted the pattern behind them is,
and whether light comes from the middle or darkness from the edges. All of it varies at random, too.

People then say which of the ten they feel, each by chance after the mixture, and the views turn what they said
into Mikels' eight emotions, Ekman's six with or without neutral, or negative and positive, by one fixed table
(`MEANINGS`). So all views tell of the same scenes and the same people.

Sources: Russell, "A circumplex model of affect", J. Pers. Soc. Psychol. 39 (1980) 1161-1178; Valdez, Mehrabian,
"Effects of color on emotions", J. Exp. Psychol. Gen. 123 (1994) 394-409; Bar, Neta, "Humans prefer curved visual
objects", Psychol. Sci. 17 (2006) 645-648; Mikels et al., "Emotional category data on images from the International
Affective Picture System", Behav. Res. Methods 37 (2005) 626-630.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Indices, Pixels, Split, Splits, Target
from search.errors import DatasetError
from search.images import drawn
from search.tasks import EKMAN, EKMAN_NEUTRAL, MIKELS, POLAR, Task

ABOUT = About(
    summary="rendered scenes with valence, arousal and votes on Mikels' or Ekman's emotions",
    terms="none: the scenes are made by this program",
    access="nothing to get: they are rendered when asked for",
)

Array = NDArray[Any]  # float32 unless said otherwise
View = Literal["mikels", "ekman", "ekman_neutral", "polar", "va"]

RENDERER = 1  # to be raised whenever the same options would give other pixels
PIXELS_AT_ONCE = 2**15  # scenes are drawn in chunks whose planes fit the processor's cache
FORMS = 4  # in each scene
CLASSES: dict[View, tuple[str, ...]] = {
    "mikels": MIKELS, "ekman": EKMAN, "ekman_neutral": EKMAN_NEUTRAL, "polar": POLAR, "va": ()
}  # fmt: skip

LOOKS = ("valence", "arousal", "hue", "saturation", "brightness", "jagged", "busy", "slant", "size", "light")

# fmt: off
# What each feeling is like: valence and arousal from -1 to 1, hue in turns, light from -1 (dark edges) to 1 (a
# glow in the middle), and the rest from 0 to 1.
FEELINGS: dict[str, tuple[float, ...]] = {
    "anger":       (-0.70,  0.70, 0.01, 0.85, 0.45, 0.95, 0.75, 0.75, 0.55, -0.30),
    "disgust":     (-0.65,  0.30, 0.20, 0.55, 0.42, 0.55, 0.60, 0.40, 0.35, -0.20),
    "fear":        (-0.60,  0.75, 0.75, 0.40, 0.25, 0.85, 0.85, 0.70, 0.30, -0.90),
    "amusement":   ( 0.75,  0.40, 0.13, 0.80, 0.75, 0.20, 0.55, 0.45, 0.25,  0.10),
    "sadness":     (-0.70, -0.45, 0.62, 0.30, 0.38, 0.20, 0.15, 0.20, 0.60, -0.40),
    "excitement":  ( 0.70,  0.80, 0.92, 0.90, 0.68, 0.65, 0.90, 0.90, 0.25,  0.25),
    "contentment": ( 0.70, -0.45, 0.33, 0.45, 0.65, 0.05, 0.15, 0.05, 0.60,  0.20),
    "awe":         ( 0.50,  0.30, 0.55, 0.60, 0.60, 0.25, 0.30, 0.15, 0.85,  0.90),
    "surprise":    ( 0.15,  0.80, 0.83, 0.70, 0.72, 0.80, 0.45, 0.55, 0.70,  0.70),
    "neutral":     ( 0.00, -0.10, 0.10, 0.12, 0.52, 0.40, 0.40, 0.30, 0.45,  0.00),
}

# What somebody who feels one of the ten would call it, where a view has no such word.
MEANINGS: dict[str, dict[str, dict[str, float]]] = {
    "mikels": {"surprise": {"excitement": 0.5, "awe": 0.5}, "neutral": {"contentment": 1.0}},
    "ekman_neutral": {
        "amusement": {"happiness": 1.0}, "excitement": {"happiness": 0.7, "surprise": 0.3},
        "contentment": {"happiness": 0.7, "neutral": 0.3}, "awe": {"surprise": 0.6, "happiness": 0.4},
    },
    "polar": {
        **{name: {"negative": 1.0} for name in ("anger", "disgust", "fear", "sadness")},
        **{name: {"positive": 1.0} for name in ("amusement", "excitement", "contentment", "awe")},
        "surprise": {"negative": 0.4, "positive": 0.6}, "neutral": {"negative": 0.5, "positive": 0.5},
    },
}
# fmt: on


def load(
    root: Path,
    *,
    view: View = "mikels",
    labels: Literal["distribution", "hard"] = "distribution",
    images: int = 3000,
    test_images: int = 700,
    people: int = 12,
    seed: int = 0,
) -> Splits:
    """Scenes with what people feel on seeing them; the same scenes and people under every view.

    root: ignored; the scenes are rendered, not read.
    view: mikels, ekman, ekman_neutral or polar for the emotions, in the orders of `search.tasks`; va for valence
        and arousal. In ekman nobody's neutral counts; a scene that nobody felt otherwise about has no label.
    labels: the share of people for each emotion, or the emotion of most people. va has neither.
    images, test_images: how many there are to train on (validation is carved from these) and to test on.
    people: who say what they feel on seeing a scene; the fewer, the more the labels are due to chance.
    seed: everything random comes from it, 0 or more; the same arguments give the same scenes.

    Raises DatasetError when an argument can't be met.
    """
    for name, value, least in (("images", images, 10), ("test_images", test_images, 10), ("people", people, 1)):
        if value < least:
            raise DatasetError(f"synthetic_emotion: {name} is {value}; give {least} or more.")
    if seed < 0:
        raise DatasetError(f"synthetic_emotion: seed is {seed}; give 0 or more.")
    if view == "va" and labels == "hard":
        raise DatasetError("synthetic_emotion: labels: hard is of emotions; leave it out with view: va.")
    train, test = (
        _split(name, count, view, labels, people, seed)
        for name, count in (("train", images), ("test", test_images))
    )
    return Splits(CLASSES[view], train, test=test)


# States and labels


def _split(name: str, count: int, view: View, labels: str, people: int, seed: int) -> Split:
    key = (seed, ("train", "test").index(name))
    generator = np.random.default_rng(key)
    mixtures = _mixtures(count, generator)
    strengths = generator.uniform(0.6, 1.0, count)
    parameters = _parameters(mixtures, strengths, generator)
    votes = generator.multinomial(people, mixtures)
    jitter = generator.normal(0.0, 0.05, (count, 2))
    if view == "va":
        affect = strengths[:, None] * (mixtures @ _looks()[:, :2]) + jitter
        targets = {
            Task.VALENCE_AROUSAL: Target(np.clip(affect, -1, 1).astype(np.float32), np.ones(count, np.bool_))
        }
    else:
        targets = _emotions(votes, view, labels)
    return Split(
        images=RenderedScenes(f"{name} {count} {seed}", key, parameters),
        targets=targets,
        items=tuple(f"{name}/{item:06d}" for item in range(count)),
    )


def _looks() -> Array:
    return np.array(list(FEELINGS.values()))


def _mixtures(count: int, generator: np.random.Generator) -> Array:
    """float64 (N, 10), rows adding up to 1: each feeling is the strongest one equally often."""
    strongest = generator.permutation(np.arange(count) % len(FEELINGS))
    mixtures = generator.dirichlet(np.full(len(FEELINGS), 0.4), count)
    share = generator.uniform(0.5, 0.9, (count, 1))
    mixed: Array = share * np.eye(len(FEELINGS))[strongest] + (1 - share) * mixtures
    return mixed


def _meanings(view: View) -> Array:
    """float64 (10, K), rows adding up to 1 or, where the view leaves a feeling out, to less."""
    classes = EKMAN_NEUTRAL if view == "ekman" else CLASSES[view]
    words = MEANINGS["ekman_neutral" if view == "ekman" else view]
    table = np.array(
        [[words.get(feeling, {feeling: 1.0}).get(name, 0.0) for name in classes] for feeling in FEELINGS]
    )
    return table[:, : len(CLASSES[view])]


def _emotions(votes: Indices, view: View, labels: str) -> dict[Task, Target]:
    counts = votes @ _meanings(view)
    labelled = counts.sum(axis=1) > 0
    if labels == "hard":
        return {Task.EXPRESSION: Target(counts.argmax(axis=1), labelled)}
    counts[~labelled] = 1.0
    shares = (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    return {Task.DISTRIBUTION: Target(shares, labelled)}


# What is seen


def _parameters(mixtures: Array, strengths: Array, generator: np.random.Generator) -> dict[str, Array]:
    """What `RenderedScenes` draws, one row for each scene: the look of its state, and chance."""
    count, looks = len(mixtures), _looks()
    towards = strengths[:, None] * mixtures
    neutral = looks[-1] * (1 - strengths[:, None])
    look = dict(zip(LOOKS, (towards @ looks + neutral).T, strict=True))
    turns = np.exp(2j * np.pi * looks[:, LOOKS.index("hue")])
    hue = np.angle((mixtures * looks[:, LOOKS.index("saturation")]) @ turns) / (2 * np.pi)
    hue += generator.normal(0.0, 0.07, count)

    def near(name: str, spread: float, low: float = 0.0, high: float = 1.0) -> Array:
        values: Array = np.clip(look[name] + generator.normal(0.0, spread, count), low, high)
        return values

    saturation, brightness = near("saturation", 0.15), near("brightness", 0.12, 0.1, 0.9)
    angle = generator.choice([-1.0, 1.0], count) * near("slant", 0.2) * np.pi / 3
    frequency = 2 * np.pi * (1.5 + 7 * near("busy", 0.15))
    contrast = generator.uniform(-0.12, 0.12, (count, FORMS)) + generator.choice([-0.22, 0.22], (count, FORMS))
    parameters = {
        "above": _colour(hue, saturation, brightness + 0.1),
        "below": _colour(hue + generator.normal(0.0, 0.06, count), 0.8 * saturation, brightness - 0.1),
        "horizon": generator.uniform(0.3, 0.7, count),
        "wave_x": frequency * np.sin(angle),
        "wave_y": frequency * np.cos(angle),
        "wave_phase": generator.uniform(0, 2 * np.pi, count),
        "wave_depth": 0.05 + 0.10 * near("busy", 0.2),
        "jagged": near("jagged", 0.2),
        "light": near("light", 0.25, -1.0, 1.0),
        "light_x": generator.uniform(0.35, 0.65, count),
        "light_y": generator.uniform(0.35, 0.65, count),
        "form_x": generator.uniform(0.1, 0.9, (count, FORMS)),
        "form_y": generator.uniform(0.1, 0.9, (count, FORMS)),
        "form_turn": generator.uniform(0, np.pi / 2, (count, FORMS)),
        "form_size": (0.06 + 0.22 * near("size", 0.2))[:, None] * generator.uniform(0.6, 1.2, (count, FORMS)),
        "form_colour": _colour(
            hue[:, None] + generator.normal(0.0, 0.08, (count, FORMS)),
            saturation[:, None] * generator.uniform(0.7, 1.2, (count, FORMS)),
            brightness[:, None] + contrast,
        ),
        "grain": generator.uniform(4, 28, count),
    }
    return {name: values.astype(np.float32) for name, values in parameters.items()}


def _colour(hue: Array, saturation: Array, brightness: Array) -> Array:
    """(..., 3), RGB from 0 to 1: hue in turns from red over green; brightness is the mean of the channels."""
    waves = np.cos(2 * np.pi * (hue[..., None] - np.arange(3) / 3))
    level = np.clip(brightness, 0.05, 0.95)[..., None]
    colour: Array = np.clip(level * (1 + np.clip(saturation, 0.0, 1.0)[..., None] * waves), 0.0, 1.0)
    return colour


@dataclass(frozen=True)
class RenderedScenes:
    """The N scenes of one split, drawn when asked for.

    options: all that the scenes depend on, as text.
    key: seeds the grain of the images, together with each image's index.
    parameters: (N,) numbers, (N, FORMS) numbers of the forms, (N, 3) and (N, FORMS, 3) colours. Places are shares
        of the image's width or height; lengths of its width.
    """

    options: str
    key: tuple[int, int]
    parameters: Mapping[str, Array] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.parameters["grain"])

    def fingerprint(self) -> str:
        """A hash of the options and of the renderer's version."""
        return hashlib.sha256(f"{RENDERER} {self.options}".encode()).hexdigest()[:16]

    def decode(self, indices: Indices, size: int) -> tuple[Pixels, dict[int, str]]:
        """The scenes at `indices`, drawn at `size` (16 to 256); none is unreadable. Raises DatasetError."""
        pixels = drawn(
            self._draw, indices, size, dataset="synthetic_emotion", things="scenes", at_once=PIXELS_AT_ONCE
        )
        return pixels, {}

    def _draw(self, indices: Indices, pixels: Pixels) -> None:
        size = pixels.shape[1]
        p = {name: values[indices].T[..., None, None] for name, values in self.parameters.items()}
        y, x = ((np.arange(size, dtype=np.float32) + 0.5) / size for _ in range(2))
        rgb = _background(p, x, y[:, None])
        for form in range(FORMS):
            _draw_form(p, form, x, y[:, None], rgb)
        rgb *= _light(p, x, y[:, None])
        for image, index in enumerate(indices):
            random = np.random.Philox(key=self.key, counter=[0, 0, 0, index]).random_raw(-(-size * size // 8))
            grain = random.view(np.int8)[: size * size].reshape(size, size).astype(np.float32)
            rgb[:, image] += grain * (p["grain"][image] / (127 * 255))
        np.clip(rgb, 0.0, 1.0, out=rgb)
        rgb *= 255
        rgb += 0.5
        pixels[...] = np.moveaxis(rgb.astype(np.uint8), 0, -1)


# Drawing. For a chunk of B scenes numbers have the shape (B, 1, 1), numbers of the forms (FORMS, B, 1, 1), colours
# (3, B, 1, 1), and planes (B, height, width).


def _background(p: Mapping[str, Array], x: Array, y: Array) -> Array:
    """(3, B, height, width): one colour over another, and a pattern of waves, the more jagged the steeper."""
    below = np.clip((y - p["horizon"]) * 4 + 0.5, 0.0, 1.0)
    wave = np.sin(p["wave_x"] * x + p["wave_y"] * y + p["wave_phase"])
    wave += p["jagged"] * wave * (0.9 - np.abs(wave))
    wave *= p["wave_depth"]
    rgb: Array = (p["above"] + below * (p["below"] - p["above"])) * (1 + 2 * wave)
    return rgb


def _draw_form(p: Mapping[str, Array], form: int, x: Array, y: Array, rgb: Array) -> None:
    """Lays a form over the scene: a disc where nothing is jagged, a star of four points where all is."""
    across, down, turn = x - p["form_x"][form], y - p["form_y"][form], p["form_turn"][form]
    cos, sin = np.cos(turn), np.sin(turn)
    u, v = np.abs(across * cos + down * sin), np.abs(down * cos - across * sin)
    disc, star = np.sqrt(u * u + v * v), u + v + 2 * np.minimum(u, v)
    cover = np.clip((p["form_size"][form] - disc - p["jagged"] * (star - disc)) * 40 + 0.5, 0.0, 1.0)
    rgb += cover * (p["form_colour"][:, form] - rgb)


def _light(p: Mapping[str, Array], x: Array, y: Array) -> Array:
    """(B, height, width), a factor: a glow around a point, or darkness away from it."""
    distance = (x - p["light_x"]) ** 2 + (y - p["light_y"]) ** 2
    brightness: Array = 1 + p["light"] * (0.35 - 1.6 * distance)
    return brightness
