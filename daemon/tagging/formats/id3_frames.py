"""The ID3v2 frames that are ours: user text (TXXX) with our descriptions, and TMOO (mood)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from daemon.tagging.basics.keys import ALL_KEYS, MOOD
from daemon.tagging.formats.id3_header import V22, V23, V24, synchronised, syncsafe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tagging.formats.id3_header import TagHeader

_CODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}
# Per version: flag bits of a frame whose body is compressed, encrypted or grouped.
_OPAQUE = {3: 0x00E0, 4: 0x004C}
_UNSYNCHRONISED, _HAS_LENGTH = 0x0002, 0x0001


def encode_text_frame(major: int, key: str, values: list[str]) -> bytes:
    """Return one frame with all values (v2.4) or one for each; `major` is 2, 3 or 4."""
    if values and major == V24:
        name, prefix = (b"TMOO", "") if key == MOOD else (b"TXXX", f"{key}\0")
        return _frame(major, name, b"\x03" + (prefix + "\0".join(values)).encode())
    name = b"TXXX" if major == V23 else b"TXX"
    return b"".join(_frame(major, name, _old_body(key, value)) for value in values)


def decode_text_frame(header: TagHeader, raw: bytes) -> tuple[str | None, list[str]]:
    """Return key and values of one of our frames, header included; `(None, [])` for all others."""
    name = raw[: 3 if header.major == V22 else 4]
    mood = header.major == V24 and name == b"TMOO"
    if name not in (b"TXX", b"TXXX") and not mood:
        return None, []
    body = _body(header, raw)
    coding = _CODINGS.get(body[0]) if body else None
    if coding is None:
        return None, []
    try:
        if mood:
            return MOOD, _split(body[1:], coding)
        key, *values = _split(body[1:], coding)
    except UnicodeDecodeError:
        return None, []
    # Others spell the mood of v2.3 in either case, and it must never be written over.
    key = MOOD if key.upper() == MOOD else key
    return (key, values or [""]) if key in ALL_KEYS else (None, [])


def repeated_frames(texts: Mapping[str, str]) -> bytes:
    """Return v2.4 frames for texts of older tags, given by the names of the frames."""
    return b"".join(_repeated(name, text) for name, text in texts.items())


def _split(text: bytes, coding: str) -> list[str]:
    parts = text.decode(coding).split("\0")
    # A trailing null ends the last value, it does not start another.
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    # Each UTF-16 value may begin with a mark of its own.
    return [part.lstrip("\ufeff") for part in parts]


def _body(header: TagHeader, raw: bytes) -> bytes:
    if header.major == V22:
        return raw[6:]
    flags = struct.unpack_from(">H", raw, 8)[0]
    if flags & _OPAQUE[header.major]:
        return b""
    body = raw[10:]
    if header.major == V24:
        body = body[4:] if flags & _HAS_LENGTH else body
        if header.is_unsynchronised or flags & _UNSYNCHRONISED:
            body = synchronised(body)
    return body


def _repeated(name: str, text: str) -> bytes:
    frame, _, description = name.partition(":")
    before = {"TXXX": f"{description}\0".encode(), "COMM": b"XXX\0"}.get(frame, b"")
    try:
        body = b"\x00" + before + text.encode("latin-1")
    except UnicodeEncodeError:
        body = b"\x03" + before + text.encode()
    return _frame(V24, frame.encode(), body)


def _old_body(key: str, value: str) -> bytes:
    text = f"{key}\0{value}"
    try:
        return b"\x00" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"\x01" + f"{key}\0".encode("utf-16") + value.encode("utf-16")


def _frame(major: int, name: bytes, body: bytes) -> bytes:
    if major == V22:
        return name + len(body).to_bytes(3, "big") + body
    size = syncsafe(len(body)) if major == V24 else len(body).to_bytes(4, "big")
    return name + size + b"\0\0" + body
