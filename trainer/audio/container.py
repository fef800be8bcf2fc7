"""Opens sound files, and only sound files: the only place where ffmpeg reads the disk.

Some formats name other files or addresses to read (HLS, concat, DASH, SDP, image sequences), and a
watched folder may hold a crafted one. So a list of demuxers says what may be read, and ffmpeg may
open nothing: it gets the bytes of one open file, and a playlist named `.mp3` is refused before its
first line is followed.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.stream import Discard

from trainer.audio.audible_stream import first_audible
from trainer.audio.decode_errors import reason_of
from trainer.audio.sound_file import FileView, opened
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.audio.codeccontext import AudioCodecContext
    from av.container import InputContainer
    from av.packet import Packet

    from trainer.audio.sound_file import Extent, SoundFile


def decodes_sound(name: str) -> bool:
    """Returns whether a codec of this name decodes audio."""
    try:
        return bool(av.Codec(name, "r").type == "audio")
    except av.codec.codec.UnknownCodecError:
        return False


# Each of these reads the one file it is given. ffmpeg does not follow MOV's external data
# references or Matroska's linked segments by default.
_DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,iff,loas,"
    "matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,oma,osq,qcp,rm,shn,sox,tak,truehd,"
    "tta,voc,w64,wav,wv"
)

# Only these decoders run, also while ffmpeg looks for streams: no picture and no film is decoded.
_DECODERS = ",".join(sorted(name for name in av.codecs_available if decodes_sound(name)))

# `fastseek` seeks in MP3 by proportion of its bytes; without it ffmpeg reads up to the position.
_OPTIONS = {
    "protocol_whitelist": "",
    "format_whitelist": _DEMUXERS,
    "codec_whitelist": _DECODERS,
    "fflags": "fastseek",
}

# In a WAV that states PCM, ffmpeg looks through a megabyte for AC-3 or DTS: 27 ms of processor, in
# which a minute of it is hashed. Its packets are the same either way.
_AS_STATED = {"max_probe_packets": "1"}
_WAVE_PROBED = 2**20
_RIFF_HEADER = 12
_MOST_CHUNKS = 100

# The words of 16 bits by which frames of DTS and bursts of IEC 61937 begin, in any order of bytes.
_SYNC_WORDS = (
    (0x7FFE, 0x8001),
    (0xFE7F, 0x0180),
    (0x1FFF, 0xE800),
    (0xFF1F, 0x00E8),
    (0xF872, 0x4E1F),
    (0x72F8, 0x1F4E),
)
# The word of AC-3 is so short that PCM holds it too, but not in each of its longest frames.
_AC3_WORDS = (0x0B77, 0x770B)
_AC3_FRAME = 3840
_AC3_FRAMES = 64

_FOREIGN_ERRORS = (
    av.error.FFmpegError,
    av.error.PyAVCallbackError,
    OSError,
    MemoryError,
    UnicodeError,
)

# ffmpeg asks to be called again where a broadcast was spliced; this is how often it may.
_MOST_RETRIES = 1000


@contextmanager
def open_sound(
    source: Path | SoundFile, within: Extent | None = None, *, decoded: bool = True
) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Opens a file and picks its best audio stream; cover art and video are passed over.

    A silent stream, or one that cannot be decoded, is passed over for another.

    Args:
        source: a regular file, or its path; its name need not be valid UTF-8.
        within: the only bytes of it that ffmpeg gets to see; None for all.
        decoded: whether its sound is to be decoded, for which the codec must be found out.

    Yields:
        The open container and the audio stream, every other stream discarded.

    Raises:
        UnreadableClip: the file is absent, forbidden, not regular, not a sound file, has no audio
            stream, or ffmpeg fails on it inside the `with` block.
    """
    with opened(source) as file:
        if within is not None and within.start >= within.end:
            raise UnreadableClip(file.path, "holds tags and nothing else")
        try:
            with _opened(file, within, decoded=decoded) as container:
                stream = container.streams.best("audio")
                if not isinstance(stream, AudioStream):
                    raise UnreadableClip(file.path, "holds no audio stream")
                others = [each.index for each in container.streams.audio if each is not stream]
                if others:
                    open_stream = partial(_only, file, within)
                    heard = first_audible([stream.index, *others], open_stream)
                    stream = container.streams[stream.index if heard is None else heard]
                    assert isinstance(stream, AudioStream)
                _select(container, stream)
                yield container, stream
        except _FOREIGN_ERRORS as error:
            raise UnreadableClip(file.path, reason_of(error)) from error


def _opened(file: SoundFile, within: Extent | None, *, decoded: bool = True) -> InputContainer:
    view = FileView(file, within)
    is_as_stated = _is_wave(view) and not (decoded and _may_be_wrapped(view))
    options = _OPTIONS | _AS_STATED if is_as_stated else _OPTIONS
    # Tags in another encoding than UTF-8 are common, and no reason to refuse the sound; this way
    # their bytes can still be told apart.
    return av.open(view, "r", options=options, metadata_errors="surrogateescape")


def _is_wave(view: FileView) -> bool:
    start = _first(view, _RIFF_HEADER)
    return start[:4] in {b"RIFF", b"RF64"} and start[8:] == b"WAVE"


def _may_be_wrapped(view: FileView) -> bool:
    """Return whether a WAV may hold AC-3 or DTS, although it states PCM.

    Only they are put into WAV, for discs and receivers. ffmpeg would also find MP3 or TrueHD.
    """
    start = _first(view, _WAVE_PROBED, at=_wave_data(view))
    words = np.frombuffer(start, "<u2", len(start) // 2)
    before, after = words[:-1], words[1:]
    frames = min(len(start) // _AC3_FRAME // 2, _AC3_FRAMES)
    return any(
        ((before == first) & (after == second)).any() for first, second in _SYNC_WORDS
    ) or any(np.count_nonzero(words == word) > frames for word in _AC3_WORDS)


def _wave_data(view: FileView) -> int:
    """Return where the samples of a WAV begin; its start if there are too many other chunks."""
    at = _RIFF_HEADER
    for _ in range(_MOST_CHUNKS):
        chunk = _first(view, 8, at=at)
        if len(chunk) < 8 or chunk[:4] == b"data":  # noqa: PLR2004 - name and size
            return at
        size = int.from_bytes(chunk[4:], "little")
        at += 8 + size + size % 2
    return 0


def _first(view: FileView, length: int, *, at: int = 0) -> bytes:
    view.seek(at)
    found = view.read(length)
    view.seek(0)
    return found


@contextmanager
def _only(
    file: SoundFile, within: Extent | None, index: int
) -> Iterator[tuple[InputContainer, AudioStream]]:
    with _opened(file, within) as container:
        stream = container.streams[index]
        assert isinstance(stream, AudioStream)
        _select(container, stream)
        yield container, stream


def _select(container: InputContainer, stream: AudioStream) -> None:
    """Discard every stream but one."""
    if stream.codec_context is not None:
        # A worker can start no threads; nor would they help, as workers are many.
        stream.codec_context.thread_count = 1
        _drop_order(stream.codec_context)
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all


def _drop_order(context: AudioCodecContext) -> None:
    """Replace an order of channels that has no name, such as of 7.1 in AIFF, by their number.

    PyAV frees a list of channels twice, which ends the process. The order does not matter, as the
    mean of all channels is heard.
    """
    layout = context.layout
    if "(" in layout.name:
        # Never given back, as its list is freed with the one of the context.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
        context.layout = f"{layout.nb_channels} channels"


def sound_packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    """Yields the packets of a stream up to its end, or to damage that ffmpeg cannot read past.

    The last packet at a true end is empty; decoding it flushes the codec.
    """
    for _ in range(_MOST_RETRIES):
        try:
            yield from container.demux(stream)
        except av.error.BlockingIOError:
            continue
        except (av.error.InvalidDataError, av.error.EOFError):
            return
        except IndexError:
            # Streams that appear midway (MPEG-TS, MPEG-PS, FLV) are unknown to PyAV, which may
            # fail on them when it flushes: after our last packet, as later streams count higher.
            return
        return
