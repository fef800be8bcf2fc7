"""Damages sound files as transmission errors, broken disks, faulty programs and attackers do.

The random generator is seeded by the run's seed and the input's number, so that each input of a run
can be made again on its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.fuzz.good_files import Sample

# Files that are analysed in windows take longer, so fewer of them are damaged.
_LONG_SHARE = 0.04

# Offsets of sizes, channels, rates, alignments and durations, in bytes after each mark.
_FIELDS = {
    b"RIFF": (4,),
    b"fmt ": (4, 8, 10, 12, 16, 20, 22),
    b"data": (4,),
    b"FORM": (4,),
    b"COMM": (4, 8, 10, 14, 16, 18),
    b"SSND": (4, 8, 12),
    b"ID3": (3, 5, 6, 8),
    b"Xing": (4, 8, 12),
    b"Info": (4, 8, 12),
    b"fLaC": (4, 5, 8, 10, 12, 15, 18, 20, 22),
    b"OggS": (4, 5, 6, 10, 14, 18, 26, 27),
    b"vorbis": (6, 10, 11, 15, 19, 23, 27),
    b"OpusHead": (8, 9, 10, 12, 16, 18),
    b"OpusTags": (8,),
    b"wvpk": (4, 8, 10, 12, 16, 20, 24),
    b"TTA1": (4, 6, 8, 10, 14, 18),
    b"moov": (-4,),
    b"mvhd": (-4, 12, 16, 20),
    b"mdhd": (-4, 12, 16, 20),
    b"mp4a": (-4, 8, 14, 20, 22, 28),
    b"alac": (-4, 8, 14, 20, 22, 28, 36, 40),
    b"esds": (-4, 4, 8, 12, 20),
    b"elst": (-4, 8, 12, 16),
    b"stts": (-4, 8, 12, 16),
    b"stsc": (-4, 8, 12, 16, 20),
    b"stsz": (-4, 8, 12, 16),
    b"stco": (-4, 8, 12),
    b"ilst": (-4,),
    b"\x1a\x45\xdf\xa3": (4, 5),
    b"\x44\x89": (2, 3),
    b"\x9f": (1, 2),
    b"\xb5": (1, 2),
    b"LIST": (4,),
    b"desc": (4, 12, 20, 32, 44, 48),
    b".snd": (4, 8, 12, 16, 20),
    b"DSD ": (4, 12, 20),
    b"FRM8": (4,),
    b"FS  ": (4, 12),
    b"CHNL": (4, 12),
    b"CMPR": (4, 12),
    b"MAC ": (4, 8, 12, 16, 24, 52, 54, 56, 60, 64, 68, 70, 72),
    b"MP+": (3, 4, 8, 12, 16),
    b"MPCK": (6, 7, 11, 12, 16),
    b"tBaK": (4, 5, 8, 12, 16),
    b"\x7f\xfe\x80\x01": (4, 6, 8, 10),
    b"Speex   ": (28, 32, 36, 40, 48, 56, 64),
    b"#!AMR": (6,),
}
_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63)

_TEXTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\nduration 1e300\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio 9 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=control:{target}\n",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>\n',
    "url": "[InternetShortcut]\nURL={target}\n",
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>'
    "<AdaptationSet><Representation id='1' bandwidth='1'><BaseURL>{target}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>\n",
}
_TARGETS = (
    "http://127.0.0.1:9/",
    "file:///etc/hostname",
    "/dev/zero",
    "concat:/etc/hostname|/etc/hosts",
    "subfile,,start,0,end,0,,:/etc/hostname",
    "tcp://127.0.0.1:9",
    "data:audio/wav;base64,UklGRg==",
)


class Input(NamedTuple):
    """A damaged or hostile file.

    Attributes:
        name: its file name.
        content: its bytes.
        made_by: what was done to it, in order.
    """

    name: str
    content: bytes
    made_by: tuple[str, ...]


def damaged(seed: int, number: int, short: Sequence[Sample], long: Sequence[Sample]) -> Input:
    """Makes one input of a run.

    Args:
        seed: of the run.
        number: of the input.
        short: good files.
        long: good files of which fewer are damaged.
    """
    draw = random.Random(f"{seed}/{number}")
    if draw.random() < 0.04:
        return _crafted(draw, number, short)
    sample = draw.choice(long if draw.random() < _LONG_SHARE else short)
    other = draw.choice(short)
    content, made_by, suffix = sample.content, [], sample.kind
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        name, damage = draw.choice(DAMAGES)
        content = damage(draw, content, other.content)
        made_by.append(name)
    if draw.random() < 0.1:
        suffix = other.kind
        made_by.append("renamed")
    return Input(f"{number}.{suffix}", content, tuple(made_by))


def _crafted(draw: random.Random, number: int, short: Sequence[Sample]) -> Input:
    kind = draw.choice(list(_TEXTS))
    sample = draw.choice(short)
    content = _TEXTS[kind].format(target=draw.choice(_TARGETS)).encode()
    if draw.random() < 0.3:
        content = draw.choice((content + sample.content, sample.content + content))
    suffix = draw.choice((kind, sample.kind))
    return Input(f"{number}.{suffix}", content, ("crafted text",))


def _position(draw: random.Random, content: bytes) -> int:
    # Half of the damage hits the header, where it has most effect.
    end = min(len(content), 600) if draw.random() < 0.5 else len(content)
    return draw.randrange(end) if end else 0


def _flipped(draw: random.Random, content: bytes, _: bytes) -> bytes:
    changed = bytearray(content)
    for _flip in range(draw.choice((1, 2, 5, 20, 100, len(content) // 50))):
        if changed:
            changed[_position(draw, content)] ^= draw.choice((1 << draw.randrange(8), 0xFF))
    return bytes(changed)


def _truncated(draw: random.Random, content: bytes, _: bytes) -> bytes:
    return content[: _position(draw, content)]


def _beheaded(draw: random.Random, content: bytes, _: bytes) -> bytes:
    return content[_position(draw, content) :]


def _inserted(draw: random.Random, content: bytes, _: bytes) -> bytes:
    position, length = _position(draw, content), draw.choice((1, 2, 4, 64, 4096, 65536))
    filling = draw.choice((bytes(length), b"\xff" * length, draw.randbytes(length)))
    return content[:position] + filling + content[position:]


def _cut(draw: random.Random, content: bytes, _: bytes) -> bytes:
    position = _position(draw, content)
    return content[:position] + content[position + draw.choice((1, 2, 4, 64, 4096)) :]


def _swapped(draw: random.Random, content: bytes, _: bytes) -> bytes:
    length = draw.choice((4, 16, 256, 1024))
    first, second = sorted((_position(draw, content), draw.randrange(len(content) + 1)))
    if second < first + length:
        return content
    one, two = content[first : first + length], content[second : second + length]
    between = content[first + length : second]
    return content[:first] + two + between + one + content[second + length :]


def _repeated(draw: random.Random, content: bytes, _: bytes) -> bytes:
    position, length = _position(draw, content), draw.choice((4, 64, 1024))
    part = content[position : position + length] * draw.choice((2, 10, 100))
    return content[:position] + part + content[position:]


def _extreme(draw: random.Random, content: bytes, _: bytes) -> bytes:
    changed = bytearray(content)
    marks = [mark for mark in _FIELDS if mark in content]
    for _field in range(draw.choice((1, 1, 2, 4))):
        position = _position(draw, content)
        if marks and draw.random() < 0.85:
            mark = draw.choice(marks)
            position = max(0, content.index(mark) + draw.choice(_FIELDS[mark]))
        width = draw.choice((1, 2, 4, 4, 8))
        value = draw.choice(_EXTREMES) % 2 ** (8 * width)
        changed[position : position + width] = value.to_bytes(width, draw.choice(("little", "big")))
    return bytes(changed)


def _spliced(draw: random.Random, content: bytes, other: bytes) -> bytes:
    here, there = _position(draw, content), _position(draw, other)
    if draw.random() < 0.3:
        return content[:here] + other + content[here:]
    return content[:here] + other[there:]


DAMAGES: tuple[tuple[str, Callable[[random.Random, bytes, bytes], bytes]], ...] = (
    ("bytes flipped", _flipped),
    ("truncated", _truncated),
    ("beginning lost", _beheaded),
    ("bytes inserted", _inserted),
    ("bytes lost", _cut),
    ("blocks swapped", _swapped),
    ("block repeated", _repeated),
    ("header field at its extreme", _extreme),
    ("header field at its extreme", _extreme),
    ("two containers spliced", _spliced),
)
"""Kinds of damage by name; header fields are twice as likely as the rest."""
