"""Log-mel spectra of wav files, frame by frame."""

import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from search.errors import DatasetError
from search.sounds import BANDS, FLOOR, HIGHEST, WINDOW, WavSounds, read_frame_rates

RATE = 16000


def sine(hertz: float, seconds: float, rate: int = RATE, level: float = 1.0) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def sounds(root: Path, frames: list[int], files: tuple[str, ...] = ("a.wav",), fps: float = 30.0) -> WavSounds:
    of_item = np.repeat(np.arange(len(files)), len(frames))
    return WavSounds(root, files, (fps,) * len(files), of_item, np.tile(np.array(frames, np.int64), len(files)))


def band_of(hertz: float) -> int:
    centres = librosa.mel_frequencies(BANDS + 2, fmin=0, fmax=HIGHEST)[1:-1]
    return int(np.abs(centres - hertz).argmin())


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_a_sine_is_loudest_in_its_band_at_any_rate(tmp_path: Path, rate: int, hertz: float) -> None:
    soundfile.write(tmp_path / "a.wav", sine(hertz, 2, rate, 0.99), rate)
    found = sounds(tmp_path, [10, 20, 30]).decode(np.arange(3))
    assert found.shape == (3, BANDS)
    assert found.dtype == np.float32
    assert found.argmax(axis=1).tolist() == [band_of(hertz)] * 3
    assert found.max() == pytest.approx(1, abs=0.06)  # 5 dB of 80
    assert found.min() >= 0


def test_levels_are_decibels_above_the_floor(tmp_path: Path) -> None:
    peaks = []
    for level in (0.5, 0.05, 1e-6):
        soundfile.write(tmp_path / "a.wav", sine(1000, 1, level=level), RATE, subtype="FLOAT")
        peaks.append(float(sounds(tmp_path, [15]).decode(np.arange(1)).max()))
    assert peaks[0] - peaks[1] == pytest.approx(20 / -FLOOR, abs=1e-4)
    assert peaks[2] == 0


def test_it_is_the_mel_spectrum_of_librosa(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, RATE).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    length = round(WINDOW * RATE)
    frames = [5, 10, 20]
    middles = [round((frame - 0.5) / 25 * RATE) for frame in frames]  # whole samples at 25 frames a second
    pieces = np.concatenate([noise[middle - length // 2 :][:length] for middle in middles])
    power = librosa.feature.melspectrogram(
        y=pieces, sr=RATE, n_fft=length, hop_length=length, center=False, n_mels=BANDS, fmax=HIGHEST, norm=None
    )
    level = librosa.power_to_db(power / (length / 4) ** 2, top_db=None)
    expected = np.clip(1 - level.T / FLOOR, 0, None)
    np.testing.assert_allclose(sounds(tmp_path, frames, fps=25).decode(np.arange(3)), expected, atol=2e-4)


def test_a_click_is_heard_in_the_frames_about_it_alone(tmp_path: Path) -> None:
    samples = np.zeros(RATE * 2)
    samples[RATE : RATE + 8] = 1.0  # at one second
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    found = sounds(tmp_path, list(range(1, 51)), fps=25).decode(np.arange(50)).max(axis=1)
    assert set(np.flatnonzero(found) + 1) <= {25, 26}  # the middles of which are 20 ms from it
    assert found.max() > 0.1


def test_the_order_asked_for_does_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, rng.normal(0, 0.1, (RATE, 2)), RATE)
    found = sounds(tmp_path, list(range(1, 31)), ("a.wav", "b.wav"))
    whole = found.decode(np.arange(60))
    order = rng.permutation(60)
    np.testing.assert_array_equal(found.decode(order), whole[order])
    assert len(np.unique(whole, axis=0)) == 60
    alone = np.concatenate([found.decode(np.array([item])) for item in range(60)])
    np.testing.assert_allclose(alone, whole, atol=1e-5)


def test_channels_become_their_mean(tmp_path: Path) -> None:
    left = sine(500, 1)
    soundfile.write(tmp_path / "a.wav", np.stack([left, -left], axis=1), RATE)
    assert sounds(tmp_path, [10, 20]).decode(np.arange(2)).max() == 0


def test_missing_unreadable_and_short_files_are_silent_and_named(tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(b"RIFF, but cut")
    soundfile.write(tmp_path / "c.wav", sine(500, 1), RATE)
    found = sounds(tmp_path, [1, 29, 31, 90], ("a.wav", "b.wav", "c.wav"))
    features = found.decode(np.arange(12))
    assert features[:8].max() == 0
    assert (features[8:].max(axis=1) > 0.5).tolist() == [True, True, True, False]  # the window of 31 begins before
    assert features[11].max() == 0
    assert found.notes() == (
        "a.wav and 1 more: missing or unreadable, so that its frames are silent.",
        "c.wav: shorter than its video, so that the last frames are silent.",
    )
    assert sounds(tmp_path, [1, 30], ("c.wav",)).notes() == ()


def test_a_rate_too_low_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sine(500, 1, 8000), 8000)
    with pytest.raises(
        DatasetError, match=r"a.wav has 8000 samples a second, 16000 or more are needed: .*ffmpeg -i"
    ):
        sounds(tmp_path, [1]).decode(np.arange(1))


def test_the_fingerprint_changes_with_the_sound_the_frames_and_the_rate(tmp_path: Path) -> None:
    prints = [sounds(tmp_path, [1, 2]).fingerprint()]
    soundfile.write(tmp_path / "a.wav", sine(500, 1), RATE)
    prints += [found.fingerprint() for found in (sounds(tmp_path, [1, 2]), sounds(tmp_path, [1, 3]))]
    prints.append(sounds(tmp_path, [1, 2], fps=25).fingerprint())
    soundfile.write(tmp_path / "a.wav", sine(501, 1), RATE)
    prints.append(sounds(tmp_path, [1, 2]).fingerprint())
    assert len(set(prints)) == len(prints)
    assert sounds(tmp_path, [1, 2]).fingerprint() == prints[-1]


def test_frame_rates_are_read_by_video(tmp_path: Path) -> None:
    file = tmp_path / "fps.csv"
    assert read_frame_rates(file) == {}
    file.write_bytes(b"\xef\xbb\xbfvideo1,29.97\r\nvideo2, 24\r\n\r\n")
    assert read_frame_rates(file) == {"video1": 29.97, "video2": 24.0}


@pytest.mark.parametrize("line", ["video2", "video2,fast", "video2,0", "video2,nan", "video2,30,1", "video,fps"])
def test_a_malformed_frame_rate_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "fps.csv").write_text(f"video1,30\n{line}\n")
    with pytest.raises(DatasetError, match=rf"fps.csv:2: '{line}' is not a video and its frames per second"):
        read_frame_rates(tmp_path / "fps.csv")


def test_what_it_takes_to_read_sounds_is_loaded_when_sounds_are_read() -> None:
    code = "import search.sounds, sys; sys.exit(bool({'librosa', 'soundfile', 'numba'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
