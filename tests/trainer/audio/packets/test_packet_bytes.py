from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from bench.fuzz.good_files import good_files
from bench.fuzz.mutations import damaged
from tests.sounds import music_like, stereo, write_audio
from tests.trainer.audio.outer_blocks import ID3V1, apev2, id3v2
from trainer.audio.container import open_sound, sound_packets
from trainer.audio.packets.packet_bytes import packet_bytes
from trainer.audio.sound_file import FileView, opened
from trainer.audio.tag_blocks import between_tags
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.fuzz.good_files import Sample

ADJOIN = ["wav", "f32.wav", "aiff", "mp3", "m4a", "alac.m4a", "ogg", "opus"]
DAMAGED = {*ADJOIN, "au", "w64", "adpcm.wav", "mp4"}
SEED = 20163
INPUTS = 250


def pieces_of(path: Path) -> list[bytes]:
    with opened(path) as file:
        within = between_tags(file)
        with open_sound(file, within, decoded=False) as (container, stream):
            return [bytes(each) for each in packet_bytes(FileView(file, within), container, stream)]


def packets_of(path: Path) -> list[bytes]:
    with opened(path) as file, open_sound(file, between_tags(file)) as (container, stream):
        return [bytes(packet) for packet in sound_packets(container, stream) if packet.size]


def told(read: Callable[[Path], list[bytes]], path: Path) -> bytes | str:
    """Returns the bytes of the sound, or why there are none."""
    try:
        return b"".join(read(path))
    except UnreadableClip as error:
        return error.reason


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    short, long = good_files(tmp_path_factory.mktemp("good"))
    return [sample for sample in (*short, *long) if sample.kind in DAMAGED]


def written(folder: Path, kind: str) -> Path:
    rate_hz = 48000 if kind == "opus" else 44100
    sound = music_like(3, rate_hz)
    return write_audio(folder / f"sound.{kind}", stereo(sound, sound), rate_hz, kind=kind)


@pytest.mark.parametrize("kind", ADJOIN)
def test_packets_that_adjoin_are_read_in_fewer_pieces(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind)
    pieces, packets = pieces_of(path), packets_of(path)
    assert b"".join(pieces) == b"".join(packets)
    assert len(pieces) < len(packets) * 2 / 3


@pytest.mark.parametrize("kind", ["mp3", "wav"])
def test_tags_around_the_file_are_not_read(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind)
    before = b"".join(packets_of(path))
    path.write_bytes(id3v2() + path.read_bytes() + apev2() + ID3V1)
    assert b"".join(pieces_of(path)) == before


def test_bytes_are_those_of_the_packets_whatever_the_damage(
    tmp_path: Path, samples: list[Sample]
) -> None:
    read = 0
    for number in range(INPUTS):
        made = damaged(SEED, number, samples, samples)
        path = tmp_path / made.name
        path.write_bytes(made.content)
        found = told(packets_of, path)
        assert told(pieces_of, path) == found, (number, made.made_by)
        read += isinstance(found, bytes)
        path.unlink()
    assert read > INPUTS / 4


@pytest.mark.parametrize(
    "junk", [b"x" * 100, b"\xff" * 100, b"\xff\xfb\x90\x64" * 9, b"TAG" + bytes(60)]
)
def test_what_lies_between_frames_of_an_mp3_is_read_as_ffmpeg_reads_it(
    tmp_path: Path, junk: bytes
) -> None:
    path = written(tmp_path, "mp3")
    content, packets = path.read_bytes(), packets_of(path)
    border = content.index(packets[30])
    path.write_bytes(content[:border] + junk + content[border:])
    assert b"".join(pieces_of(path)) == b"".join(packets_of(path))


@pytest.mark.parametrize("rate_hz", [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000])
def test_frames_of_every_rate_of_an_mp3_are_followed(tmp_path: Path, rate_hz: int) -> None:
    path = write_audio(tmp_path / "sound.mp3", music_like(4, rate_hz), rate_hz, kind="mp3")
    pieces, packets = pieces_of(path), packets_of(path)
    assert b"".join(pieces) == b"".join(packets)
    assert len(pieces) == 1 < len(packets)


def test_a_part_of_a_last_frame_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "mp3")
    path.write_bytes(path.read_bytes()[:-100])
    assert len(pieces_of(path)) == 1
    assert b"".join(pieces_of(path)) == b"".join(packets_of(path))


def test_an_mp4_that_is_cut_off_is_read_as_ffmpeg_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path, "m4a")
    content = path.read_bytes()
    for index in islice(range(len(content) - 1, 0, -len(content) // 20), 20):
        path.write_bytes(content[:index])
        assert told(pieces_of, path) == told(packets_of, path)
