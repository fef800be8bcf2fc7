"""Kinds of tags that other programs leave in files, as functions from bytes to bytes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import mutagen.aiff
import mutagen.apev2
import mutagen.asf
import mutagen.dsf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import mutagen.oggflac
import mutagen.oggopus
import mutagen.oggvorbis
import mutagen.wave

from daemon.tagging.formats.id3_header import unsynchronised
from tests.daemon.tagging.sounds import chunk, frame, id3_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    Tagging = Callable[[bytes], bytes]

LONG = "A title that is longer than thirty characters"
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40

# mutagen's constructors carry no types.
_id3: Any = mutagen.id3
_mp4: Any = mutagen.mp4
_asf: Any = mutagen.asf
_flac: Any = mutagen.flac
_ape: Any = mutagen.apev2
_FILES: dict[str, Any] = {
    "wav": mutagen.wave.WAVE,
    "aiff": mutagen.aiff.AIFF,
    "dsf": mutagen.dsf.DSF,
    "flac": mutagen.flac.FLAC,
    "mp4": mutagen.mp4.MP4,
    "asf": mutagen.asf.ASF,
}
_OGG: dict[bytes, Any] = {
    b"OpusHead": mutagen.oggopus.OggOpus,
    b"\x01vorbis": mutagen.oggvorbis.OggVorbis,
    b"\x7fFLAC": mutagen.oggflac.OggFLAC,
}


def id3v1(comment: bytes = b"a comment", track: int = 5, title: bytes = b"Title") -> bytes:
    """Return a block for the end of a file."""
    fields = (title.ljust(30, b"\0"), b"Artist".ljust(30, b"\0"), b"Album".ljust(30, b"\0"))
    return b"".join((b"TAG", *fields, b"1987", comment.ljust(28, b"\0"), bytes((0, track, 17))))


def ape_block(*, binary: bool = False) -> bytes:
    """Return an APEv2 tag."""
    tag, file = _ape.APEv2(), io.BytesIO()
    tag["Title"], tag["Artist"], tag["Year"] = LONG, ["Artist", "Another"], "1999"
    tag["REPLAYGAIN_TRACK_GAIN"] = "-3.10 dB"
    if binary:
        tag["Cover Art (Front)"] = _ape.APEValue(b"cover.jpg\0" + PICTURE, _ape.BINARY)
    tag.save(file)
    return file.getvalue()


def id3_with_crc() -> bytes:
    """Return a tag with a checksum in its extended header, as Audacity writes it."""
    body = frame(4, b"TIT2", b"\0Exported") + frame(4, b"TPE1", b"\0Somebody") + bytes(40)
    crc = zlib.crc32(body)
    coded = bytes((crc >> shift) & 0x7F for shift in (28, 21, 14, 7, 0))
    return id3_tag(4, b"\0\0\0\x0c\1\x20\5" + coded + body, flags=0x40)


_V23 = (
    frame(3, b"TIT2", b"\1\xff\xfe" + LONG.encode("utf-16-le")),
    frame(3, b"TYER", b"\x001999"),
    frame(3, b"TXXX", b"\0SAME\0one"),
    frame(3, b"COMM", b"\0eng\0a comment"),
    frame(3, b"PRIV", b"owner\0\xff\xe0\0\xff"),
    frame(3, b"APIC", b"\0image/jpeg\0\3\0" + PICTURE),
)
ID3_TAGS: dict[str, bytes] = {
    "ID3v2.2": id3_tag(2, frame(2, b"TT2", b"\0Title"), frame(2, b"TP1", b"\0Artist")),
    "ID3v2.3": id3_tag(3, *_V23, padding=1000),
    "ID3v2.3 without room": id3_tag(3, *_V23),
    "ID3v2.3 unsynchronised": id3_tag(3, unsynchronised(b"".join(_V23)), flags=0x80),
    "ID3v2.4": id3_tag(4, frame(4, b"TIT2", b"\3" + LONG.encode()), frame(4, b"TCON", b"\x0317")),
    "ID3v2.4 of Audacity": id3_with_crc(),
    "ID3v2.4 empty": id3_tag(4, padding=60),
}


def _put_id3(family: str, tag: bytes) -> Tagging:
    def put(content: bytes) -> bytes:
        if family == "wav":
            return with_chunks(content, chunk(b"id3 ", tag))
        if family == "aiff":
            return with_chunks(content, chunk(b"ID3 ", tag, ">"))
        if family == "dsf":
            size = struct.pack("<QQ", len(content) + len(tag), len(content))
            return content[:12] + size + content[28:] + tag
        return tag + content

    return put


def with_chunks(content: bytes, *chunks: bytes) -> bytes:
    """Return a WAV or AIFF with further chunks in front of its first sound chunk."""
    body = content + bytes(len(content) % 2) + b"".join(chunks)
    order = ">" if content[:4] == b"FORM" else "<"
    if content[:4] != b"RIFF" and content[:4] != b"FORM":
        at = content.index(b"data")
        return content[:at] + b"".join(chunks) + content[at:]
    return body[:4] + struct.pack(order + "I", len(body) - 8) + body[8:]


def info(*pairs: tuple[bytes, bytes]) -> bytes:
    """Return a LIST chunk."""
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name, text + b"\0") for name, text in pairs))


_INFO = info(
    (b"INAM", b"Info title"), (b"IART", b"Info artist"), (b"ICMT", b"A comment"),
    (b"IGNR", b"Rock"), (b"ICRD", b"2001-02-03"), (b"IPRT", b"7"), (b"ISFT", b"A recorder"),
)  # fmt: skip
_RARE_INFO = info(
    (b"IENG", "Jörg".encode()), (b"IBPM", b"120"), (b"ICRD", b"03.02.2001 10:00"), (b"IGNR", b"7")
)
_ADTL = chunk(b"LIST", b"adtl" + chunk(b"labl", b"\1\0\0\0here\0"))
_CUE = chunk(b"cue ", struct.pack("<IIIIIII", 1, 1, 0, int.from_bytes(b"data"), 0, 0, 9))


def _saved(family: str, change: Callable[[Any], None]) -> Tagging:
    """Return a tagging by mutagen."""

    def save(content: bytes) -> bytes:
        file = io.BytesIO(content)
        kind = _FILES.get(family) or next(k for magic, k in _OGG.items() if magic in content[:128])
        opened = kind(file)
        if opened.tags is None:
            opened.add_tags()
        change(opened)
        file.seek(0)
        opened.save(file)
        return file.getvalue()

    return save


def _comments(file: Any) -> None:
    file["title"], file["artist"], file["comment"] = LONG, ["Artist", "Another"], "A comment"


def _vorbis_cover(file: Any) -> None:
    file["title"], file["metadata_block_picture"] = LONG, "QUJD" * 20_000


def _flac_cover(file: Any) -> None:
    _comments(file)
    picture = _flac.Picture()
    picture.data, picture.mime = PICTURE, "image/jpeg"
    file.add_picture(picture)
    file.metadata_blocks.insert(1, _flac.Padding(b"\0" * 50))


def _itunes(file: Any) -> None:
    file["\xa9nam"], file["\xa9ART"], file["\xa9cmt"] = LONG, "Artist", "A comment"
    file["trkn"] = [(3, 12)]
    file["----:com.apple.iTunes:LABEL"] = [b"one", b"two"]


def _itunes_cover(file: Any) -> None:
    _itunes(file)
    file["covr"] = [_mp4.MP4Cover(PICTURE, _mp4.MP4Cover.FORMAT_JPEG)]


def _asf_tags(file: Any) -> None:
    file["Title"], file["WM/Genre"], file["WM/Track"] = LONG, "Rock", [7]
    file["WM/Picture"] = [_asf.ASFByteArrayAttribute(value=PICTURE)]
    file["WM/Language"] = [_asf.ASFUnicodeAttribute(value="de", language=0)]


def _flac_head(content: bytes) -> tuple[bytes, bytes]:
    """Return the first metadata block of a FLAC, and its sound."""
    at = 4
    while True:
        last, end = content[at] & 0x80, at + 4 + int.from_bytes(content[at + 1 : at + 4])
        if last:
            return content[8:42], content[end:]
        at = end


def _flac_bare(content: bytes) -> bytes:
    head, sound = _flac_head(content)
    return b"fLaC\x80\0\0\x22" + head + sound


def _udta(content: bytes) -> bytes:
    """Return an MP4 with names of QuickTime and of an unknown kind in `udta`, as phones write."""
    at = content.rindex(b"moov") - 4
    (size,) = struct.unpack_from(">I", content, at)
    if at + size != len(content):
        return content
    text = b"\xa9nam" + struct.pack(">HH", 4, 0x15C7) + b"Name"
    boxes = (
        struct.pack(">I", len(text) + 4)
        + text
        + struct.pack(">I4s", 20, b"SDLN")
        + b"SEQ_PLAY" * 1
        + bytes(4)
    )
    udta = struct.pack(">I4s", len(boxes) + 8, b"udta") + boxes
    if b"udta" in content[at:]:
        return content
    return content[:at] + struct.pack(">I", size + len(udta)) + content[at + 4 :] + udta


_ID3_FRONT = id3_tag(4, frame(4, b"TIT2", b"\3" + LONG.encode()), frame(4, b"TPE1", b"\3Artist"))
_LYRICS = b"LYRICSBEGIN" + b"LYR00005hello" + b"000024LYRICS200"


def _behind(*blocks: bytes) -> Tagging:
    return lambda content: content + b"".join(blocks)


def taggings_of(family: str) -> dict[str, Tagging]:
    """Return how other programs tag files of a family, by name."""
    bare: dict[str, Tagging] = {"no tags": lambda content: content}
    if family in ("mp3", "wav", "aiff", "dsf"):
        bare |= {name: _put_id3(family, tag) for name, tag in ID3_TAGS.items()}
    return bare | _OTHERS.get(family, {})


_APE_FAMILY: dict[str, Tagging] = {
    "APEv2": _behind(ape_block()),
    "APEv2 with a cover": _behind(ape_block(binary=True)),
    "ID3v1": _behind(id3v1()),
    "APEv2 and ID3v1": _behind(ape_block(), id3v1()),
    "ID3v2 in front": lambda content: _ID3_FRONT + content,
    "ID3v2 in front, ID3v1 behind": lambda content: _ID3_FRONT + content + id3v1(),
}
_OTHERS: dict[str, dict[str, Tagging]] = {
    "mp3": {
        "ID3v1": _behind(id3v1()),
        "ID3v1 with an umlaut": _behind(id3v1(title="Käse".encode("latin-1"))),
        "ID3v1 with a long comment": _behind(id3v1(b"c" * 28, track=99)),
        "ID3v2 and ID3v1": lambda content: _ID3_FRONT + content + id3v1(),
        "ID3v2 twice": lambda content: _ID3_FRONT + _ID3_FRONT + content,
        "APEv2": _behind(ape_block()),
        "APEv2 with a cover": _behind(ape_block(binary=True)),
        "APEv2 and ID3v1": _behind(ape_block(), id3v1()),
        "APEv2 and ID3v2": lambda content: _ID3_FRONT + content + ape_block(),
        "APEv2 and an empty ID3v2": lambda content: (
            ID3_TAGS["ID3v2.4 empty"] + content + ape_block()
        ),
        "Lyrics3 and ID3v1": _behind(_LYRICS, id3v1()),
        "APEv2, Lyrics3 and ID3v1": _behind(ape_block(), _LYRICS, id3v1()),
    },
    "wav": {
        "INFO": lambda content: with_chunks(content, _INFO),
        "INFO of rare names": lambda content: with_chunks(content, _RARE_INFO),
        "INFO in another coding": lambda content: with_chunks(
            content, info((b"INAM", "Käse".encode("latin-1")), (b"IART", b"Artist"))
        ),
        "INFO and ID3": lambda content: with_chunks(
            content, _INFO, chunk(b"id3 ", ID3_TAGS["ID3v2.3"])
        ),
        "INFO and an empty ID3": lambda content: with_chunks(
            content, _INFO, chunk(b"id3 ", ID3_TAGS["ID3v2.4 empty"])
        ),
        "two INFO lists": lambda content: with_chunks(content, _RARE_INFO, _INFO),
        "bext, iXML, cue and labels": lambda content: with_chunks(
            content, chunk(b"bext", bytes(602)), chunk(b"iXML", b"<BWFXML/>"), _CUE, _ADTL
        ),
    },
    "aiff": {
        "NAME, AUTH, ANNO": lambda content: with_chunks(
            content,
            chunk(b"NAME", b"Name", ">"),
            chunk(b"AUTH", b"Author", ">"),
            chunk(b"ANNO", b"odd", ">"),
            chunk(b"(c) ", b"1999", ">"),
        ),
        "NAME and ID3": lambda content: with_chunks(
            content, chunk(b"NAME", b"Name", ">"), chunk(b"ID3 ", ID3_TAGS["ID3v2.3"], ">")
        ),
    },
    "flac": {
        "comments": _saved("flac", _comments),
        "comments and a cover": _saved("flac", _flac_cover),
        "no comment block": _flac_bare,
        "ID3v2 in front": lambda content: _ID3_FRONT + content,
        "ID3v2 and no comment block": lambda content: _ID3_FRONT + _flac_bare(content),
        "ID3v1 and no comment block": lambda content: _flac_bare(content) + id3v1(),
        "ID3v2, ID3v1, no comment block": lambda content: (
            _ID3_FRONT + _flac_bare(content) + id3v1()
        ),
        "comments, ID3v2 and ID3v1": lambda content: (
            _ID3_FRONT + _saved("flac", _comments)(content) + id3v1()
        ),
    },
    "ogg": {
        "comments": _saved("ogg", _comments),
        "a large cover": _saved("ogg", _vorbis_cover),
        "comments and ID3v1": lambda content: _saved("ogg", _comments)(content) + id3v1(),
    },
    "mp4": {
        "of iTunes": _saved("mp4", _itunes),
        "of iTunes with a cover": _saved("mp4", _itunes_cover),
        "of QuickTime": _udta,
        "of iTunes and ID3v1": lambda content: _saved("mp4", _itunes)(content) + id3v1(),
    },
    "asf": {"attributes": _saved("asf", _asf_tags)},
    "wavpack": _APE_FAMILY,
    "ape": _APE_FAMILY,
    "musepack": _APE_FAMILY,
}
