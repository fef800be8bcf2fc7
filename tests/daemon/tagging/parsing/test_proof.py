from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, write
from tests.daemon.tagging.readers import BLIND_PARSER, LocalParser, ffmpeg, path_of, read
from tests.daemon.tagging.sounds import sound, sound_file
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from daemon.tagging.basics.tag_jobs import FileReading


class Watching:
    """Remembers of which files the audio was hashed."""

    def __init__(self) -> None:
        self.hashed: list[Path] = []

    def __call__(self, file: int, *, hashed: bool = True) -> FileReading:
        if hashed:
            self.hashed.append(path_of(file))
        return ffmpeg(file, hashed=hashed)


def test_only_the_copy_is_hashed_where_the_hash_of_the_file_is_known(
    tmp_path: Path, affect: Items
) -> None:
    path, reader = sound_file(tmp_path, "vorbis"), Watching()
    write(path, affect, WriteOptions(LocalParser(reader), audio_hash=identify(path)))
    assert len(reader.hashed) == 1
    assert path not in reader.hashed


@pytest.mark.parametrize("kind", ["flac", "mp3", "wav", "aiff"])
def test_neither_is_hashed_where_the_bytes_can_be_compared(
    tmp_path: Path, affect: Items, kind: str
) -> None:
    path, reader = sound_file(tmp_path, kind), Watching()
    identity = identify(path)
    write(path, affect, WriteOptions(LocalParser(reader), audio_hash=identity))
    assert reader.hashed == []
    assert identify(path) == identity


@pytest.mark.parametrize("known", [None, "of parts of a long file"])
def test_both_are_hashed_where_it_is_not(tmp_path: Path, affect: Items, known: str | None) -> None:
    path, reader = sound_file(tmp_path, "vorbis"), Watching()
    write(path, affect, WriteOptions(LocalParser(reader), audio_hash=known))
    assert len(reader.hashed) == 2
    assert path in reader.hashed


@pytest.mark.parametrize("lost", ["file", "picture 0"])
def test_what_another_program_would_no_longer_read_stops_a_write(
    tmp_path: Path, affect: Items, lost: str
) -> None:
    path = sound_file(tmp_path, "flac")

    def reader(file: int, *, hashed: bool = True) -> FileReading:
        reading = ffmpeg(file, hashed=hashed)
        more = [] if path_of(file).name.startswith(".valenced") else [(lost, "title", "digest")]
        return reading._replace(metadata=[*(reading.metadata or []), *more])

    with pytest.raises(TagWriteError, match="other programs would read another tag differently"):
        write(path, affect, WriteOptions(LocalParser(reader)))
    assert path.read_bytes() == sound("flac")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_whose_tags_ffmpeg_cannot_read_is_proven_without(
    tmp_path: Path, affect: Items
) -> None:
    path = sound_file(tmp_path, "flac")
    write(path, affect, WriteOptions(BLIND_PARSER))
    assert read(path)["MOOD_AROUSAL"] == ["42"]
