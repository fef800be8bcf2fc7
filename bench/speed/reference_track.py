"""Synthesises the track that the benchmarks analyse: four minutes of stereo MP3 at 192 kbit/s.

A voice-like lead over chords and drums: openSMILE computes jitter on voiced frames only, so noise
or silence would be cheaper than music. `--track FILE` takes a real recording instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 44100
DURATION_S = 240
BIT_RATE = 192_000
SEED = 20161
_BEAT_S = 0.5
_CHORDS = (
    (220.0, 261.6, 329.6),
    (174.6, 220.0, 261.6),
    (261.6, 329.6, 392.0),
    (196.0, 246.9, 293.7),
)
_FRAME = 1152


def write_track(path: Path) -> None:
    """Writes the track as MP3 to a path, and replaces what is there."""
    sound = _music(np.random.default_rng(SEED))
    with av.open(path, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE_HZ, layout="stereo")
        stream.bit_rate = BIT_RATE
        for first in range(0, sound.shape[1], _FRAME):
            part = np.ascontiguousarray(sound[:, first : first + _FRAME])
            frame = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
            frame.sample_rate = RATE_HZ
            frame.pts = first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _music(rng: np.random.Generator) -> NDArray[np.float32]:
    beats = [_beat(index, rng) for index in range(int(DURATION_S / _BEAT_S))]
    sound = np.concatenate(beats, axis=1)
    loudest = float(np.abs(sound).max())
    return (sound * (0.7 / loudest)).astype(np.float32)


def _beat(index: int, rng: np.random.Generator) -> NDArray[np.float64]:
    time_s = np.arange(int(_BEAT_S * RATE_HZ)) / RATE_HZ
    chord = _CHORDS[index // 8 % len(_CHORDS)]
    fade = np.exp(-2 * time_s)
    pad = sum(_harmonic(time_s, hz, 6) for hz in chord) * 0.2
    lead = _harmonic(time_s, rng.choice(chord) * rng.choice([1, 2]), 15, vibrato_hz=5.5)
    drum = rng.standard_normal(len(time_s)) * np.exp(-(20 + 40 * (index % 2)) * time_s)
    middle = pad + 0.6 * fade * lead + 0.5 * drum
    side = 0.1 * np.roll(pad, 300) + 0.01 * rng.standard_normal(len(time_s))
    return np.stack([middle + side, middle - side])


def _harmonic(
    time_s: NDArray[np.float64], hz: float, partials: int, vibrato_hz: float = 0.0
) -> NDArray[np.float64]:
    phase = 2 * np.pi * hz * time_s
    if vibrato_hz:
        phase = phase + 0.02 * hz / vibrato_hz * np.sin(2 * np.pi * vibrato_hz * time_s)
    voice = np.zeros_like(time_s)
    for partial in range(1, partials + 1):
        voice += np.sin(partial * phase) / partial
    return voice
