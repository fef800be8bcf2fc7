from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import mutagen.flac
import mutagen.mp4
import pytest

from tests.daemon.tagging.sounds import TAGGED_KINDS, encoded, sound_file
from trainer.audio.packets.ffmpeg_reading import read_back
from trainer.audio.packets.fingerprint import identify
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from pathlib import Path

# mutagen's constructors carry no types.
flac: Any = mutagen.flac
mp4: Any = mutagen.mp4


def places(path: Path) -> set[tuple[str, str]]:
    return {(place, key) for place, key, _ in read_back(path, hashed=False)["metadata"]}


@pytest.mark.parametrize("kind", TAGGED_KINDS)
def test_the_hash_is_that_of_all_packets_and_only_on_request(tmp_path: Path, kind: str) -> None:
    path = sound_file(tmp_path, kind)
    assert read_back(path)["audio_hash"] == identify(path, every_packet=True)
    assert read_back(path, hashed=False)["audio_hash"] is None


def test_texts_and_pictures_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    path = sound_file(tmp_path, "flac")
    readings = []
    for picture in (b"\xff\xd8\xff\xe0one", b"\xff\xd8\xff\xe0two"):
        file = flac.FLAC(path)
        file.clear_pictures()
        front = flac.Picture()
        front.data, front.mime = picture, "image/jpeg"
        file.add_picture(front)
        file["title"] = "a"
        file.save()
        readings.append(read_back(path, hashed=False)["metadata"])
    assert ("file", "title") in places(path)
    assert ("picture 0", "") in places(path)
    changed = set(readings[0]) ^ set(readings[1])
    assert {place for place, _, _ in changed} == {"picture 0"}


def test_texts_that_are_not_utf8_keep_their_difference(tmp_path: Path) -> None:
    path = sound_file(tmp_path, "flac")
    found = set()
    for value in (b"\xe9", b"\xe8", "\ufffd".encode()):
        file = flac.FLAC(path)
        file["title"] = "?" * len(value)
        file.save()
        path.write_bytes(
            path.read_bytes().replace(b"title=" + b"?" * len(value), b"title=" + value)
        )
        found.add(str(read_back(path, hashed=False)["metadata"]))
    assert len(found) == 3


def test_chapters_are_read(tmp_path: Path) -> None:
    path = sound_file(tmp_path, "m4a")
    title = b"Verse"
    entries = struct.pack(">QB", 0, len(title)) + title
    body = struct.pack(">IIB", 0x01000000, 0, 1) + entries
    box = struct.pack(">I4s", len(body) + 8, b"chpl") + body
    content = encoded("m4a")
    at = content.index(b"udta") - 4
    for name in (b"moov", b"udta"):
        place = content.index(name) - 4
        size = struct.pack(">I", int.from_bytes(content[place : place + 4], "big") + len(box))
        content = content[:place] + size + content[place + 4 :]
    path.write_bytes(content[: at + 8] + box + content[at + 8 :])
    assert {("chapter 0", ""), ("chapter 0", "title")} <= places(path)


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"nothing")
    with pytest.raises(UnreadableClip):
        read_back(path)
    assert read_back(path, hashed=False) == {"audio_hash": None, "metadata": None}
