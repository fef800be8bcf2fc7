"""Reads segments of an open sound stream, within limits that no file can exceed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import av
import av.error

from trainer.audio.channels import narrowed
from trainer.audio.container import sound_packets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

# MP3's bit reservoir and the overlap of MDCT codecs make the first frames after a seek unreliable.
_PREROLL_S = 0.1

# A seek may land on an earlier keyframe; one that lands further off than this has failed.
_LARGEST_SEEK_ERROR_S = 30.0

# A segment is given up after so many bytes without one decoded frame.
_MOST_BYTES_WITHOUT_FRAME = 16 * 2**20

# Packets read after a seek to see whether the sound reaches that far.
_MOST_PACKETS_AFTER_SEEK = 2000

# Raw streams without an index: ffmpeg would read up to every position, so they are entered by
# proportion of their bytes, as players do.
_SEEK_BY_BYTES = frozenset(
    {"aac", "ac3", "eac3", "dts", "dtshd", "loas", "amr", "gsm", "mlp", "truehd"}
)

FASTEST_HZ = 6_000_000
"""The highest sampling rate that is believed; the fastest DSD comes as 5.6 MHz.

A resampler's tables grow with the rate: the highest a damaged header can state costs ten seconds.
"""

_BISECTIONS = 24
_END_PRECISION_S = 0.5
_LONGEST_S = 400 * 3600.0


class Segment(NamedTuple):
    """Decoded frames in order.

    Attributes:
        frames: with any sampling rate, layout and sample format, even changing ones.
        early_s: how much of the first frame lies before the requested position.
    """

    frames: list[AudioFrame]
    early_s: float = 0.0


class SoundStream:
    """One audio stream of an open container.

    Attributes:
        stated_s: the duration by the header, in seconds; None if the header gives none.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self._time_base = stream.time_base
        self._origin = stream.start_time or 0
        self._at_start = True
        self._by_bytes = container.format.name in _SEEK_BY_BYTES
        self.stated_s = self._stated()

    def read(self, start_s: float, length_s: float) -> Segment:
        """Decodes one segment, from `start_s` after the beginning of the sound.

        Returns:
            As much as was requested or a little more; less where the file ends or is damaged,
            nothing where the position cannot be reached.
        """
        frames: list[AudioFrame] = []
        if not self._seek(start_s):
            return Segment(frames)
        at_s: float | None = None
        early_s = 0.0
        for frame in self._frames():
            if at_s is None:
                at_s = self._time_of(frame, max(0.0, start_s - _PREROLL_S))
                if abs(at_s - start_s) > _LARGEST_SEEK_ERROR_S:
                    break
            if not frames:
                early_s = max(0.0, start_s - at_s)
            at_s += frame.samples / frame.sample_rate
            if at_s > start_s:
                frames.append(frame)
            if at_s >= start_s + length_s:
                break
        return Segment(frames, early_s)

    def read_sequentially(self, step_s: float, until_s: float) -> Iterator[Segment]:
        """Decodes `until_s` from the beginning without seeking, in segments of `step_s`."""
        self._seek(0.0)
        batch: list[AudioFrame] = []
        batch_s = total_s = 0.0
        for frame in self._frames():
            batch.append(frame)
            batch_s += frame.samples / frame.sample_rate
            if batch_s >= step_s:
                yield Segment(batch)
                total_s += batch_s
                batch, batch_s = [], 0.0
            if total_s >= until_s:
                return
        if batch:
            yield Segment(batch)

    def true_duration_s(self, at_least_s: float) -> float:
        """Returns the stated duration, or a longer one if there is sound beyond it.

        For a header that states no duration, the search begins at `at_least_s`.
        """
        low_s = self.stated_s or at_least_s
        if self._by_bytes or not self._has_sound_at(low_s + _END_PRECISION_S):
            return low_s
        high_s = 2 * low_s
        while high_s < _LONGEST_S and self._has_sound_at(high_s):
            low_s, high_s = high_s, 2 * high_s
        return self._bisect(low_s, high_s)

    def end_s(self, at_most_s: float) -> float:
        """Returns where the sound really ends before `at_most_s`, by seeking, to half a second."""
        return at_most_s if self._by_bytes else self._bisect(0.0, at_most_s)

    def _bisect(self, low_s: float, high_s: float) -> float:
        for _ in range(_BISECTIONS):
            if high_s - low_s <= _END_PRECISION_S:
                break
            middle_s = (low_s + high_s) / 2
            if self._has_sound_at(middle_s):
                low_s = middle_s
            else:
                high_s = middle_s
        return low_s

    def _stated(self) -> float | None:
        duration = self._stream.duration
        if duration is not None and duration > 0 and self._time_base is not None:
            stated_s = float(duration * self._time_base)
        elif self._container.duration is not None and self._container.duration > 0:
            stated_s = self._container.duration / av.time_base
        else:
            return None
        return stated_s if stated_s < _LONGEST_S else None

    def _has_sound_at(self, at_s: float) -> bool:
        """Returns whether any sound begins at `at_s` or later."""
        if not self._seek(at_s):
            return False
        for packet in islice(self._packets(), _MOST_PACKETS_AFTER_SEEK):
            if packet.pts is not None and self._seconds(packet.pts) >= at_s - _END_PRECISION_S:
                return packet.size > 0
        return False

    def _seek(self, at_s: float) -> bool:
        if at_s <= 0 and self._at_start:
            return True
        self._at_start = False
        before_s = max(0.0, at_s - _PREROLL_S)
        try:
            if self._by_bytes:
                offset = int(self._container.size * before_s / (self.stated_s or 1.0))
                self._container.seek(offset, unsupported_byte_offset=True)
            else:
                ticks = self._origin + int(before_s / (self._time_base or 1))
                self._container.seek(ticks, stream=self._stream)
        except (av.error.FFmpegError, OverflowError):
            return False
        return True

    def _seconds(self, pts: int) -> float:
        return float((pts - self._origin) * (self._time_base or 0))

    def _time_of(self, frame: AudioFrame, expected_s: float) -> float:
        if frame.time is None or self._by_bytes:
            return expected_s
        return frame.time - float(self._origin * (self._time_base or 0))

    def _frames(self) -> Iterator[AudioFrame]:
        bytes_without_frame = 0
        for packet in self._packets():
            self._at_start = False
            frames = self._decode(packet)
            bytes_without_frame = 0 if frames else bytes_without_frame + packet.size
            if bytes_without_frame > _MOST_BYTES_WITHOUT_FRAME:
                return
            yield from frames

    def _decode(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        try:
            frames = self._stream.decode(packet)
            return [narrowed(frame) for frame in frames if 0 < frame.sample_rate <= FASTEST_HZ]
        except (av.error.DecoderNotFoundError, av.error.MemoryError):
            raise
        except av.error.FFmpegError:
            # One damaged packet costs its own few milliseconds, as in every player.
            return []

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        return sound_packets(self._container, self._stream)
