"""The same sounds at the levels, rates and codecs of different corpora, and their features.

16 s from the middle of each recording, in mono at 44.1 kHz, are the untreated sound ("as it is").
Each treatment changes only what may differ between corpora of the same sounds.
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
    """Changes to a sound: gain in dB, rate in Hz, kind of file, bits per second, channels."""

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
"""Vorbis is stereo, because ffmpeg's own encoder supports nothing else."""


@dataclass(frozen=True)
class Extraction:
    """How features are extracted.

    Attributes:
        settings: windows and rate.
        is_levelled: whether all windows together are normalised to one level before openSMILE.
    """

    settings: FeatureSettings
    is_levelled: bool = False


EXTRACTIONS = {
    "canonical": Extraction(CANONICAL),
    "normalised level": Extraction(CANONICAL, is_levelled=True),
    "up to 4 kHz": Extraction(FeatureSettings(rate_hz=8000, windows=4, window_s=4.0)),
}


def excerpt(path: Path) -> NDArray[np.float32]:
    """Returns the middle of a recording, mono at 44.1 kHz."""
    decoded = decode_windows(path, FeatureSettings(rate_hz=RATE_HZ, windows=1, window_s=EXCERPT_S))
    return decoded.windows[0]


def treated(sound: NDArray[np.float32], treatment: Treatment, folder: Path) -> Path:
    """Writes a treated sound into a folder, and returns the file."""
    if treatment.rate_hz != RATE_HZ:
        ratio = np.gcd(treatment.rate_hz, RATE_HZ)
        up, down = treatment.rate_hz // ratio, RATE_HZ // ratio
        sound = resample_poly(sound, up, down).astype(np.float32)
    sound = np.clip(sound * np.float32(10 ** (treatment.gain_db / 20)), -1, 1)
    if treatment.channels == 2:
        sound = stereo(sound, sound)
    path = folder / f"sound.{treatment.kind}"
    return write_audio(path, sound, treatment.rate_hz, bit_rate=treatment.bit_rate)


def features_of(path: Path, extraction: Extraction) -> NDArray[np.float32]:
    """Returns the mean feature vector of a file."""
    clip = decode_windows(path, extraction.settings)
    windows = clip.windows
    if extraction.is_levelled:
        power = np.mean([np.mean(np.square(window)) for window in windows])
        gain = np.float32(10 ** (LEVEL_DB / 20) / np.sqrt(max(power, 1e-12)))
        windows = tuple(window * gain for window in windows)
    described: NDArray[np.float32] = describe_windows(windows, clip.rate_hz, path).mean(axis=0)
    return described


def features_of_all(
    paths: Sequence[Path], extractions: Sequence[str], processes: int
) -> dict[str, np.ndarray]:
    """Extracts the features of each sound under each treatment.

    Returns:
        For each extraction an array of shape (sounds, treatments, descriptors).
    """
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(partial(_features_of_all, extractions=tuple(extractions)), paths))
    return {name: np.stack([each[name] for each in found]) for name in extractions}


def _features_of_all(path: Path, extractions: Sequence[str]) -> dict[str, np.ndarray]:
    sound = excerpt(path)
    vectors: dict[str, list[np.ndarray]] = {name: [] for name in extractions}
    with tempfile.TemporaryDirectory() as folder:
        for treatment in TREATMENTS.values():
            file = treated(sound, treatment, Path(folder))
            for name in extractions:
                vectors[name].append(features_of(file, EXTRACTIONS[name]))
    return {name: np.stack(each) for name, each in vectors.items()}
