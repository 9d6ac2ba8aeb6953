"""What is heard in a video, frame by frame: log-mel spectra of wav files as the `Sounds` of a data set."""

import csv
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search.data import Indices
from search.errors import DatasetError

if TYPE_CHECKING:
    import soundfile

BANDS = 64  # mel bands (Slaney's scale) from 0 to HIGHEST
HIGHEST = 8000.0  # Hz
WINDOW = 0.064  # seconds heard at each frame, about its middle
FLOOR = -80.0  # dB below a sine of full scale; what is fainter counts as silence

_VERSION = 1  # raised whenever the same sound would give other values
_ROWS = 1024  # spectra computed at once


@dataclass(frozen=True)
class WavSounds:
    """The sound of frame `frames[i]` of the video whose sound is `files[of_item[i]]`, for each of N items.

    root: the folder of the files.
    files: wav files (or what else libsndfile reads) of 16 kHz or more; several channels become their mean.
    rates: frames per second of the video of each file.
    of_item: int64 (N,), an index into `files`.
    frames: int64 (N,), from 1; frame k is on from (k - 1) to k over the rate, in seconds.

    Each item has BANDS values: the power in each mel band of a Hann window of WINDOW seconds about the middle of
    the frame, in dB of a sine of full scale, mapped linearly so that FLOOR and below is 0 and full scale 1. So
    silence is zeros, and so is a frame whose file is missing or too short.
    """

    root: Path
    files: tuple[str, ...]
    rates: tuple[float, ...]
    of_item: Indices = field(repr=False, compare=False)
    frames: Indices = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.frames)

    def fingerprint(self) -> str:
        """A hash of the files' contents, of what is read from them, and how."""
        digest = blake2b(repr([_VERSION, self.files, self.rates]).encode(), digest_size=16)
        with ThreadPoolExecutor() as threads:
            contents = dict(zip(set(self.files), threads.map(self._content, set(self.files)), strict=True))
        for file in self.files:
            digest.update(contents[file])
        digest.update(self.of_item.tobytes() + self.frames.tobytes())
        return digest.hexdigest()

    def decode(self, indices: Indices) -> NDArray[np.float32]:
        """float32 (n, BANDS): see `search.data.Sounds`. Raises DatasetError for a sample rate below 16 kHz."""
        features = np.zeros((len(indices), BANDS), np.float32)
        of_file = self.of_item[indices]
        for file in np.unique(of_file):
            rows = np.flatnonzero(of_file == file)
            middles = (self.frames[indices[rows]] - 0.5) / self.rates[file]
            features[rows] = _log_mel(self.root / self.files[file], middles)
        return features

    def notes(self) -> tuple[str, ...]:
        """A sentence on the files that are missing or unreadable, and on those shorter than their video."""
        ends = np.zeros(len(self.files))
        np.maximum.at(ends, self.of_item, self.frames)
        heard = np.array([_duration(self.root / file) for file in self.files])
        silent = sorted({self.files[file] for file in np.flatnonzero(heard == 0)})
        short = sorted(
            {self.files[file] for file in np.flatnonzero((heard > 0) & (heard < (ends - 1) / self.rates))}
        )
        said = [
            (silent, "missing or unreadable, so that its frames are silent"),
            (short, "shorter than its video, so that the last frames are silent"),
        ]
        return tuple(f"{_all(files)}: {what}." for files, what in said if files)

    def _content(self, file: str) -> bytes:
        try:
            with (self.root / file).open("rb") as stream:
                digest = blake2b(digest_size=16)
                while block := stream.read(2**20):
                    digest.update(block)
                return digest.digest()
        except OSError:
            return b"unreadable"


def _all(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def read_frame_rates(file: Path) -> dict[str, float]:
    """Frames per second of each video, from lines VIDEO,FPS; none where there is no such file.

    Raises DatasetError naming a malformed line.
    """
    if not file.is_file():
        return {}
    rates = {}
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.reader(stream)
        for row in rows:
            try:
                video, rate = row
                rates[video.strip()] = float(rate)
                valid = 1 <= rates[video.strip()] <= 1000
            except ValueError:
                valid = False
            if not valid and row:
                raise DatasetError(
                    f"{file}:{rows.line_num}: {','.join(row)!r} is not a video and its frames per second, from 1 "
                    "to 1000, such as 'video1,29.97'."
                )
    return rates


def _log_mel(file: Path, middles: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 (n, BANDS), about the `middles`, in seconds."""
    import soundfile

    features = np.zeros((len(middles), BANDS), np.float32)
    order = np.argsort(middles)
    try:
        with soundfile.SoundFile(os.fspath(file)) as sound:
            if sound.samplerate < 2 * HIGHEST:
                raise DatasetError(
                    f"{file} has {sound.samplerate} samples a second, {2 * HIGHEST:g} or more are needed: make it "
                    "with ffmpeg -i VIDEO.mp4 -vn -ac 1 -ar 16000 VIDEO.wav."
                )
            for rows in np.array_split(order, -(-len(order) // _ROWS)):
                features[rows] = _spectra(sound, middles[rows])
    except (OSError, soundfile.SoundFileError):
        features[:] = 0
    return features


def _spectra(sound: "soundfile.SoundFile", middles: NDArray[np.float64]) -> NDArray[np.float32]:
    length = round(WINDOW * sound.samplerate)
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    starts = np.rint(middles * sound.samplerate).astype(np.int64) - length // 2
    samples = _read(sound, int(starts.min()), int(starts.max()) + length)
    pieces = np.lib.stride_tricks.sliding_window_view(samples, length)[starts - starts.min()]
    power = np.abs(np.fft.rfft(pieces * window)) ** 2 / (window.sum() / 2) ** 2
    bands = power @ _filters(sound.samplerate, length).T
    levels = 10 * np.log10(np.maximum(bands, 1e-12))
    mapped: NDArray[np.float32] = np.maximum(1 - levels / FLOOR, 0)
    return mapped


def _read(sound: "soundfile.SoundFile", start: int, stop: int) -> NDArray[np.float32]:
    """The samples from `start` to `stop`, zeros where there are none."""
    samples = np.zeros(stop - start, np.float32)
    first, last = np.clip((start, stop), 0, sound.frames)
    sound.seek(first)
    heard = sound.read(last - first, np.float32, always_2d=True).mean(axis=1)
    samples[first - start : first - start + len(heard)] = heard
    return samples


@cache
def _filters(rate: int, length: int) -> NDArray[np.float32]:
    """float32 (BANDS, length // 2 + 1): the weight of each frequency in each mel band, 1 at its middle."""
    import librosa.filters  # takes seconds to load, and only who has sound needs it

    weights: NDArray[np.float32] = librosa.filters.mel(
        sr=rate, n_fft=length, n_mels=BANDS, fmax=HIGHEST, norm=None
    )
    return weights


def _duration(file: Path) -> float:
    """Seconds, 0 where the file can't be read."""
    import soundfile

    try:
        return float(soundfile.info(os.fspath(file)).duration)
    except (OSError, soundfile.SoundFileError):
        return 0.0
