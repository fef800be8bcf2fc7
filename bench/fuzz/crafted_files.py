"""Builds sound files of kinds that ffmpeg reads but cannot write.

DSD decodes to a tone, Speex and AMR to noise, because their decoders accept any bits, and DTS to
silence. Monkey's Audio, Musepack SV7 and TAK are valid headers with frames of random bits: the
demuxer accepts them, and the decoder gets invalid data.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tests.daemon.tagging.sounds import ape, musepack, ogg_pages
from tests.sounds import tone

if TYPE_CHECKING:
    from collections.abc import Callable

_DSD_HZ = 2_822_400
_DSF_BLOCK = 4096
_DTS_FRAME = 512
_TAK_FRAME = 400


def _bits_of_dsd(duration_s: float, seed: int) -> np.ndarray:
    """Returns one channel of 1-bit sound, shape (bytes, 8), the first bit of each byte first."""
    wave = tone(duration_s, _DSD_HZ, hz=440.0 + 10 * seed)
    # First-order sigma-delta: a one whenever the running sum passes the next integer.
    sums = np.floor(np.cumsum((wave.astype(np.float64) + 1) / 2))
    return np.diff(sums, prepend=0).astype(np.uint8)[: len(sums) // 8 * 8].reshape(-1, 8)


def dsf(seed: int = 0, duration_s: float = 0.3) -> bytes:
    """Returns a DSF file: a sine as DSD, two channels, without tags."""
    bits = _bits_of_dsd(duration_s, seed)
    channel = np.packbits(bits, bitorder="little").tobytes()
    blocks = -(-len(channel) // _DSF_BLOCK)
    padded = channel.ljust(blocks * _DSF_BLOCK, b"\x69")
    parts = [padded[at : at + _DSF_BLOCK] * 2 for at in range(0, len(padded), _DSF_BLOCK)]
    form = struct.pack(
        "<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 2, 2, _DSD_HZ, 1, bits.size, _DSF_BLOCK, 0
    )
    sound = b"".join(parts)
    body = form + struct.pack("<4sQ", b"data", 12 + len(sound)) + sound
    return struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(body), 0) + body


def dff(seed: int = 0, duration_s: float = 0.3) -> bytes:
    """Returns a DSDIFF file: a sine as DSD, two channels, without tags."""
    channel = np.packbits(_bits_of_dsd(duration_s, seed))
    sound = np.repeat(channel, 2).tobytes()
    properties = b"SND " + b"".join(
        (
            _iff(b"FS  ", struct.pack(">I", _DSD_HZ)),
            _iff(b"CHNL", struct.pack(">H4s4s", 2, b"SLFT", b"SRGT")),
            _iff(b"CMPR", b"DSD \x0enot compressed\x00"),
        )
    )
    version = _iff(b"FVER", b"\x01\x05\x00\x00")
    return _iff(b"FRM8", b"DSD " + version + _iff(b"PROP", properties) + _iff(b"DSD ", sound))


def _iff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">Q", len(body)) + body + bytes(len(body) % 2)


def musepack_7(seed: int = 0, frames: int = 8) -> bytes:
    """Returns a Musepack SV7 stream of random frames."""
    rng = np.random.default_rng(seed)
    bits = "0" * 8
    for size in rng.integers(200, 900, frames):
        bits += f"{size:020b}" + "".join(map(str, rng.integers(0, 2, size)))
    bits = bits.ljust(-(-len(bits) // 32) * 32, "0")
    words = [int(bits[at : at + 32], 2) for at in range(0, len(bits), 32)]
    return (
        b"MP+\x07" + struct.pack("<I", frames) + bytes(16) + struct.pack(f"<{len(words)}I", *words)
    )


def tak(seed: int = 0, frames: int = 8) -> bytes:
    """Returns a TAK stream of random frames after valid frame marks."""
    rng = np.random.default_rng(seed)
    # From the lowest bit: codec, profile, frame length, samples, kind, rate, depth, channels.
    fields = ((2, 6), (0, 4), (4, 4), (frames * 4096, 35), (0, 3), (38100, 18), (8, 5), (1, 4))
    packed, shift = 0, 0
    for value, width in (*fields, (0, 1)):
        packed |= value << shift
        shift += width
    info = packed.to_bytes(10, "little") + bytes(3)
    head = b"tBaK" + b"\x01" + len(info).to_bytes(3, "little") + info + bytes(4)
    marks = (struct.pack("<HBBB", 0xA0FF, 0, index << 3 & 0xFF, 0) for index in range(frames))
    return head + b"".join(mark + rng.bytes(_TAK_FRAME) for mark in marks)


def dts(seed: int = 0, frames: int = 12) -> bytes:
    """Returns DTS core frames that encode silence, padded with random bits."""
    rng = np.random.default_rng(seed)
    # Frame kind, short, checksum, blocks, length, channels, rate and bit rate; at the end, how
    # many subframes and channels.
    fields = ((1, 1), (31, 5), (0, 1), (15, 7), (_DTS_FRAME - 1, 14), (2, 6), (13, 4), (15, 5))
    packed = "".join(f"{value:0{width}b}" for value, width in fields).ljust(72, "0")
    head = b"\x7f\xfe\x80\x01" + int(packed + "0000001" + "0", 2).to_bytes(10, "big")
    # No subband is coded; the decoder expects the end mark of a frame's audio here.
    head += bytes(23) + b"\x0f\xff\xf0"
    return b"".join(head + rng.bytes(_DTS_FRAME - len(head)) for _ in range(frames))


def speex(seed: int = 0, packets: int = 40) -> bytes:
    """Returns an Ogg stream of narrow-band Speex packets of random bits, 20 ms each."""
    rng = np.random.default_rng(seed)
    head = struct.pack(
        "<8s20s13i", b"Speex   ", b"1.2", 1, 80, 8000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0
    )
    comments = struct.pack("<I4sI", 4, b"test", 0)
    # Sub-mode 5, 300 bits a packet: its number is fixed, all other bits are arbitrary.
    sounds = [bytes([5 << 3 | int(rng.integers(8))]) + rng.bytes(37) for _ in range(packets)]
    return ogg_pages([head, comments, *sounds], samples=160)


def amr(seed: int = 0, frames: int = 40) -> bytes:
    """Returns narrow-band AMR frames of random bits, 20 ms each."""
    rng = np.random.default_rng(seed)
    return b"#!AMR\n" + b"".join(b"\x3c" + rng.bytes(31) for _ in range(frames))


DECODABLE: dict[str, Callable[[], bytes]] = {
    "dsf": dsf,
    "dff": dff,
    "spx": speex,
    "amr": amr,
    "8.mpc": musepack,
}
"""Files that can be decoded, by file ending."""

NOISE: dict[str, Callable[[], bytes]] = {"ape": ape, "7.mpc": musepack_7, "tak": tak, "dts": dts}
"""Files that can be demuxed but not decoded, by file ending."""
