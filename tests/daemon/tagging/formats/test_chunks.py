"""Chunks of WAV as programs write them, well and badly, and as nobody would."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import mutagen.wave
import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, write
from daemon.tagging.formats.older_tags import info_texts
from tests.daemon.tagging.readers import BLIND_PARSER
from tests.daemon.tagging.round_trip import round_trip
from tests.daemon.tagging.sounds import chunk, encoded, wav_with

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.basics.keys import Items

# mutagen's constructors carry no types.
wave: Any = mutagen.wave

SOUND = chunk(b"data", bytes(range(100)))
FORMAT = encoded("wav")[12:36]


def made(folder: Path, content: bytes) -> Path:
    path = folder / "sound.wav"
    path.write_bytes(content)
    return path


def riff(*chunks: bytes, size: int | None = None, form: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body) if size is None else size) + body


def written(path: Path, affect: Items) -> bytes:
    return round_trip(path, WriteOptions(BLIND_PARSER), affect)


@pytest.mark.parametrize("behind", [bytes(7), bytes(3000), b"TAG" + bytes(125), b"\r\n", b"LIST"])
@pytest.mark.parametrize("within", [False, True])
def test_what_lies_behind_the_chunks_stays_there(
    tmp_path: Path, affect: Items, behind: bytes, *, within: bool
) -> None:
    size = len(FORMAT + SOUND + behind) + 4 if within else None
    content = riff(FORMAT, SOUND, size=size) if within else riff(FORMAT, SOUND)
    between = written(made(tmp_path, content + behind), affect)
    assert between.endswith(behind)
    assert between[12 : 12 + len(FORMAT + SOUND)] == FORMAT + SOUND
    stated = int.from_bytes(between[4:8], "little") + 8
    assert stated == (len(between) if within else len(between) - len(behind))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_sound_of_a_pipe_gets_its_tags_in_front(tmp_path: Path, affect: Items, size: int) -> None:
    endless = b"data" + struct.pack("<I", size) + bytes(range(100))
    path = made(tmp_path, riff(FORMAT, endless, size=size))
    path.write_bytes(written(path, affect))
    assert path.read_bytes().endswith(endless)
    if size:
        assert str(wave.WAVE(path).tags["TXXX:MOOD_AROUSAL"]) == "42"


def test_the_lengths_of_a_long_wav_follow(tmp_path: Path, affect: Items) -> None:
    endless = b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(range(100))
    lengths = chunk(b"ds64", struct.pack("<QQQI", 36 + 24 + 4 + 108, 100, 25, 0))
    content = riff(lengths, FORMAT, endless, size=0xFFFFFFFF, form=b"RF64")
    between = written(made(tmp_path, content), affect)
    grown = struct.unpack_from("<Q", between, 20)[0] - struct.unpack_from("<Q", content, 20)[0]
    assert grown == len(between) - len(content)
    assert between[4:8] == content[4:8]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (riff(FORMAT, b"data\xe8\3\0\0" + bytes(50), size=1100), "its sound is cut off"),
        (riff(FORMAT, SOUND, b"LIST\xe8\3\0\0INFO", size=2000), "its last chunk is cut off"),
        (riff(FORMAT, b"\0\0\0\0" + SOUND), "it holds no sound"),
        (riff(FORMAT, chunk(b"id3 ", b"ID3")[:-1], SOUND), "it holds no sound|ID3 tag"),
        (riff(FORMAT, SOUND, *[b"abcd\0\0\0\0"] * 10_001), "more than 10000 chunks"),
        (riff(FORMAT, b"data\x63\0\0\0" + b"x" * 99, chunk(b"id3 ", b"ID3")), "lacks its last"),
    ],
    ids=["sound", "list", "no chunk", "tag", "many", "odd"],
)
def test_damage_is_named(tmp_path: Path, affect: Items, content: bytes, reason: str) -> None:
    path = made(tmp_path, content)
    with pytest.raises(TagWriteError, match=reason):
        write(path, affect, WriteOptions(BLIND_PARSER))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("pairs", "texts"),
    [
        ([(b"INAM", b"a\0"), (b"INAM", b"b\0")], {"TIT2": "a"}),
        ([(b"ICRD", b"2001-02"), (b"IGNR", b"Rock")], {"TDRC": "2001-02", "TCON": "Rock"}),
        ([(b"ICRD", b"May 1"), (b"IGNR", b"17")], {"TXXX:DATE": "May 1", "TXXX:GENRE": "17"}),
        ([(b"INAM", b"\xff"), (b"IART", b"\0"), (b"ZZZZ", b"x")], {}),
    ],
)
def test_info_is_repeated_as_others_read_it(
    pairs: list[tuple[bytes, bytes]], texts: dict[str, str]
) -> None:
    body = b"INFO" + b"".join(chunk(name, value) for name, value in pairs)
    assert info_texts(body) == texts


@pytest.mark.parametrize(
    "body", [b"", b"INFO", b"adtlINAM\1\0\0\0a", b"INFOINAM\xff\xff\xff\xff", b"INFOINAM\0\0\0"]
)
def test_an_info_list_of_anything_is_read_without_trouble(body: bytes) -> None:
    assert info_texts(body) == {}


def test_two_lists_that_disagree_are_not_hidden(tmp_path: Path, affect: Items) -> None:
    lists = [chunk(b"LIST", b"INFO" + chunk(b"ISFT", name)) for name in (b"one", b"two")]
    assert b"TSSE" not in written(made(tmp_path, wav_with(*lists)), affect)
