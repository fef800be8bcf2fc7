"""Where the frames of an MP3 begin, and what is no MP3 although it holds frames."""

from __future__ import annotations

import io
import random
import zipfile

import pytest

from daemon.tagging.formats.mp3 import is_mpeg_audio
from tests.daemon.tagging.memory import Memory
from tests.daemon.tagging.sounds import encoded, id3_tag

MP3 = encoded("mp3-bare")


def is_mp3(content: bytes) -> bool:
    return is_mpeg_audio(Memory(content), 0)


@pytest.mark.parametrize(
    "content",
    [
        MP3,
        MP3[130:],
        bytes(60_000) + MP3,
        b"HTTP/1.0 200 OK\r\n\r\n" + MP3,
        id3_tag(3, padding=30) * 3 + MP3[130:],
        random.Random(1).randbytes(60_000) + MP3,
    ],
    ids=["whole", "inside a frame", "zeros", "web server", "tags", "noise"],
)
def test_what_precedes_the_first_frame_is_passed_over(content: bytes) -> None:
    assert is_mp3(content)


def archive(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("song.mp3", content)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        MP3[100:2000],
        random.Random(2).randbytes(100_000) + MP3,
        archive(MP3),
        *map(encoded, ("matroska-mp3", "mpegts-mp3", "avi-mp3", "adts", "m4a", "flac")),
        b"\0\0\1\xba" + MP3,
        b"\xff" * 200_000,
        b"\xff\xfb\x90\x64" * 50_000,
        id3_tag(3) * 5000,
    ],
    ids=[
        "empty", "few frames", "far behind", "archive", "matroska", "mpegts", "avi", "adts", "mp4",
        "flac", "film", "ones", "heads only", "tags only",
    ],
)  # fmt: skip
def test_other_files_are_no_mp3(content: bytes) -> None:
    assert not is_mp3(content)
