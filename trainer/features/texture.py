"""The texture of sound: how its envelopes fluctuate, which tells crackling from humming.

These are two of the statistics by which McDermott and Simoncelli synthesise textures (Sound texture
perception via statistics of the auditory periphery, Neuron 71, 2011): the modulation power and the
variation of the envelope in each frequency band. Modulation from 30 to 150 Hz is heard as
roughness, which alarms (Arnal and others, Human screams occupy a privileged niche, Current Biology
25, 2015). The contours of ComParE are too slow for it: one value in 10 ms, smoothed over three.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.arrays import FloatArray

_BANDS_HZ: Final = (125, 250, 500, 1000, 2000, 4000, 8000)
_MODULATIONS_HZ: Final = (2, 4, 8, 16, 32, 64, 128)
_FAST: Final = slice(4, 6)
"""Those of the modulations that are heard as roughness, from 32 to 128 Hz."""

_FRAME_S: Final = 0.01
_HOP_S: Final = 0.003125
_SECTION_S: Final = 1.0
_SILENT: Final = 1e-9
_FAINTEST: Final = 1e-4

TEXTURE: Final = (len(_MODULATIONS_HZ) - 1) + 2 * (len(_BANDS_HZ) - 1)
"""How many descriptors there are: 18."""


def texture_names() -> tuple[str, ...]:
    """Return the names of the descriptors, in the order of every vector."""
    bands = _BANDS_HZ[:-1]
    return (
        *(f"texture_modulation_{low}hz" for low in _MODULATIONS_HZ[:-1]),
        *(f"texture_roughness_{low}hz" for low in bands),
        *(f"texture_variation_{low}hz" for low in bands),
    )


def describe_texture(windows: Sequence[FloatArray], rate_hz: int) -> FloatArray:
    """Describe the texture of each window; no descriptor changes with the level of the sound.

    Args:
        windows: mono sound in [-1, 1], each at least one sample.
        rate_hz: sampling rate of the sound.

    Returns:
        Shape (windows, 18), float32, finite, in the order of `texture_names`: the common logarithm
        of the modulation power in octaves, of all bands together; that of fast modulation in each
        band; and the standard deviation of each band's envelope. Power and deviation are relative
        to the mean of the envelope. Of a silent band they are 0.
    """
    return np.stack([_describe(window, rate_hz) for window in windows]).astype(np.float32)


def _describe(sound: FloatArray, rate_hz: int) -> NDArray[np.floating]:
    envelopes = _envelopes(sound, rate_hz)
    power, loudness = _modulation(envelopes, rate_hz / round(_HOP_S * rate_hz))
    weighted = power * loudness[:, None]
    overall = weighted.sum(axis=(0, 2)) / (loudness.sum() + _SILENT)
    rough = weighted[:, _FAST].sum(axis=(0, 1)) / (loudness.sum(axis=0) + _SILENT)
    variation = envelopes.std(axis=0) / (envelopes.mean(axis=0) + _SILENT)
    return np.concatenate([np.log10(np.append(overall, rough) + _FAINTEST), variation])


def _envelopes(sound: FloatArray, rate_hz: int) -> FloatArray:
    """Return the amplitude in each band every 3 ms, shape (frames, bands)."""
    frame, hop = round(_FRAME_S * rate_hz), round(_HOP_S * rate_hz)
    padded = np.pad(sound, (0, max(0, frame - len(sound))))
    spectra = np.fft.rfft(sliding_window_view(padded, frame)[::hop] * _hann(frame))
    power = np.square(spectra.real) + np.square(spectra.imag)
    envelopes: FloatArray = np.sqrt(power @ _sums(_BANDS_HZ, power.shape[1], rate_hz / frame))
    return envelopes


def _modulation(
    envelopes: FloatArray, rate_hz: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the power of modulation in each second, which overlap by half, and the loudness.

    Returns:
        Shapes (seconds, modulations, bands) and (seconds, bands).
    """
    size = round(_SECTION_S * rate_hz)
    length = min(size, len(envelopes))
    sections = sliding_window_view(envelopes, length, axis=0)[:: size // 2].swapaxes(1, 2)
    loudness = sections.mean(axis=1)
    window = _hann(length)[:, None]
    relative = (sections / np.maximum(loudness, _SILENT)[:, None] - 1) * window
    spectra = np.fft.rfft(relative, size, axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    power *= 2 / (size * np.square(window).sum())
    octaves = _sums(_MODULATIONS_HZ, power.shape[1], rate_hz / size)
    return np.einsum("sfb,fm->smb", power, octaves), loudness


@cache
def _sums(edges_hz: tuple[int, ...], bins: int, step_hz: float) -> FloatArray:
    """Return the matrix that sums bins of a spectrum between the edges, (bins, spans)."""
    hertz = np.arange(bins)[:, None] * step_hz
    return ((hertz >= edges_hz[:-1]) & (hertz < edges_hz[1:])).astype(np.float32)


@cache
def _hann(size: int) -> FloatArray:
    # Without the zeros at both ends, so that a single frame counts.
    return np.hanning(size + 2)[1:-1].astype(np.float32)
