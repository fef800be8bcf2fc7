"""Finds the partials of a sound: the peaks of its spectrum, as pitches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.arrays import FloatArray

HOP_S: Final = 0.08
_FRAME_S: Final = 0.32
"""Long enough to separate neighbouring semitones down to 60 Hz."""

_LOWEST_HZ: Final = 60.0
_HIGHEST_HZ: Final = 4000.0
_AUDIBLE: Final = 0.01
"""Peaks 40 dB below the strongest of their frame are leakage or noise."""

_SILENT: Final = 0.05
"""Frames weaker than this share of the strongest are the rests between notes."""

LOWEST_PITCH: Final = 24
PITCHES: Final = 84
_A4_HZ: Final = 440.0
_A4: Final = 69


@dataclass(frozen=True, slots=True)
class Partials:
    """The partials of each frame that is not a rest.

    Attributes:
        pitch: shape (frames, most peaks in any), in semitones as MIDI counts them, with fractions.
        amplitude: of the same shape, 0 where a frame has fewer peaks.
        tuning: in [0, 1], how well all peaks agree on one tuning.
        scale: shape (frames, 84), the square roots of the amplitudes summed into the semitones from
            C1 up, in the tuning of the sound.
    """

    pitch: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    tuning: float
    scale: NDArray[np.float64]

    @property
    def chroma(self) -> NDArray[np.float64]:
        """Shape (frames, 12): the share of each pitch class, summing to 1 in each frame."""
        classes = self.scale.reshape(len(self.scale), -1, 12).sum(axis=1)
        shares: NDArray[np.float64] = classes / classes.sum(axis=1, keepdims=True)
        return shares


def spectra(sound: FloatArray, frame: int, hop: int, bins: int | None = None) -> FloatArray:
    """Return the magnitude spectra of a sound, shape (frames, bins); by default of all bins."""
    padded = np.pad(sound, (0, max(0, frame - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    magnitudes: FloatArray = np.abs(np.fft.rfft(frames * _hanning(frame))[:, :bins])
    return magnitudes.astype(np.float32, copy=False)


@cache
def _hanning(frame: int) -> FloatArray:
    return np.hanning(frame).astype(np.float32)


def partials_of(sound: FloatArray, rate_hz: int) -> Partials | None:
    """Find the partials of a mono sound between 60 and 4000 Hz; None if there are none.

    Peaks are placed between bins by a parabola through their logarithms (Smith and Serra, PARSHL,
    1987).
    """
    frame = round(_FRAME_S * rate_hz)
    highest = int(_HIGHEST_HZ * frame / rate_hz) + 2
    spectrum = spectra(sound, frame, round(HOP_S * rate_hz), highest)
    loudest = spectrum.max(axis=1, keepdims=True)
    if not loudest.any():
        return None
    middle = spectrum[:, 1:-1]
    is_peak = (middle > spectrum[:, :-2]) & (middle >= spectrum[:, 2:])
    is_peak &= middle > _AUDIBLE * loudest
    is_peak[:, : max(0, int(_LOWEST_HZ * frame / rate_hz) - 1)] = False
    frames, bins = np.nonzero(is_peak)
    if not len(frames):
        return None
    sides = (spectrum[frames, bins], spectrum[frames, bins + 1], spectrum[frames, bins + 2])
    hertz = (bins + 1 + _offsets(*sides)) * rate_hz / frame
    return _by_frame(frames, _A4 + 12 * np.log2(hertz / _A4_HZ), sides[1].astype(np.float64))


def _offsets(
    left: NDArray[np.float32], middle: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return where between the bins each peak lies, in [-.5, .5]."""
    a, b, c = (np.log(side.astype(np.float64) + 1e-12) for side in (left, middle, right))
    offsets: NDArray[np.float64] = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9)
    return np.clip(offsets, -0.5, 0.5)


def _by_frame(
    frames: NDArray[np.intp], pitch: NDArray[np.float64], amplitude: NDArray[np.float64]
) -> Partials:
    """Arrange peaks, which come in the order of their frames, by frame; leave out the rests."""
    roots = np.sqrt(amplitude)
    sums = np.bincount(frames, roots)
    is_sounding = sums > _SILENT * sums.max()
    chosen = is_sounding[frames]
    frames, pitch, amplitude, roots = (x[chosen] for x in (frames, pitch, amplitude, roots))
    turn = np.sum(np.exp(2j * np.pi * pitch) * roots)
    steps = np.round(pitch - np.angle(turn) / (2 * np.pi)).astype(np.intp) - LOWEST_PITCH
    row = (np.cumsum(is_sounding) - 1)[frames]
    cells = row * PITCHES + np.clip(steps, 0, PITCHES - 1)
    count = int(is_sounding.sum())
    scale = np.bincount(cells, roots, count * PITCHES).astype(np.float64).reshape(count, PITCHES)
    starts = np.searchsorted(row, np.arange(count))
    column = np.arange(len(row)) - starts[row]
    shape = (count, int(column.max()) + 1)
    pitches, amplitudes = np.full(shape, pitch[0]), np.zeros(shape)
    pitches[row, column], amplitudes[row, column] = pitch, amplitude
    return Partials(pitches, amplitudes, float(np.abs(turn) / roots.sum()), scale)
