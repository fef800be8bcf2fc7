"""Small real sound files of every container, encoded by PyAV or, where it cannot, built by hand."""

from __future__ import annotations

import functools
import io
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
from mutagen import ogg

if TYPE_CHECKING:
    from collections.abc import Callable

# Container, codec and options of what PyAV encodes.
_ENCODED: dict[str, tuple[str, str, dict[str, str]]] = {
    "mp3": ("mp3", "libmp3lame", {}),
    "mp3-bare": ("mp3", "libmp3lame", {"id3v2_version": "0", "write_id3v1": "0"}),
    "wav": ("wav", "pcm_s16le", {}),
    "aiff": ("aiff", "pcm_s16be", {}),
    "flac": ("flac", "flac", {}),
    "opus": ("ogg", "libopus", {}),
    "vorbis": ("ogg", "vorbis", {}),
    "m4a": ("ipod", "aac", {}),
    "m4a-front": ("ipod", "aac", {"movflags": "faststart"}),
    "alac": ("ipod", "alac", {}),
    "wma": ("asf", "wmav2", {}),
    "wavpack": ("wv", "wavpack", {}),
    "m4a-fragmented": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "matroska": ("matroska", "libopus", {}),
    "matroska-mp3": ("matroska", "libmp3lame", {}),
    "mpegts-mp3": ("mpegts", "libmp3lame", {}),
    "avi-mp3": ("avi", "libmp3lame", {}),
    "adts": ("adts", "aac", {}),
}


def sound(kind: str) -> bytes:
    """Return a file of the kind, a fraction of a second long."""
    return _BUILT[kind]() if kind in _BUILT else encoded(kind)


def sound_file(folder: Path, kind: str, name: str | None = None) -> Path:
    path = folder / (name or f"sound of {kind}.audio")
    path.write_bytes(sound(kind))
    return path


@functools.cache
def encoded(kind: str, duration_s: float = 0.5) -> bytes:
    """Return a tone with some noise."""
    form, codec, options = _ENCODED[kind]
    rate_hz = 48000 if "opus" in codec else 44100
    with tempfile.NamedTemporaryFile() as file:
        _encode(file.name, form, codec, options, (duration_s, rate_hz))
        return Path(file.name).read_bytes()


def _encode(
    name: str, form: str, codec: str, options: dict[str, str], length: tuple[float, int]
) -> None:
    duration_s, rate_hz = length
    with av.open(name, "w", format=form, options=options) as output:
        stream: Any = output.add_stream(codec, rate=rate_hz, layout="stereo")
        stream.bit_rate = 128000
        # The native Vorbis encoder counts as experimental.
        stream.codec_context.options = {"strict": "-2"}
        for frame in _frames(stream, duration_s, rate_hz):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _frames(stream: Any, duration_s: float, rate_hz: int) -> list[av.AudioFrame]:
    count = int(duration_s * rate_hz)
    random = np.random.default_rng(7)
    tone = np.sin(np.arange(count) * 440 * 2 * np.pi / rate_hz) * 0.5
    wave = np.stack([tone, tone]) + random.normal(0, 0.02, (2, count))
    raw = (wave * 20000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(raw, format="s16p", layout="stereo")
    frame.sample_rate = rate_hz
    size = stream.codec_context.frame_size or 1024
    wanted = stream.codec_context.format.name
    resampler = av.AudioResampler(wanted, "stereo", rate_hz, frame_size=size)
    return [*resampler.resample(frame), *resampler.resample(None)]


def dsf() -> bytes:
    """Return 1-bit sound, two channels, one block each."""
    block = bytes(range(256)) * 16 * 2
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 2, 2, 2822400, 1, 8 * 4096, 4096, 0)
    body = form + struct.pack("<4sQ", b"data", 12 + len(block)) + block
    return struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(body), 0) + body


def ape() -> bytes:
    """Return Monkey's Audio headers and frames of noise; it demuxes, but does not decode."""
    frames = [np.random.default_rng(index).bytes(400) for index in range(3)]
    seek = b""
    at = 52 + 24 + 4 * len(frames)
    for frame in frames:
        seek += struct.pack("<I", at)
        at += len(frame)
    audio = b"".join(frames)
    descriptor = struct.pack(
        "<4sHHIIIIIII16s", b"MAC ", 3990, 0, 52, 24, len(seek), 0, len(audio), 0, 0, bytes(16)
    )
    header = struct.pack("<HHIIIHHI", 2000, 0, 73728, 5000, len(frames), 16, 2, 44100)
    return descriptor + header + seek + audio


def musepack() -> bytes:
    """Return a Musepack SV8 stream: header, audio packets of noise, end."""
    header = b"\1\2\3\4\x08" + b"\x60" + b"\0" + bytes([0x1A, 0x10])
    packets = [(b"SH", header), (b"RG", bytes(9))]
    packets += [(b"AP", np.random.default_rng(index).bytes(90)) for index in range(3)]
    packets.append((b"SE", b""))
    return b"MPCK" + b"".join(key + bytes([len(body) + 3]) + body for key, body in packets)


def oggflac() -> bytes:
    """Return the packets of native FLAC on Ogg pages made by mutagen."""
    native = encoded("flac")
    with av.open(io.BytesIO(native), "r") as source:
        packets = [bytes(packet) for packet in source.demux(audio=0) if packet.size]
    comments = struct.pack("<I4sI", 4, b"test", 0)
    head = b"\x7fFLAC\x01\x00\x00\x01" + native[:42].replace(b"fLaC\x80", b"fLaC\x00")
    last_block = b"\x84" + len(comments).to_bytes(3, "big") + comments
    return ogg_pages([head, last_block, *packets])


def ogg_pages(packets: list[bytes], serial: int = 77, samples: int = 4608) -> bytes:
    """Return an Ogg stream with each packet on a page (or pages) of its own."""
    page_kind: Any = ogg.OggPage
    pages: list[Any] = []
    for index, packet in enumerate(packets):
        parts = page_kind.from_packets([packet], sequence=len(pages), default_size=65025)
        for page in parts:
            page.serial = serial
            page.position = max(0, index - 1) * samples if page.complete else -1
        pages += parts
    pages[0].first, pages[-1].last = True, True
    return b"".join(page.write() for page in pages)


def ogg_with_serial(kind: str, serial: int) -> bytes:
    """Return an Ogg file of the kind whose stream has that serial number."""
    return b"".join(page.write() for page in _renamed(_pages(sound(kind)), serial))


def ogg_with_comments(kind: str, rest: bytes) -> bytes:
    """Return an Ogg file with more bytes behind its comments, on their page."""
    pages = _pages(sound(kind))
    pages[1].packets[0] += rest
    return b"".join(page.write() for page in pages)


def _pages(content: bytes) -> list[Any]:
    file, page_kind = io.BytesIO(content), cast("Any", ogg.OggPage)
    pages = []
    while file.tell() < len(content):
        pages.append(page_kind(file))
    return pages


def _renamed(pages: list[Any], serial: int) -> list[Any]:
    for page in pages:
        page.serial = serial
    return pages


def chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(body)) + body + bytes(len(body) % 2)


def wav_with(*chunks: bytes, after: bool = True) -> bytes:
    """Return the WAV with further chunks behind (or before) its sound."""
    plain = encoded("wav")
    body = plain[12:]
    extra = b"".join(chunks)
    body = body + extra if after else body[:24] + extra + body[24:]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def id3_tag(version: int, *frames: bytes, padding: int = 0, flags: int = 0) -> bytes:
    body = b"".join(frames) + bytes(padding)
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, flags]) + size + body


def frame(version: int, name: bytes, body: bytes, flags: int = 0) -> bytes:
    if version == 2:
        return name + len(body).to_bytes(3, "big") + body
    size = len(body).to_bytes(4, "big")
    if version == 4:
        size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return name + size + struct.pack(">H", flags) + body


_BUILT: dict[str, Callable[[], bytes]] = {
    "dsf": dsf,
    "ape": ape,
    "musepack": musepack,
    "oggflac": oggflac,
}
TAGGED_KINDS = (
    "mp3", "mp3-bare", "wav", "aiff", "flac", "opus", "vorbis", "oggflac",
    "m4a", "m4a-front", "alac", "wma", "wavpack", "dsf", "ape", "musepack",
)  # fmt: skip
