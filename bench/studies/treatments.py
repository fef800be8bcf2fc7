"""The same sounds in the levels, rates and codecs in which corpora come, and how they are heard.

From the middle of each recording 16 s are taken, in mono at 44.1 kHz: what is called as it is. Each
treatment changes nothing but what differs between corpora without their sounds differing.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.signal import resample_poly

from tests.sounds import stereo, write_audio
from trainer.audio.decode import decode_windows
from trainer.features.extract import CANONICAL, FeatureSettings, describe_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE_HZ = 44100
EXCERPT_S = 16.0
LEVEL_DB = -23.0


class Treatment(NamedTuple):
    """What is done to a sound: gain in dB, rate in Hz, kind of file, bits a second, channels."""

    gain_db: float = 0.0
    rate_hz: int = RATE_HZ
    kind: str = "wav"
    bit_rate: int | None = None
    channels: int = 1


TREATMENTS = {
    "as it is": Treatment(),
    "-10 dB": Treatment(gain_db=-10.0),
    "-20 dB": Treatment(gain_db=-20.0),
    "22.05 kHz": Treatment(rate_hz=22050),
    "48 kHz": Treatment(rate_hz=48000),
    "MP3 192": Treatment(kind="mp3", bit_rate=192_000),
    "MP3 128": Treatment(kind="mp3", bit_rate=128_000),
    "Opus 64": Treatment(rate_hz=48000, kind="opus", bit_rate=64_000),
    "Vorbis": Treatment(kind="ogg", bit_rate=128_000, channels=2),
    "stereo": Treatment(channels=2),
}
"""ffmpeg's own Vorbis encoder knows stereo only."""


@dataclass(frozen=True)
class Way:
    """A way to hear.

    Attributes:
        hearing: windows and rate.
        is_levelled: whether all windows together are brought to one level before openSMILE.
    """

    hearing: FeatureSettings
    is_levelled: bool = False


WAYS = {
    "canonical": Way(CANONICAL),
    "normalised level": Way(CANONICAL, is_levelled=True),
    "up to 4 kHz": Way(FeatureSettings(rate_hz=8000, windows=4, window_s=4.0)),
}


def excerpt(path: Path) -> NDArray[np.float32]:
    """Returns the middle of a recording, mono at 44.1 kHz."""
    decoded = decode_windows(path, FeatureSettings(rate_hz=RATE_HZ, windows=1, window_s=EXCERPT_S))
    return decoded.windows[0]


def treated(sound: NDArray[np.float32], treatment: Treatment, folder: Path) -> Path:
    """Writes a sound as a treatment has it, and returns the file."""
    if treatment.rate_hz != RATE_HZ:
        ratio = np.gcd(treatment.rate_hz, RATE_HZ)
        up, down = treatment.rate_hz // ratio, RATE_HZ // ratio
        sound = resample_poly(sound, up, down).astype(np.float32)
    sound = np.clip(sound * np.float32(10 ** (treatment.gain_db / 20)), -1, 1)
    if treatment.channels == 2:
        sound = stereo(sound, sound)
    path = folder / f"sound.{treatment.kind}"
    return write_audio(path, sound, treatment.rate_hz, bit_rate=treatment.bit_rate)


def heard(path: Path, way: Way) -> NDArray[np.float32]:
    """Returns the mean vector of a file, heard in a way."""
    clip = decode_windows(path, way.hearing)
    windows = clip.windows
    if way.is_levelled:
        power = np.mean([np.mean(np.square(window)) for window in windows])
        gain = np.float32(10 ** (LEVEL_DB / 20) / np.sqrt(max(power, 1e-12)))
        windows = tuple(window * gain for window in windows)
    described: NDArray[np.float32] = describe_windows(windows, clip.rate_hz, path).mean(axis=0)
    return described


def heard_in_all(
    paths: Sequence[Path], ways: Sequence[str], processes: int
) -> dict[str, np.ndarray]:
    """Hears each sound under each treatment in each way.

    Returns:
        For each way an array of shape (sounds, treatments, descriptors).
    """
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(partial(_heard_in_all, ways=tuple(ways)), paths))
    return {way: np.stack([each[way] for each in found]) for way in ways}


def _heard_in_all(path: Path, ways: Sequence[str]) -> dict[str, np.ndarray]:
    sound = excerpt(path)
    vectors: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for treatment in TREATMENTS.values():
            file = treated(sound, treatment, Path(folder))
            for way in ways:
                vectors[way].append(heard(file, WAYS[way]))
    return {way: np.stack(each) for way, each in vectors.items()}
