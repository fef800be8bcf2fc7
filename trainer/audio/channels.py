"""Mixes the channels of decoded frames to mono, however many they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.audio.plane import AudioPlane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.audio.frame import AudioFrame
    from numpy.typing import NDArray

    from trainer.arrays import FloatArray

SILENCE: Final = 0.5 / 32768
"""Half a step of 16-bit sound: what never rises above it is digital silence."""

_FEW_CHANNELS: Final = 8

_TYPES: Final = {
    "u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"
}  # fmt: skip
"""The sample formats of ffmpeg as NumPy calls them."""


def mono(frames: Sequence[AudioFrame]) -> FloatArray:
    """Return the mean of the channels of frames of one format, shape (samples,), float32."""
    samples = _samples(frames)
    if not frames[0].format.is_planar:
        samples = samples.reshape(-1, frames[0].layout.nb_channels).T
    # One channel after another: NumPy's mean takes five times as long where they are interleaved.
    with np.errstate(invalid="ignore", over="ignore"):
        total = samples[0].astype(np.float32)
        for channel in samples[1:]:
            total += channel.astype(np.float32)
        return finite(_scaled(total, samples.dtype, len(samples)))


def _scaled(total: FloatArray, kind: np.dtype[Any], channels: int) -> FloatArray:
    """Return the mean of channels in [-1, 1], given the sum of their samples."""
    if kind.kind == "f":
        return total / np.float32(channels)
    bits = 8 * kind.itemsize
    if kind.kind == "u":
        total -= np.float32(channels * 2 ** (bits - 1))
    return total / np.float32(channels * 2.0 ** (bits - 1))


def finite(sound: FloatArray) -> FloatArray:
    """Return sound whose samples are numbers: float files may hold anything, damaged ones do."""
    if np.isfinite(sound).all():
        return sound
    return np.nan_to_num(sound, posinf=1.0, neginf=-1.0)


def narrowed(frame: AudioFrame) -> AudioFrame:
    """Return a frame of many channels as mono, so that hundreds of them need no more memory."""
    if frame.layout.nb_channels <= _FEW_CHANNELS:
        return frame
    made = av.AudioFrame.from_ndarray(mono([frame])[np.newaxis], "flt", "mono")
    made.sample_rate, made.pts = frame.sample_rate, frame.pts
    if frame.time_base is not None:
        made.time_base = frame.time_base
    return made


def _samples(frames: Sequence[AudioFrame]) -> NDArray[Any]:
    """Return the samples of each plane, shape (planes, samples of a plane).

    PyAV's own `planes` and `to_ndarray` read past the end of a table where a frame has eight
    planes or more, and take what lies there for the address of another.
    """
    channels, kind = frames[0].layout.nb_channels, frames[0].format
    planes, width = (channels, 1) if kind.is_planar else (1, channels)
    counts = [frame.samples * width for frame in frames]
    samples = np.empty((planes, sum(counts)), _TYPES[kind.name.removesuffix("p")])
    first = 0
    for frame, count in zip(frames, counts, strict=True):
        for plane in range(planes):
            part = np.frombuffer(memoryview(AudioPlane(frame, plane)), samples.dtype, count)
            samples[plane, first : first + count] = part
        first += count
    return samples
