"""Decodes a few windows of a sound file, whatever its container, length or rate.

Windows are reached by seeking, so ten hours cost no more than ten minutes. A header is believed
only as far as the sound confirms it: where the sound ends before the stated duration, its end is
found by seeking, and where it continues beyond, the rest is decoded too.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np

from trainer.audio.channels import finite, mono
from trainer.audio.container import open_sound
from trainer.audio.sound_file import opened
from trainer.audio.stream import FASTEST_HZ, SoundStream
from trainer.audio.tag_blocks import between_tags
from trainer.trainer_errors import UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream

    from trainer.arrays import FloatArray
    from trainer.audio.sound_file import Extent, SoundFile
    from trainer.audio.stream import Segment
    from trainer.audio.window_plan import WindowPlan

# A window that lost less than this to codec delay still counts as complete.
_SLACK_S = 0.25

# Where seeking fails, the sound is decoded from the beginning, but no further than this.
_LONGEST_SEQUENTIAL_S = 600.0

# Samples that are mixed and resampled at once. Memory for a whole window may be returned to the
# system and allocated again for each, which took up to a quarter of the time of decoding.
_BATCH = 32_768


class DecodedClip(NamedTuple):
    """The windows of one file.

    Attributes:
        windows: mono sound in [-1, 1], float32, all of one length.
        starts_s: where each window begins.
        duration_s: how long the sound is, by the best evidence found.
        rate_hz: sampling rate of the windows.
    """

    windows: tuple[FloatArray, ...]
    starts_s: tuple[float, ...]
    duration_s: float
    rate_hz: int


def decode_windows(source: Path | SoundFile, plan: WindowPlan) -> DecodedClip:
    """Decodes the planned windows; a file shorter than all of them is decoded completely.

    Args:
        source: a regular file, or its path.
        plan: rate, number and length of the windows.

    Returns:
        At least one window; fewer than planned when the file is short.

    Raises:
        UnreadableClip: the file cannot be opened or is not sound.
        UnusableClip: nothing could be decoded.
    """
    with opened(source) as file:
        try:
            return _decode(file, plan, None)
        except UnreadableClip:
            # Some demuxers fail on tags of other formats. Only then are the tags cut off: without
            # them, the windows of an MP3 that has no header would move.
            extent = between_tags(file)
            if extent is None:
                raise
            return _decode(file, plan, extent)


def _decode(file: SoundFile, plan: WindowPlan, within: Extent | None) -> DecodedClip:
    with open_sound(file, within) as (container, stream):
        _refuse_absurd_rate(file.path, stream)
        sound = SoundStream(container, stream)
        clip = _decode_short(sound, plan) or _decode_long(sound, plan)
        if not clip.windows:
            raise UnusableClip(file.path, "no sound could be decoded")
        return clip


def window_starts(duration_s: float, windows: int, window_s: float) -> tuple[float, ...]:
    """Returns the starts, in seconds, of windows with equal gaps before, between and after them."""
    gap_s = (duration_s - windows * window_s) / (windows + 1)
    return tuple(gap_s + index * (window_s + gap_s) for index in range(windows))


def _refuse_absurd_rate(path: Path, stream: AudioStream) -> None:
    # Without a decoder there is no context, whatever PyAV's types say; decoding gives the reason.
    rate_hz = getattr(stream.codec_context, "sample_rate", 0)
    if rate_hz > FASTEST_HZ:
        stated = f"its header states {rate_hz} samples a second"
        raise UnusableClip(path, f"{stated}, more than any sound has; it is damaged")


def _decode_short(sound: SoundStream, plan: WindowPlan) -> DecodedClip | None:
    """Decodes a file completely if it is short; returns None if it is longer than the windows."""
    limit_s = plan.budget_s + _SLACK_S
    if sound.stated_s is not None and sound.stated_s > limit_s:
        return None
    samples = _to_mono(sound.read(0.0, limit_s + 1.0), plan.rate_hz)
    return _cut(samples, plan) if len(samples) <= limit_s * plan.rate_hz else None


def _decode_long(sound: SoundStream, plan: WindowPlan) -> DecodedClip:
    duration_s = sound.true_duration_s(at_least_s=plan.budget_s)
    clip = _decode_by_seeking(sound, plan, duration_s)
    if len(clip.windows) < plan.windows:
        # Either the header promised too much, or a part of the file is damaged.
        duration_s = sound.end_s(duration_s)
        if duration_s > plan.budget_s:
            again = _decode_by_seeking(sound, plan, duration_s)
            clip = max(again, clip, key=lambda each: len(each.windows))
    if len(clip.windows) * 2 > plan.windows:
        return clip
    return _decode_sequentially(sound, plan) or clip


def _decode_by_seeking(sound: SoundStream, plan: WindowPlan, duration_s: float) -> DecodedClip:
    windows, starts_s = [], []
    for start_s in window_starts(duration_s, plan.windows, plan.window_s):
        window = _to_mono(sound.read(start_s, plan.window_s), plan.rate_hz)
        if len(window) >= (plan.window_s - _SLACK_S) * plan.rate_hz:
            missing = max(0, plan.samples - len(window))
            windows.append(np.pad(window, (0, missing), mode="symmetric")[: plan.samples])
            starts_s.append(start_s)
    return DecodedClip(tuple(windows), tuple(starts_s), duration_s, plan.rate_hz)


def _decode_sequentially(sound: SoundStream, plan: WindowPlan) -> DecodedClip | None:
    parts: list[FloatArray] = []
    duration_s = 0.0
    for segment in sound.read_sequentially(plan.window_s, until_s=_LONGEST_SEQUENTIAL_S):
        parts.append(_to_mono(segment, plan.rate_hz))
        duration_s += len(parts[-1]) / plan.rate_hz
    if not duration_s:
        return None
    samples = np.concatenate(parts)
    if duration_s <= plan.budget_s:
        return _cut(samples, plan)
    starts_s = window_starts(duration_s, plan.windows, plan.window_s)
    firsts = [int(start_s * plan.rate_hz) for start_s in starts_s]
    windows = tuple(samples[first : first + plan.samples] for first in firsts)
    return DecodedClip(windows, starts_s, duration_s, plan.rate_hz)


def _cut(samples: FloatArray, plan: WindowPlan) -> DecodedClip:
    """Cuts a short sound into adjoining windows of equal length; none if it is empty."""
    duration_s = len(samples) / plan.rate_hz
    count = max(1, min(plan.windows, round(duration_s / plan.window_s)))
    length = len(samples) // count
    firsts = [index * length for index in range(count)] if length else []
    windows = tuple(samples[first : first + length] for first in firsts)
    starts_s = tuple(first / plan.rate_hz for first in firsts)
    return DecodedClip(windows, starts_s, duration_s, plan.rate_hz)


def _to_mono(segment: Segment, rate_hz: int) -> FloatArray:
    """Averages the channels and resamples; a format that changes midway is followed."""
    parts = []
    for (_, _, source_hz), run in groupby(segment.frames, key=_format):
        parts.append(_resample(map(mono, _batches(run)), source_hz, rate_hz))
    sound = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.clip(finite(sound[round(segment.early_s * rate_hz) :]), -1.0, 1.0)


def _format(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _batches(frames: Iterator[AudioFrame]) -> Iterator[list[AudioFrame]]:
    batch: list[AudioFrame] = []
    samples = 0
    for frame in frames:
        batch.append(frame)
        samples += frame.samples
        if samples >= _BATCH:
            yield batch
            batch, samples = [], 0
    if batch:
        yield batch


def _resample(sounds: Iterable[FloatArray], from_hz: int, to_hz: int) -> FloatArray:
    """Resamples sound that comes in parts; the parts do not show in the result."""
    if from_hz == to_hz:
        return np.concatenate([*sounds])
    resampler = av.AudioResampler("flt", "mono", to_hz)
    parts, samples = [np.zeros(0, np.float32)], 0
    for sound in sounds:
        if len(sound):
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis], "flt", "mono")
            frame.sample_rate = from_hz
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
            samples += len(sound)
    if samples:
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    # A handful of samples never fill the resampler's filter and do not come out: zeros stand in.
    resampled = np.zeros(math.ceil(samples * to_hz / from_hz), np.float32)
    found = np.concatenate(parts)[: len(resampled)]
    resampled[: len(found)] = found
    return resampled
