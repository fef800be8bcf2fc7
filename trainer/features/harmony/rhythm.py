"""Onsets and pulse of a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.features.harmony.partials import spectra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.arrays import FloatArray

_FRAME_S: Final = 0.04
_HOP_S: Final = 0.01
_FAINT: Final = 1e-3
_AROUND: Final = round(0.3 / _HOP_S)
_PERIODS: Final = ((20, 40), (40, 60), (60, 90), (90, 130), (130, 180))
"""Spans of periods between beats, in hops: 300 to 33 beats a minute."""


def rhythm(sound: FloatArray, rate_hz: int) -> dict[str, float]:
    """Describe how frequent, strong and regular the onsets of a mono sound are.

    Onsets are rises of the logarithmic spectrum (Dixon, Onset detection revisited, DAFx 2006), the
    pulse is the autocorrelation of their curve.

    Returns:
        Descriptors by name, all finite; onsets in 1/s.
    """
    spectrum = spectra(sound, round(_FRAME_S * rate_hz), round(_HOP_S * rate_hz))
    levels = np.log1p(spectrum / (_FAINT * spectrum.max() + 1e-12)).astype(np.float64)
    rises = np.append(np.maximum(levels[1:] - levels[:-1], 0.0).sum(axis=1), 0.0)
    mean_level = levels.sum(axis=1).mean() + 1e-9
    curve = rises - np.convolve(rises, np.full(_AROUND, 1 / _AROUND), "same")[: len(rises)]
    pulses = _autocorrelation(curve)
    return {
        "onsets": _peaks(curve, 0.5 * curve.std() + 0.05 * mean_level) / (len(sound) / rate_hz),
        "onset_strength": rises.mean(),
        "onset_strength_relative": rises.mean() / mean_level,
        **{f"pulse_{n}": pulses[low:high].max() for n, (low, high) in enumerate(_PERIODS, 1)},
        "pulse": pulses[_PERIODS[0][0] : _PERIODS[-1][1]].max(),
    }


def _peaks(curve: NDArray[np.float64], least: float) -> int:
    inner = curve[1:-1]
    return int(np.sum((inner > curve[:-2]) & (inner >= curve[2:]) & (inner > least)))


def _autocorrelation(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation from lag 0 on, 1 there; 0 at lags longer than the sound."""
    power = np.abs(np.fft.rfft(curve, 2 * len(curve))) ** 2
    lags = np.fft.irfft(power, 2 * len(curve))[: len(curve)]
    lags = lags / (lags[0] + 1e-12)
    return np.pad(lags, (0, max(0, _PERIODS[-1][1] - len(lags))))
