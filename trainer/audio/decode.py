"""Decodes a few windows of a sound file, whatever its container, length or rate.

Windows are reached by seeking, so ten hours cost no more than ten minutes. Headers are believed
only as far as the sound bears them out: a file that ends before its header says is measured by
seeking, and a file that goes on after it is heard to its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from trainer.audio.container import open_sound
from trainer.audio.stream import FASTEST_HZ, SoundStream
from trainer.audio.tag_blocks import between_tags
from trainer.trainer_errors import UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from numpy.typing import NDArray

    from trainer.arrays import FloatArray
    from trainer.audio.stream import Stretch
    from trainer.audio.tag_blocks import Extent
    from trainer.audio.window_plan import WindowPlan

# A window that lost less than this to its neighbours' codec delay still counts as whole.
_SLACK_S = 0.25

# Where seeking fails, sound is decoded from the beginning, and this is as far as patience goes.
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class DecodedClip:
    """The windows of one file.

    Attributes:
        windows: mono sound in [-1, 1], float32, all of one length.
        starts_s: where each window begins.
        duration_s: how long the sound is, by the best evidence found.
        rate_hz: sampling rate of the windows.
        codec: ffmpeg's name of the codec.
        container: ffmpeg's name of the container.
        source_rate_hz: sampling rate of the file.
        source_channels: channels of the file.
    """

    windows: tuple[FloatArray, ...]
    starts_s: tuple[float, ...]
    duration_s: float
    rate_hz: int
    codec: str
    container: str
    source_rate_hz: int
    source_channels: int


@dataclass(frozen=True)
class _Heard:
    windows: tuple[FloatArray, ...]
    starts_s: tuple[float, ...]
    duration_s: float


def decode_windows(path: Path, plan: WindowPlan) -> DecodedClip:
    """Decodes the windows `plan` asks for; a file shorter than all of them is heard whole.

    Args:
        path: a regular file.
        plan: rate, number and length of the windows.

    Returns:
        At least one window; fewer than asked for when the file is short.

    Raises:
        UnreadableClip: the file cannot be opened or is not sound.
        UnusableClip: nothing could be decoded.
    """
    try:
        return _decoded(path, plan, None)
    except UnreadableClip:
        # Demuxers that know no tags of other formats stumble over them. Files they do read are
        # left to them: to leave the tags out moves the windows of an MP3 without a header.
        extent = between_tags(path)
        if extent is None:
            raise
        return _decoded(path, plan, extent)


def _decoded(path: Path, plan: WindowPlan, within: Extent | None) -> DecodedClip:
    with open_sound(path, within) as (container, stream):
        _refuse_absurd_rate(path, stream)
        sound = SoundStream(container, stream)
        heard = _hear_short(sound, plan) or _hear_long(sound, plan)
        if not heard.windows:
            raise UnusableClip(path, "no sound could be decoded")
        context = stream.codec_context
        return DecodedClip(
            windows=heard.windows,
            starts_s=heard.starts_s,
            duration_s=heard.duration_s,
            rate_hz=plan.rate_hz,
            codec=context.name,
            container=container.format.name,
            source_rate_hz=context.sample_rate,
            source_channels=context.channels,
        )


def spread(duration_s: float, windows: int, window_s: float) -> tuple[float, ...]:
    """Returns the starts, in seconds, of windows with equal gaps before, between and after them."""
    gap_s = (duration_s - windows * window_s) / (windows + 1)
    return tuple(gap_s + index * (window_s + gap_s) for index in range(windows))


def _refuse_absurd_rate(path: Path, stream: AudioStream) -> None:
    # Without a decoder there is no context, whatever PyAV's types say; decoding tells the reason.
    rate_hz = getattr(stream.codec_context, "sample_rate", 0)
    if rate_hz > FASTEST_HZ:
        stated = f"its header states {rate_hz} samples a second"
        raise UnusableClip(path, f"{stated}, more than any sound has; it is damaged")


def _hear_short(sound: SoundStream, plan: WindowPlan) -> _Heard | None:
    """Hears a file whole if it turns out to be short; None if there is more than that."""
    limit_s = plan.budget_s + _SLACK_S
    if sound.stated_s is not None and sound.stated_s > limit_s:
        return None
    whole = _canonical(sound.read(0.0, limit_s + 1.0), plan.rate_hz)
    if len(whole) > limit_s * plan.rate_hz:
        return None
    return _cut(whole, plan)


def _hear_long(sound: SoundStream, plan: WindowPlan) -> _Heard:
    duration_s = sound.true_duration_s(at_least_s=plan.budget_s)
    heard = _hear_spread(sound, plan, duration_s)
    if len(heard.windows) < plan.windows:
        # Either the header promised too much, or some stretch of the file is damaged.
        duration_s = sound.end_s(duration_s)
        if duration_s > plan.budget_s:
            again = _hear_spread(sound, plan, duration_s)
            heard = max(again, heard, key=lambda each: len(each.windows))
    if len(heard.windows) * 2 > plan.windows:
        return heard
    return _hear_from_beginning(sound, plan) or heard


def _hear_spread(sound: SoundStream, plan: WindowPlan, duration_s: float) -> _Heard:
    windows, starts_s = [], []
    for start_s in spread(duration_s, plan.windows, plan.window_s):
        window = _canonical(sound.read(start_s, plan.window_s), plan.rate_hz)
        if len(window) >= (plan.window_s - _SLACK_S) * plan.rate_hz:
            windows.append(_filled(window, plan.samples))
            starts_s.append(start_s)
    return _Heard(tuple(windows), tuple(starts_s), duration_s)


def _hear_from_beginning(sound: SoundStream, plan: WindowPlan) -> _Heard | None:
    """Decodes without seeking, keeping only what the windows need of the first minutes."""
    parts: list[FloatArray] = []
    kept_s = 0.0
    step_s = plan.window_s
    for stretch in sound.read_on(step_s, until_s=_PATIENCE_S):
        parts.append(_canonical(stretch, plan.rate_hz))
        kept_s += len(parts[-1]) / plan.rate_hz
    if not parts or kept_s == 0:
        return None
    whole = np.concatenate(parts)
    if kept_s <= plan.budget_s:
        return _cut(whole, plan)
    starts_s = spread(kept_s, plan.windows, plan.window_s)
    firsts = [int(start_s * plan.rate_hz) for start_s in starts_s]
    windows = tuple(whole[first : first + plan.samples] for first in firsts)
    return _Heard(windows, starts_s, kept_s)


def _cut(whole: FloatArray, plan: WindowPlan) -> _Heard:
    duration_s = len(whole) / plan.rate_hz
    count = max(1, min(plan.windows, round(duration_s / plan.window_s)))
    samples = len(whole) // count
    if samples == 0:
        return _Heard((), (), duration_s)
    firsts = range(0, count * samples, samples)
    windows = tuple(whole[first : first + samples] for first in firsts)
    return _Heard(windows, tuple(first / plan.rate_hz for first in firsts), duration_s)


def _filled(window: FloatArray, samples: int) -> FloatArray:
    missing = max(0, samples - len(window))
    return np.pad(window, (0, missing), mode="symmetric")[:samples]


def _canonical(stretch: Stretch, rate_hz: int) -> FloatArray:
    """Averages the channels and resamples; a format that changes midway is followed."""
    parts = []
    for (_, _, source_hz), run in groupby(stretch.frames, key=_format):
        parts.append(_resampled(_mono(list(run)), source_hz, rate_hz))
    sound = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.clip(_sane(sound[round(stretch.early_s * rate_hz) :]), -1.0, 1.0)


def _format(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _sane(sound: FloatArray) -> FloatArray:
    # Float files may hold anything, and damaged ones do.
    if np.isfinite(sound).all():
        return sound
    return np.nan_to_num(sound, posinf=1.0, neginf=-1.0)


def _mono(frames: list[AudioFrame]) -> FloatArray:
    arrays = [_samples(frame) for frame in frames]
    samples = np.concatenate(arrays, axis=1)
    if not frames[0].format.is_planar:
        samples = samples.reshape(-1, frames[0].layout.nb_channels).T
    if samples.dtype.kind == "u":
        samples = samples.astype(np.float32) / 128 - 1
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / 2.0 ** (8 * samples.dtype.itemsize - 1)
    with np.errstate(invalid="ignore", over="ignore"):
        return _sane(samples.mean(axis=0, dtype=np.float32))


def _samples(frame: AudioFrame) -> NDArray[Any]:
    if not frame.format.name.startswith("s64"):
        return frame.to_ndarray()
    # The one sample format that PyAV does not hand to NumPy.
    held = frame.samples * (1 if frame.format.is_planar else frame.layout.nb_channels)
    return np.stack([np.frombuffer(bytes(plane), np.int64)[:held] for plane in frame.planes])


def _resampled(mono: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    if from_hz == to_hz or not len(mono):
        return mono
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono[np.newaxis]), "flt", "mono")
    frame.sample_rate = from_hz
    resampler = av.AudioResampler("flt", "mono", to_hz)
    parts = [
        part.to_ndarray()[0] for part in (*resampler.resample(frame), *resampler.resample(None))
    ]
    # A handful of samples never fill the resampler's filter, and it keeps them to itself.
    whole = np.zeros(math.ceil(len(mono) * to_hz / from_hz), np.float32)
    resampled = np.concatenate([*parts, whole[:0]])[: len(whole)]
    whole[: len(resampled)] = resampled
    return whole
