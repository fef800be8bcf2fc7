from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sounds import music_like, stereo, write_audio
from trainer.audio.container import open_sound, sound_packets
from trainer.audio.packets import ogg_pages
from trainer.audio.packets.ogg_pages import sound_extents
from trainer.audio.sound_file import FileView, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLYNOMIAL = 0x04C11DB7

Pages = list[bytearray]


def checksum(page: bytes | bytearray) -> int:
    """Computes the checksum bit by bit, as RFC 3533 defines it."""
    found = 0
    for byte in page:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 ^ (POLYNOMIAL if found >> 31 else 0)) & 0xFFFFFFFF
    return found


def pages_of(content: bytes) -> Pages:
    pages, at = [], 0
    while at < len(content):
        body = at + 27 + content[at + 26]
        end = body + sum(content[at + 27 : body])
        pages.append(bytearray(content[at:end]))
        at = end
    return pages


def joined(pages: Pages) -> bytes:
    """Joins pages, numbered in order and with the right checksums."""
    for number, page in enumerate(pages):
        page[18:22] = number.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = checksum(page).to_bytes(4, "little")
    return b"".join(pages)


def found_in(path: Path, codec: str) -> bytes:
    with opened(path) as file:
        view = FileView(file)
        extents = sound_extents(view, codec)
        return b"".join(piece for extent in extents for piece in view.pieces(extent))


def packets_of(path: Path) -> bytes:
    with open_sound(path) as (container, stream):
        return b"".join(bytes(packet) for packet in sound_packets(container, stream))


@pytest.fixture(params=["vorbis", "opus"])
def codec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path, codec: str) -> Path:
    kind = "ogg" if codec == "vorbis" else codec
    sound = music_like(8, 48000)
    return write_audio(tmp_path / f"sound.{kind}", stereo(sound, sound), 48000, kind=kind)


def test_the_packets_of_a_whole_file_are_found(path: Path, codec: str) -> None:
    found = found_in(path, codec)
    assert len(found) > path.stat().st_size / 2
    assert found == packets_of(path)
    path.write_bytes(joined(pages_of(path.read_bytes())))
    assert found_in(path, codec) == found


def test_a_file_of_very_many_pages_is_left_to_ffmpeg(
    path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = len(pages_of(path.read_bytes())) - 2
    monkeypatch.setattr(ogg_pages, "_MOST_PAGES", pages)
    assert found_in(path, codec)
    monkeypatch.setattr(ogg_pages, "_MOST_PAGES", 2)
    assert found_in(path, codec) == b""


def test_other_codecs_are_left_to_ffmpeg(path: Path) -> None:
    assert found_in(path, "speex") == b""


def twice(pages: Pages, index: int) -> Pages:
    return [*pages[: index + 1], bytearray(pages[index]), *pages[index + 1 :]]


def of_another(pages: Pages) -> Pages:
    pages[-1][14] ^= 1
    return pages


def going_back(pages: Pages) -> Pages:
    pages[-1][6:14] = (1).to_bytes(8, "little")
    return pages


def with_an_empty_packet(pages: Pages) -> Pages:
    page = pages[-1]
    page[26] += 1
    page.insert(27, 0)
    return pages


def cut_off(pages: Pages) -> Pages:
    page = pages[-1]
    page[26] += 1
    page.insert(27 + page[26] - 1, 255)
    page += bytes(255)
    return pages


CRAFTED: dict[str, Callable[[Pages], Pages]] = {
    "another stream": of_another,
    "two streams": lambda pages: pages + pages,
    "a header twice": lambda pages: twice(pages, 1),
    "positions that go back": going_back,
    "an empty packet": with_an_empty_packet,
    "a packet that is cut off": cut_off,
    "no sound": lambda pages: pages[:2],
    "headers alone": lambda pages: pages[:1],
    "no first page": lambda pages: pages[1:],
    "sound after the last page": lambda pages: twice(pages, len(pages) - 1),
}


@pytest.mark.parametrize("craft", CRAFTED.values(), ids=CRAFTED.keys())
def test_a_file_that_no_encoder_writes_is_left_to_ffmpeg(
    path: Path, codec: str, craft: Callable[[Pages], Pages]
) -> None:
    path.write_bytes(joined(craft(pages_of(path.read_bytes()))))
    assert found_in(path, codec) == b""


@pytest.mark.parametrize("place", [0, 5, 22, 26, 40, -300, -1])
def test_a_byte_that_was_turned_is_left_to_ffmpeg(path: Path, codec: str, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    assert found_in(path, codec) == b""


@pytest.mark.parametrize("end", [10, 30, 1000, -1])
def test_a_file_that_is_cut_off_is_left_to_ffmpeg(path: Path, codec: str, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])
    assert found_in(path, codec) == b""
