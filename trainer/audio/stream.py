"""Reads stretches of an open sound stream, within bounds no file can break."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import av
import av.error

from trainer.audio.container import sound_packets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

# MP3's bit reservoir and the overlap of MDCT codecs make the first frames after a jump unreliable.
_PREROLL_S = 0.1

# A seek may land on an earlier keyframe; one that lands further off than this has failed.
_LANDING_S = 30.0

# Bytes read without one decoded frame before a stretch is given up.
_BARREN_BYTES = 16 * 2**20

# Packets read on after a jump to see whether the sound goes on that far.
_LANDING_PACKETS = 2000

# Raw streams without an index: ffmpeg would read its way to every spot, so they are entered by
# proportion of their bytes, as players do.
_BY_BYTES = frozenset({"aac", "ac3", "eac3", "dts", "dtshd", "loas", "amr", "gsm", "mlp", "truehd"})

FASTEST_HZ = 6_000_000
"""The highest sampling rate that is believed; the fastest DSD comes as 5.6 MHz.

A resampler's tables grow with the rate: the highest a damaged header can state costs ten seconds.
"""

_BISECTIONS = 24
_END_PRECISION_S = 0.5
_LONGEST_S = 400 * 3600.0


@dataclass(frozen=True)
class Stretch:
    """Decoded frames in order.

    Attributes:
        frames: with any sampling rate, layout and sample format, even changing ones.
        early_s: how much of the first frame lies before the place asked for.
    """

    frames: list[AudioFrame]
    early_s: float = 0.0


class SoundStream:
    """One audio stream of an open container.

    Args:
        container: an open container.
        stream: its audio stream.

    Attributes:
        stated_s: the duration by the header, in seconds; None if the header gives none.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self._time_base = stream.time_base
        self._origin = stream.start_time or 0
        self._untouched = True
        self._by_bytes = container.format.name in _BY_BYTES
        self.stated_s = self._stated()

    def read(self, start_s: float, length_s: float) -> Stretch:
        """Decodes one stretch.

        Args:
            start_s: where it begins, from the beginning of the sound.
            length_s: how much sound is wanted.

        Returns:
            As much as was wanted or a little more; less where the file ends or is damaged, nothing
            where the place cannot be reached.
        """
        frames: list[AudioFrame] = []
        if not self._go_to(start_s):
            return Stretch(frames)
        at_s: float | None = None
        early_s = 0.0
        for frame in self._frames():
            if at_s is None:
                at_s = self._time_of(frame, max(0.0, start_s - _PREROLL_S))
                if abs(at_s - start_s) > _LANDING_S:
                    break
            if not frames:
                early_s = max(0.0, start_s - at_s)
            at_s += frame.samples / frame.sample_rate
            if at_s > start_s:
                frames.append(frame)
            if at_s >= start_s + length_s:
                break
        return Stretch(frames, early_s)

    def read_on(self, step_s: float, until_s: float) -> Iterator[Stretch]:
        """Decodes from the beginning without jumping about.

        Args:
            step_s: how much sound each stretch holds, in seconds.
            until_s: how much sound is decoded at most.

        Yields:
            One stretch after the other.
        """
        self._go_to(0.0)
        batch: list[AudioFrame] = []
        batch_s = total_s = 0.0
        for frame in self._frames():
            batch.append(frame)
            batch_s += frame.samples / frame.sample_rate
            if batch_s >= step_s:
                yield Stretch(batch)
                total_s += batch_s
                batch, batch_s = [], 0.0
            if total_s >= until_s:
                return
        if batch:
            yield Stretch(batch)

    def true_duration_s(self, at_least_s: float) -> float:
        """Returns the stated duration, or a longer one if there is sound beyond it.

        Args:
            at_least_s: how much sound is known to be there if the header is silent.
        """
        low_s = self.stated_s or at_least_s
        if self._by_bytes or not self._reaches(low_s + _END_PRECISION_S):
            return low_s
        high_s = 2 * low_s
        while high_s < _LONGEST_S and self._reaches(high_s):
            low_s, high_s = high_s, 2 * high_s
        return self._bisected(low_s, high_s)

    def end_s(self, at_most_s: float) -> float:
        """Returns where the sound really ends, found by seeking, to half a second.

        Args:
            at_most_s: where the header says it ends.
        """
        return at_most_s if self._by_bytes else self._bisected(0.0, at_most_s)

    def _bisected(self, low_s: float, high_s: float) -> float:
        for _ in range(_BISECTIONS):
            if high_s - low_s <= _END_PRECISION_S:
                break
            middle_s = (low_s + high_s) / 2
            if self._reaches(middle_s):
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

    def _reaches(self, at_s: float) -> bool:
        """Tells whether any sound begins at `at_s` or later."""
        if not self._go_to(at_s):
            return False
        for packet in islice(self._packets(), _LANDING_PACKETS):
            if packet.pts is not None and self._seconds(packet.pts) >= at_s - _END_PRECISION_S:
                return packet.size > 0
        return False

    def _go_to(self, at_s: float) -> bool:
        if at_s <= 0 and self._untouched:
            return True
        self._untouched = False
        before_s = max(0.0, at_s - _PREROLL_S)
        try:
            if self._by_bytes:
                place = int(self._container.size * before_s / (self.stated_s or 1.0))
                self._container.seek(place, unsupported_byte_offset=True)
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
        barren_bytes = 0
        for packet in self._packets():
            self._untouched = False
            frames = self._decoded(packet)
            barren_bytes = 0 if frames else barren_bytes + packet.size
            if barren_bytes > _BARREN_BYTES:
                return
            yield from frames

    def _decoded(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        try:
            frames = self._stream.decode(packet)
            return [frame for frame in frames if 0 < frame.sample_rate <= FASTEST_HZ]
        except (av.error.DecoderNotFoundError, av.error.MemoryError):
            raise
        except av.error.FFmpegError:
            # One damaged packet costs its own few milliseconds, as in every player.
            return []

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        return sound_packets(self._container, self._stream)
