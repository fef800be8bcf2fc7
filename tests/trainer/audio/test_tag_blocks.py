from __future__ import annotations

import os
import random
import struct
from typing import TYPE_CHECKING

import pytest

from tests.trainer.audio.outer_blocks import AROUND, ID3V1, ape_frame, apev2, id3v2, lyrics_v2
from trainer.audio.sound_file import Extent
from trainer.audio.tag_blocks import between_tags

if TYPE_CHECKING:
    from pathlib import Path

SOUND = bytes(range(1, 256)) * 20


def between(folder: Path, content: bytes) -> Extent | None:
    path = folder / "some file"
    path.write_bytes(content)
    return between_tags(path)


def kept(folder: Path, content: bytes) -> bytes:
    extent = between(folder, content)
    return content if extent is None else content[extent.start : extent.end]


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_what_lies_between_the_tags_is_found(tmp_path: Path, around: tuple[bytes, bytes]) -> None:
    front, back = around
    expected = Extent(len(front), len(front) + len(SOUND))
    assert between(tmp_path, front + SOUND + back) == expected


@pytest.mark.parametrize("content", [b"", b"x", b"ID3", b"TAG", SOUND], ids=len)
def test_a_file_without_tags_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    assert between(tmp_path, content) is None


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "pipe"):
        assert between_tags(path) is None


def test_tags_and_nothing_else_leave_nothing(tmp_path: Path) -> None:
    extent = between(tmp_path, id3v2() + apev2() + ID3V1)
    assert extent is not None
    assert extent.start == extent.end


@pytest.mark.parametrize(
    "back",
    [
        ape_frame(2000, 2**32 - 1, 1, 1 << 31),
        ape_frame(2000, 31, 0, 0),
        ape_frame(2000, 2000, 1, 1 << 31),
        ape_frame(1000, 2000, 2, 0),
        ape_frame(1000, 2000, 2**32 - 1, 0),
        apev2(header=False)[1:],
        apev2(header=False)[:-32] + ape_frame(1000, len(apev2(header=False)), 3, 0),
        apev2()[32:],
        apev2()[:32],
        b"LYRICSBEGIN999999LYRICS200",
        b"LYRICSBEGIN-00001LYRICS200",
        b"000000LYRICS200",
        b"LYRICSEND",
        id3v2(footer=True)[10:],
        b"3DI\4\0\x10\x7f\x7f\x7f\x7f",
    ],
)
def test_a_block_that_is_not_whole_is_no_tag(tmp_path: Path, back: bytes) -> None:
    assert kept(tmp_path, SOUND + back) == SOUND + back


@pytest.mark.parametrize(
    "front",
    [b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"ID3\4\0\0\0\0\0\xff", b"ID3\xff\xff\0\0\0\0\0", b"ID3\4\0"],
)
def test_a_front_that_lies_about_its_length_is_no_tag(tmp_path: Path, front: bytes) -> None:
    assert kept(tmp_path, front + SOUND) == front + SOUND


def test_blocks_do_not_reach_into_each_other(tmp_path: Path) -> None:
    front = id3v2(100)
    # It says that it begins inside the ID3v2 block.
    back = ape_frame(2000, len(SOUND) + 132, 1, 0)
    assert kept(tmp_path, front + SOUND + back) == SOUND + back


def test_a_million_blocks_do_not_hold_it_up(tmp_path: Path) -> None:
    some = b"ID3\4\0\0\0\0\0\0" * 100_000 + SOUND + ape_frame(1000, 32, 0, 0) * 100_000
    extent = between(tmp_path, some)
    assert extent is not None
    assert extent.end - extent.start > len(some) - 32 * 32


@pytest.mark.parametrize("seed", range(200))
def test_bytes_turned_anywhere_leave_an_extent_inside_the_file(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    front, back = draw.choice(list(AROUND.values()))
    content = bytearray(front + SOUND + back + draw.choice((b"", lyrics_v2(), ID3V1)))
    for _ in range(draw.choice((1, 3, 30))):
        place = draw.choice((draw.randrange(40), -draw.randrange(1, 300)))
        content[place] = draw.choice((0, 0xFF, 0x7F, draw.randrange(256)))
    if draw.random() < 0.3:
        place = len(content) - draw.randrange(8, 200)
        struct.pack_into("<I", content, place, draw.choice((0, 2**31, 2**32 - 1)))
    extent = between(tmp_path, bytes(content))
    assert extent is None or 0 <= extent.start <= extent.end <= len(content)
