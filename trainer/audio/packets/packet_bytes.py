"""The bytes of the audio packets of a file, in long pieces where the packets are known to adjoin.

ffmpeg cuts sound into packets of some milliseconds, and to make them takes longer than to hash
them. Where only their bytes in order count, and it is known where these lie, they are read as such:

    PCM in WAV, W64, AIFF, AU  from the first packet to one near the end, which is sought
    MP3                        from the first packet to the end, if all that follows are frames
    AAC and ALAC in MP4        where the index says, if it is whole
    Vorbis and Opus in Ogg     from page to page, if none is damaged or lost

Anything else, and most of what is damaged, is read packet by packet. The bytes are the same.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from trainer.audio.container import sound_packets
from trainer.audio.packets.mpeg_frames import frames_adjoin
from trainer.audio.packets.ogg_pages import sound_extents
from trainer.audio.sound_file import Extent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    from trainer.audio.sound_file import FileView

    Packets = Iterable[Packet[AudioStream]]
    Parts = tuple[list[Extent], Packets]

_PCM: Final = frozenset({"wav", "w64", "aiff", "au"})
MP4: Final = "mov,mp4,m4a,3gp,3g2,mj2"
"""How ffmpeg calls the container of MP4 and its kin."""

_STREAMS: Final = frozenset({"flac", "mp3"})
_INDEXED: Final = frozenset({"aac", "alac"})


def packet_bytes(
    view: FileView, container: InputContainer, stream: AudioStream, *, compared: bool = False
) -> Iterator[bytes]:
    """Yields the bytes of the packets of a stream up to its end, as `sound_packets` finds them.

    Args:
        view: what the container reads, by a position of its own.
        container: was just opened.
        stream: of it.
        compared: FLAC and MP3 may be read with bytes of damaged frames, which parsers leave out;
            which they leave out follows from the bytes.

    Raises:
        OSError: the file cannot be read.
    """
    packets = _packets(container, stream)
    first = next(packets, None)
    if first is None:
        return
    if compared and container.format.name in _STREAMS and first.pos is not None:
        yield from view.pieces(Extent(first.pos, view.size))
        return
    extents, rest = _parts(view, container, stream, first) or ([], chain([first], packets))
    for extent in extents:
        yield from view.pieces(extent)
    yield from map(bytes, rest)


def each_packet(container: InputContainer, stream: AudioStream) -> Iterator[bytes]:
    """Yields the bytes of each packet from the present position on, as `sound_packets` does."""
    return map(bytes, _packets(container, stream))


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    return (packet for packet in sound_packets(container, stream) if packet.size)


def _parts(
    view: FileView, container: InputContainer, stream: AudioStream, first: Packet[AudioStream]
) -> Parts | None:
    """Returns where the packets lie, and those behind; None if each must be read."""
    # Without a decoder there is no context, whatever PyAV's types say.
    codec = getattr(stream.codec_context, "name", "")
    kind, begin = container.format.name, first.pos
    if begin is None:
        return None
    if kind in _PCM and codec.startswith("pcm_"):
        return _up_to_the_end(container, stream, begin, first.pts)
    if kind == "mp3" and frames_adjoin(view, begin):
        return [Extent(begin, view.size)], ()
    extents: list[Extent] = []
    if kind == MP4 and codec in _INDEXED:
        extents = _indexed(stream, view.size)
    elif kind == "ogg":
        extents = sound_extents(view, codec)
    return (extents, ()) if extents else None


def _up_to_the_end(
    container: InputContainer, stream: AudioStream, begin: int, start: int | None
) -> Parts | None:
    if start is None or not stream.rate or not stream.duration:
        return None
    container.seek(start + max(0, stream.duration - stream.rate), stream=stream)
    tail = _packets(container, stream)
    later = next(tail, None)
    if later is not None and later.pos is not None and later.pos >= begin:
        return [Extent(begin, later.pos)], chain([later], tail)
    container.seek(start, stream=stream)
    return [], _packets(container, stream)


def _indexed(stream: AudioStream, size: int) -> list[Extent]:
    """Returns where the packets lie by the index of an MP4; none if it may not know all."""
    entries = stream.index_entries
    if len(entries) != stream.frames:
        return []
    extents: list[Extent] = []
    start = end = 0
    for entry in entries:
        if entry.pos != end:
            extents.append(Extent(start, end))
            start = entry.pos
        end = entry.pos + entry.size
        if entry.pos < 0 or end > size:
            return []
    return [extent for extent in (*extents, Extent(start, end)) if extent.start < extent.end]
