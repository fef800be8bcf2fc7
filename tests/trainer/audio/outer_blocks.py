"""Tags as programs put them in front of sound files and behind them."""

from __future__ import annotations

import struct

ID3V1 = b"TAG" + b"Some title".ljust(30, b"\0") + bytes(95)
ID3V1_EXTENDED = b"TAG+" + bytes(223) + ID3V1
LYRICS_V1 = b"LYRICSBEGIN" + b"[00:01]hello" + b"LYRICSEND" + ID3V1


def id3v2(length: int = 3000, *, footer: bool = False) -> bytes:
    """Returns an ID3v2.4 tag of one long frame with padding."""
    body = b"\3MOOD_AROUSAL\0" + b"7" * length
    size = b"TXXX" + _synchsafe(len(body)) + b"\0\0" + body + (b"" if footer else bytes(500))
    flags, around = (0x10, _synchsafe(len(size))) if footer else (0, _synchsafe(len(size)))
    end = b"3DI\4\0" + bytes([flags]) + around if footer else b""
    return b"ID3\4\0" + bytes([flags]) + around + size + end


def apev2(length: int = 3000, *, header: bool = True) -> bytes:
    """Returns an APE tag of two items, version 2 with a header or version 1 without."""
    items = b"".join(
        struct.pack("<II", len(value), 0) + key + b"\0" + value
        for key, value in ((b"Title", b"A"), (b"MOOD_AROUSAL", b"7" * length))
    )
    if not header:
        return items + ape_frame(1000, len(items) + 32, 2, 0)
    fields = (2000, len(items) + 32, 2)
    return ape_frame(*fields, 0b101 << 29) + items + ape_frame(*fields, 0b100 << 29)


def ape_frame(version: int, size: int, count: int, flags: int) -> bytes:
    """Returns the header or footer of an APE tag."""
    return struct.pack("<8sIIIIQ", b"APETAGEX", version, size, count, flags, 0)


def lyrics_v2(length: int = 300) -> bytes:
    """Returns a Lyrics3v2 block, with the ID3v1 block that belongs behind it."""
    body = b"LYRICSBEGIN" + b"LYR%05d" % length + b"x" * length
    return body + b"%06dLYRICS200" % len(body) + ID3V1


def _synchsafe(number: int) -> bytes:
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


AROUND: dict[str, tuple[bytes, bytes]] = {
    "ID3v1": (b"", ID3V1),
    "extended ID3v1": (b"", ID3V1_EXTENDED),
    "ID3v2": (id3v2(), b""),
    "large ID3v2": (id3v2(300_000), b""),
    "two ID3v2": (id3v2(10) + id3v2(20), b""),
    "ID3v2 at the end": (b"", id3v2(footer=True)),
    "APEv2": (b"", apev2()),
    "large APEv2": (b"", apev2(300_000)),
    "APEv2 that looks like ID3v1": (b"", apev2(31)),
    "APEv1": (b"", apev2(header=False)),
    "APEv2 and ID3v1": (b"", apev2() + ID3V1),
    "Lyrics3v1": (b"", LYRICS_V1),
    "APEv2, Lyrics3v2 and ID3v1": (b"", apev2() + lyrics_v2()),
    "both ends": (id3v2(), apev2() + ID3V1),
}
"""What stands in front of a sound and behind it, by name."""
