"""Extended headers, footers and unsynchronisation of ID3v2: well formed, wrong and hostile."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import av
import mutagen.id3
import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, restore, strip, write
from daemon.tagging.file_history import FileHistory
from tests.daemon.tagging.readers import read
from tests.daemon.tagging.sounds import chunk, encoded, frame, wav_with

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.basics.keys import Items

MP3 = encoded("mp3-bare")
id3: Any = mutagen.id3
TEXTS = {"TIT2": "Exported", "TPE1": "Somebody"}


def syncsafe(value: int, count: int = 4) -> bytes:
    return bytes(value >> 7 * place & 0x7F for place in reversed(range(count)))


def frames(version: int) -> bytes:
    return b"".join(
        frame(version, name.encode(), b"\0" + text.encode()) for name, text in TEXTS.items()
    )


def tag(version: int, extended: bytes, body: bytes, flags: int = 0x40) -> bytes:
    return b"ID3" + bytes([version, 0, flags]) + syncsafe(len(extended + body)) + extended + body


def v24(body: bytes, flags: int, fields: bytes) -> bytes:
    extended = syncsafe(6 + len(fields)) + bytes([1, flags]) + fields
    return tag(4, extended, body)


def libid3tag(padding: int = 40) -> bytes:
    """The tag as Audacity exports it: ID3v2.4 with a checksum over frames and padding."""
    body = frames(4) + bytes(padding)
    return v24(body, 0x20, b"\5" + syncsafe(zlib.crc32(body), 5))


def v23_with_crc(padding: int = 40) -> bytes:
    body = frames(3)
    extended = struct.pack(">IHII", 10, 0x8000, padding, zlib.crc32(body))
    return tag(3, extended, body + bytes(padding))


def crc_of(content: bytes | bytearray) -> tuple[int, int]:
    """The checksum that a tag holds, and the one that it should hold."""
    size = sum(byte << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))
    body = content[10 : 10 + size]
    if content[3] == 4:
        at = 7 + (1 if body[5] & 0x40 else 0)
        held = 0
        for byte in body[at : at + 5]:
            held = held << 7 | byte
        return held, zlib.crc32(body[body[3] :])
    held, padding = struct.unpack_from(">I", body, 10)[0], struct.unpack_from(">I", body, 6)[0]
    return held, zlib.crc32(body[14 : len(body) - padding])


def made(folder: Path, raw: bytes, host: str = "mp3") -> Path:
    path = folder / f"sound.{host}"
    path.write_bytes(raw + MP3 if host == "mp3" else wav_with(chunk(b"id3 ", raw)))
    return path


def tag_of(path: Path) -> bytes:
    content = path.read_bytes()
    return content[content.index(b"ID3") :]


def check_readers(path: Path, arousal: str | None, *, ours_by_ffmpeg: bool = True) -> None:
    """mutagen and ffmpeg must read ours and everything else."""
    tags = mutagen.File(path).tags
    assert {name: str(tags[name]) for name in TEXTS} == TEXTS
    assert [str(text) for text in tags.getall("TXXX:MOOD_AROUSAL")] == [arousal] * bool(arousal)
    with av.open(str(path)) as container:
        found = container.metadata
    assert (found["title"], found["artist"]) == tuple(TEXTS.values())
    if ours_by_ffmpeg:
        assert found.get("MOOD_AROUSAL") == arousal


@pytest.mark.parametrize("host", ["mp3", "wav"])
@pytest.mark.parametrize("padding", [0, 1, 40, 1000])
@pytest.mark.parametrize("build", [libid3tag, v23_with_crc])
def test_a_checksum_is_calculated_again(
    tmp_path: Path, options: WriteOptions, affect: Items, build: Any, padding: int, host: str
) -> None:
    path = made(tmp_path, build(padding), host)
    before = path.read_bytes()
    done = write(path, affect, options)
    check_readers(path, "42")
    held, right = crc_of(tag_of(path))
    assert held == right
    assert held != crc_of(build(padding))[0]
    assert done.undo is not None
    restore(path, options, FileHistory.of([done.undo]))
    assert path.read_bytes() == before
    write(path, affect, options)
    strip(path, options)
    held, right = crc_of(tag_of(path))
    assert held == right
    check_readers(path, None)


def test_a_wrong_checksum_does_not_stop_a_write(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    raw = bytearray(libid3tag())
    raw[21] ^= 1
    path = made(tmp_path, bytes(raw))
    assert len(set(crc_of(raw))) == 2
    write(path, affect, options)
    check_readers(path, "42")
    assert len(set(crc_of(tag_of(path)))) == 1


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (0x40, b"\0"),
        (0x10, b"\1\xff"),
        (0x50, b"\0\1\xff"),
        (0x60, b"\0\5" + bytes(5)),
        (0x30, b"\5" + bytes(5) + b"\1\xff"),
        (0x00, b""),
    ],
    ids=["update", "restrictions", "both", "update and crc", "crc and restrictions", "nothing"],
)
def test_updates_and_restrictions(
    tmp_path: Path, options: WriteOptions, affect: Items, flags: int, fields: bytes
) -> None:
    path = made(tmp_path, v24(frames(4), flags, fields))
    before = path.read_bytes()
    done = write(path, affect, options)
    check_readers(path, "42")
    after = tag_of(path)[10 : 10 + 6 + len(fields)]
    assert after[:6] == before[10:16]
    if flags & 0x20:
        held, right = crc_of(tag_of(path))
        assert held == right
    if flags & 0x10:
        # Only what restricts pictures, which we do not touch, still holds for sure.
        assert after[-1] == 0x07
    assert done.undo is not None
    restore(path, options, FileHistory.of([done.undo]))
    assert path.read_bytes() == before


def test_a_flag_without_an_extended_header_is_understood(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = made(tmp_path, tag(3, b"", frames(3)))
    write(path, affect, options)
    assert str(id3.ID3(path)["TIT2"]) == "Exported"
    assert read(path)["MOOD_AROUSAL"] == ["42"]


@pytest.mark.parametrize(
    "raw",
    [
        tag(4, syncsafe(200) + b"\1\x20\5" + bytes(5), frames(4)),
        tag(4, syncsafe(5) + b"\1\0", frames(4)),
        tag(4, syncsafe(0) + b"\1\0", frames(4)),
        tag(4, b"\xff\xff\xff\xff\1\0", frames(4)),
        tag(4, syncsafe(12) + b"\2\x20\5" + bytes(5), frames(4)),
        tag(4, syncsafe(12) + b"\1\x20\4" + bytes(5), frames(4)),
        tag(4, syncsafe(12) + b"\1\x20\x7f" + bytes(5), frames(4)),
        tag(4, syncsafe(12) + b"\1\x20", b""),
        tag(4, b"\0\0", b""),
        tag(3, struct.pack(">IHI", 6, 0x8000, 0), frames(3)),
        tag(3, struct.pack(">IHII", 10, 0, 0, 0), frames(3)),
        tag(3, struct.pack(">IHI", 0xFFFFFFFF, 0, 0), frames(3)),
        tag(3, struct.pack(">IH", 6, 0), b""),
        tag(3, b"\0", b""),
    ],
)
def test_a_hostile_extended_header_is_refused(
    tmp_path: Path, options: WriteOptions, affect: Items, raw: bytes
) -> None:
    path = made(tmp_path, raw)
    before = path.read_bytes()
    with pytest.raises(TagWriteError, match=r"extended header is damaged|cut short or damaged"):
        write(path, affect, options)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_checksum_over_bytes_of_unknown_meaning_is_refused(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    body = frames(4) + b"\1\2 junk"
    path = made(tmp_path, v24(body, 0x20, b"\5" + syncsafe(zlib.crc32(body), 5)))
    with pytest.raises(TagWriteError, match="ID3 tag is damaged"):
        write(path, affect, options)


@pytest.mark.parametrize("extended", [False, True])
def test_a_footer_repeats_the_header(
    tmp_path: Path, options: WriteOptions, affect: Items, *, extended: bool
) -> None:
    body = frames(4)
    head = syncsafe(12) + b"\1\x20\5" + syncsafe(zlib.crc32(body), 5) if extended else b""
    raw = tag(4, head, body, flags=0x50 if extended else 0x10)
    path = made(tmp_path, raw + b"3DI" + raw[3:10])
    before = path.read_bytes()
    done = write(path, affect, options)
    check_readers(path, "42")
    content = path.read_bytes()
    end = content.index(b"3DI")
    assert content[end + 3 : end + 10] == content[3:10]
    assert content[end + 10 :] == MP3
    if extended:
        assert len(set(crc_of(content))) == 1
    assert done.undo is not None
    restore(path, options, FileHistory.of([done.undo]))
    assert path.read_bytes() == before


class TestUnsynchronisation:
    PRIVATE = b"owner\0\xff\xe3\xff\0\xff\xfb\xff"

    def check(
        self, path: Path, options: WriteOptions, affect: Items, *, ours_by_ffmpeg: bool = True
    ) -> None:
        before = path.read_bytes()
        done = write(path, affect, options)
        tags = id3.ID3(path)
        assert [private.data for private in tags.getall("PRIV")] == [self.PRIVATE[6:]]
        check_readers(path, "42", ours_by_ffmpeg=ours_by_ffmpeg)
        assert read(path)["MOOD_AROUSAL"] == ["42"]
        assert done.undo is not None
        restore(path, options, FileHistory.of([done.undo]))
        assert path.read_bytes() == before

    @pytest.mark.parametrize("extended", [False, True])
    @pytest.mark.parametrize("padding", [0, 20])
    def test_of_a_whole_tag(
        self, tmp_path: Path, options: WriteOptions, affect: Items, padding: int, *, extended: bool
    ) -> None:
        body = frames(3) + frame(3, b"PRIV", self.PRIVATE)
        head = struct.pack(">IHII", 10, 0x8000, padding, zlib.crc32(body)) if extended else b""
        stored = (head + body).replace(b"\xff", b"\xff\0") + bytes(padding)
        path = made(tmp_path, tag(3, b"", stored, flags=0xC0 if extended else 0x80))
        # ffmpeg takes sizes in such a tag for sizes in the file, and loses its way behind PRIV.
        self.check(path, options, affect, ours_by_ffmpeg=False)

    @pytest.mark.parametrize(
        "left_out", [b"\xff\0\xfb", b"\xff\0"], ids=["before a byte", "at the end"]
    )
    def test_in_part_only_is_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items, left_out: bytes
    ) -> None:
        stored = (frames(3) + frame(3, b"PRIV", self.PRIVATE)).replace(b"\xff", b"\xff\0")
        at = stored.rindex(left_out)
        path = made(tmp_path, tag(3, b"", stored[: at + 1] + stored[at + 2 :], flags=0x80))
        before = path.read_bytes()
        with pytest.raises(TagWriteError, match="unsynchronised in an unusual way"):
            write(path, affect, options)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("tag_flag", [0, 0x80])
    def test_of_each_frame(
        self, tmp_path: Path, options: WriteOptions, affect: Items, tag_flag: int
    ) -> None:
        private = self.PRIVATE.replace(b"\xff", b"\xff\0")
        ours = "MOOD_VALENCE\0".encode("utf-16") + "55".encode("utf-16")
        body = frames(4) + frame(4, b"PRIV", private, flags=0x0002)
        body += frame(4, b"TXXX", b"\1" + ours.replace(b"\xff", b"\xff\0"), flags=0x0002)
        path = made(tmp_path, tag(4, b"", body, flags=tag_flag))
        assert read(path) == {"MOOD_VALENCE": ["55"]}
        self.check(path, options, affect)

    def test_by_the_flag_of_the_tag_alone(self, tmp_path: Path) -> None:
        ours = "MOOD_VALENCE\0".encode("utf-16") + "55".encode("utf-16")
        stored = frame(4, b"TXXX", b"\1" + ours.replace(b"\xff", b"\xff\0"))
        path = made(tmp_path, tag(4, b"", stored, flags=0x80))
        assert read(path) == {"MOOD_VALENCE": ["55"]}
