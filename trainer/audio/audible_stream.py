"""Finds the stream to listen to in a file that has several of sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import av.error
import numpy as np

from trainer.audio.channels import SILENCE, mono, narrowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from av.audio.stream import AudioStream
    from av.container import InputContainer

    Opened = AbstractContextManager[tuple[InputContainer, AudioStream]]

_PLACES: Final = 12
_PACKETS: Final = 100
"""Decoded at each place; AAC has 23 ms in each, Opus 20."""


def first_audible(indexes: Iterable[int], open_stream: Callable[[int], Opened]) -> int | None:
    """Return the first of some streams in which any of a few places is not silent.

    Args:
        indexes: of the streams, in the order of preference.
        open_stream: opens the file again, to read one of them; may raise what ffmpeg raises.

    Returns:
        None if each is silent there, or cannot be decoded.
    """
    for index in indexes:
        try:
            with open_stream(index) as (container, stream):
                if any(_sounds_at(container, stream, place) for place in range(_PLACES)):
                    return index
        except (av.error.FFmpegError, OSError, ValueError):
            # Without a decoder, for example.
            continue
    return None


def _sounds_at(container: InputContainer, stream: AudioStream, place: int) -> bool:
    try:
        return _is_heard_at(container, stream, place)
    except av.error.DecoderNotFoundError:
        raise
    except (av.error.FFmpegError, IndexError, OverflowError):
        # Damage, or a place that cannot be reached.
        return False


def _is_heard_at(container: InputContainer, stream: AudioStream, place: int) -> bool:
    duration, base = container.duration or 0, stream.time_base
    if place:
        if duration <= 0 or not base:
            return False
        ticks = int(place * duration / _PLACES / av.time_base / base)
        container.seek((stream.start_time or 0) + ticks, stream=stream)
    for count, packet in enumerate(container.demux(stream), start=1):
        if _is_audible(stream, packet):
            return True
        if count >= _PACKETS:
            break
    return False


def _is_audible(stream: AudioStream, packet: av.packet.Packet[AudioStream]) -> bool:
    try:
        frames = [narrowed(frame) for frame in stream.decode(packet)]
    except av.error.DecoderNotFoundError:
        raise
    except av.error.FFmpegError:
        return False
    return any(np.abs(mono([frame])).max(initial=0.0) > SILENCE for frame in frames)
