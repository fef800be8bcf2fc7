"""Tags that players show only where there is no newer one: ID3v1, and the INFO list of WAV.

A first tag of ours would hide them, so their texts are repeated in it, by the names of ID3v2.4
frames: `TIT2`, or `TXXX:` and a description.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import View

Texts = dict[str, str]
"""Texts by the name of their frame."""

MOST_INFO_BYTES: Final = 1 << 20
"""Longer lists are not repeated."""

IN_VORBIS: Final = {
    "TIT2": "TITLE",
    "TPE1": "ARTIST",
    "TALB": "ALBUM",
    "TDRC": "DATE",
    "COMM": "COMMENT",
    "TRCK": "TRACKNUMBER",
    "TCON": "GENRE",
}
"""Names in Vorbis comments of what an ID3v1 block says."""

IN_APE: Final = {
    "TIT2": "Title",
    "TPE1": "Artist",
    "TALB": "Album",
    "TDRC": "Year",
    "COMM": "Comment",
    "TRCK": "Track",
    "TCON": "Genre",
}
"""Names in APEv2 of what an ID3v1 block says."""

_V1_LENGTH: Final = 128
_V1_FIELDS: Final = {"TIT2": (3, 33), "TPE1": (33, 63), "TALB": (63, 93), "TDRC": (93, 97)}
_V1_COMMENT, _V1_TRACK, _V1_GENRE = (97, 127), 126, 127
_GENRES: Final = 192
_CHUNK: Final = 1 << 16

# Those that TagLib shows, and so most players; the description is its name for what has no frame.
_INFO: Final = {
    b"INAM": "TIT2",
    b"IART": "TPE1",
    b"IPRD": "TALB",
    b"ICRD": "TDRC",
    b"IPRT": "TRCK",
    b"IGNR": "TCON",
    b"ICMT": "COMM",
    b"ICOP": "TCOP",
    b"ISFT": "TSSE",
    b"ITCH": "TENC",
    b"IMUS": "TCOM",
    b"IBPM": "TBPM",
    b"ISRC": "TSRC",
    b"IPUB": "TPUB",
    b"ILNG": "TLAN",
    b"IWRI": "TEXT",
    b"IMED": "TMED",
    b"IEDT": "TPE4",
    b"IENG": "TXXX:ARRANGER",
    b"ISTR": "TXXX:PERFORMER",
    b"ICNT": "TXXX:RELEASECOUNTRY",
    b"IBSU": "TXXX:ARTISTWEBPAGE",
    b"IDIT": "TXXX:ENCODINGTIME",
}
# Readers turn the number of a genre into its name, and mend what is no date of ID3.
_PLAIN: Final = {
    "TDRC": (re.compile(r"\d{4}(-\d\d){0,2}"), "TXXX:DATE"),
    "TCON": (re.compile(r"[^\W\d][^\0]*"), "TXXX:GENRE"),
}


def id3v1_block(view: View) -> bytes:
    """Return the ID3v1 block at the end of a file; no bytes if there is none."""
    end = view.read(max(0, view.size - 131), 131)
    # An APEv2 tag of that very length holds the same letters there.
    return end[-128:] if end[-128:].startswith(b"TAG") and end[:6] != b"APETAG" else b""


def id3v1_texts(view: View) -> Texts:
    """Return what an ID3v1 block says, a genre by its number."""
    block = id3v1_block(view)
    if len(block) < _V1_LENGTH:
        return {}
    has_track = block[_V1_TRACK - 1] == 0 and block[_V1_TRACK] != 0
    fields = {**_V1_FIELDS, "COMM": (_V1_COMMENT[0], _V1_TRACK - 1 if has_track else 127)}
    texts = {
        name: block[start:end].split(b"\0")[0].strip().decode("latin-1")
        for name, (start, end) in fields.items()
    }
    if has_track:
        texts["TRCK"] = str(block[_V1_TRACK])
    if block[_V1_GENRE] < _GENRES:
        texts["TCON"] = str(block[_V1_GENRE])
    return {name: text for name, text in texts.items() if text}


def info_texts(body: bytes) -> Texts:
    """Return what a LIST chunk says, if it is an INFO list; what is not UTF-8 is left out."""
    texts: Texts = {}
    at = 4
    while body.startswith(b"INFO") and at + 8 <= len(body):
        name, size = struct.unpack_from("<4sI", body, at)
        raw = body[at + 8 : at + 8 + size].split(b"\0")[0]
        at += 8 + size + size % 2
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            continue
        if text and name in _INFO:
            frame = _INFO[name]
            pattern, described = _PLAIN.get(frame, (None, ""))
            fits = pattern is None or pattern.fullmatch(text)
            texts.setdefault(frame if fits else described, text)
    return texts


def is_outer(view: View, at: int) -> bool:
    """Tell whether what other programs put behind a sound begins here: other tags, or zeros."""
    head = view.read(at, 8)
    if head.startswith(b"TAG") or head == b"APETAGEX":
        return True
    return not head.strip(b"\0") and not any(
        view.read(start, _CHUNK).strip(b"\0") for start in range(at, view.size, _CHUNK)
    )
