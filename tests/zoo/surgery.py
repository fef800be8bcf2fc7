"""What recorders, converters, cutters and failing disks make of files, as functions of bytes."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.zoo.tag_kinds import ape_block, id3v1

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Surgery:
    """A change to a file.

    Attributes:
        change: what is done to its bytes; None as the result if it does not apply.
        is_good: whether players play the result like the file before, so that it must be heard.
    """

    change: Callable[[bytes], bytes | None]
    is_good: bool = True


def surgeries_of(family: str) -> dict[str, Surgery]:
    """Return what happens to files of a family, by name."""
    return _ANY | _OF_FAMILY.get(family, {})


def _flipped(seed: int) -> Callable[[bytes], bytes]:
    def flip(content: bytes) -> bytes:
        rng, changed = random.Random(seed + len(content)), bytearray(content)
        for _ in range(4):
            changed[rng.randrange(min(len(content), 4096))] ^= 1 << rng.randrange(8)
        return bytes(changed)

    return flip


_ANY = {
    "zeros behind": Surgery(lambda content: content + bytes(2000)),
    "ID3v1 behind": Surgery(
        lambda content: (
            None if b"TAG" in content[-128:] or b"INFO" in content else content + id3v1()
        )
    ),
    "APEv2 behind": Surgery(
        lambda content: None if b"APETAGEX" in content else content + ape_block()
    ),
    "line end behind": Surgery(lambda content: content + b"\r\n"),
    "cut off": Surgery(lambda content: content[: len(content) * 2 // 3], is_good=False),
    "bits flipped": Surgery(_flipped(1), is_good=False),
    "other bits flipped": Surgery(_flipped(2), is_good=False),
}


def _size(value: int) -> Surgery:
    def put(content: bytes) -> bytes | None:
        is_riff = content[:4] == b"RIFF"
        return content[:4] + struct.pack("<I", value) + content[8:] if is_riff else None

    return Surgery(put)


def _sound_size(value: int, *, odd: bool = False, padded: bool = True) -> Surgery:
    def put(content: bytes) -> bytes | None:
        if content[:4] != b"RIFF":
            return None
        at = content.index(b"data")
        (size,) = struct.unpack_from("<I", content, at + 4)
        end = at + 8 + size
        if odd:
            rest = content[end + size % 2 :]
            content = content[: end - 1 - size % 2] + bytes(padded) + rest
            size = size - 1 - size % 2
            return content[: at + 4] + struct.pack("<I", size) + content[at + 8 :]
        if len(content) > end + 1:
            return None
        return (
            b"RIFF"
            + struct.pack("<I", value)
            + content[8 : at + 4]
            + struct.pack("<I", value)
            + content[at + 8 : end]
        )

    return Surgery(put)


def _boxes(content: bytes) -> dict[bytes, tuple[int, int]]:
    found, at = {}, 0
    while at + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        if size < 8:
            break
        found[name] = (at, size)
        at += size
    return found


def _long_sound_box(content: bytes) -> bytes | None:
    at, size = _boxes(content).get(b"mdat", (0, 0))
    if content[at - 8 : at] != b"\0\0\0\x08free":
        return None
    head = struct.pack(">I4sQ", 1, b"mdat", size + 8)
    return content[: at - 8] + head + content[at + 8 :]


def _long_positions(content: bytes) -> bytes | None:
    boxes = _boxes(content)
    sound, index = boxes.get(b"mdat", (0, 0))[0], boxes.get(b"moov", (0, 0))[0]
    if not 0 < sound < index or content.count(b"stco") != 1:
        return None
    at = content.index(b"stco", index) - 4
    (count,) = struct.unpack_from(">I", content, at + 12)
    places = struct.unpack_from(f">{count}I", content, at + 16)
    table = struct.pack(f">I4sII{count}Q", 16 + 8 * count, b"co64", 0, count, *places)
    changed = bytearray(content[:at] + table + content[at + 16 + 4 * count :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        box = changed.index(name, index) - 4
        (size,) = struct.unpack_from(">I", changed, box)
        struct.pack_into(">I", changed, box, size + 4 * count)
    return bytes(changed)


def _doubled(content: bytes) -> bytes:
    return content + content


_OF_FAMILY: dict[str, dict[str, Surgery]] = {
    "mp3": {
        "begins inside a frame": Surgery(
            lambda content: content[130:] if content[:1] == b"\xff" else None
        ),
        "zeros in front": Surgery(lambda c: bytes(3000) + c if c[:1] == b"\xff" else None),
        "head of a web server": Surgery(
            lambda c: b"HTTP/1.0 200 OK\r\n\r\n" + c if c[:1] == b"\xff" else None
        ),
    },
    "wav": {
        "size 0": _size(0),
        "size of a pipe": _size(0xFFFFFFFF),
        "size of a few bytes": _size(100),
        "sound of a pipe": _sound_size(0xFFFFFFFF),
        "sound of sox in a pipe": _sound_size(0x7FFFF000),
        "sound of a recorder that was switched off": _sound_size(0),
        "odd sound": _sound_size(0, odd=True),
        "odd sound without its last byte": _sound_size(0, odd=True, padded=False),
    },
    "mp4": {
        "long sound box": Surgery(_long_sound_box),
        "long positions": Surgery(_long_positions),
        "free space behind": Surgery(lambda c: c + struct.pack(">I4s", 40, b"free") + bytes(32)),
        "without its brand": Surgery(
            lambda c: c[int.from_bytes(c[:4]) :] if b"mdat" in c[28:60] else None, is_good=False
        ),
    },
    "ogg": {"chained": Surgery(_doubled, is_good=False)},
}
