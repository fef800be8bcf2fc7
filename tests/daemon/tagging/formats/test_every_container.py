"""What must hold for each container alike."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import mutagen
import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import TagWrite, WriteOptions, WriteOutcome, restore, strip, write
from daemon.tagging.basics import keys
from daemon.tagging.file_history import FileHistory
from daemon.tagging.formats.foreign_tags import foreign_tags
from tests.daemon.tagging.memory import Memory, put
from tests.daemon.tagging.readers import LocalParser, by_name, read
from tests.daemon.tagging.sounds import TAGGED_KINDS, sound, sound_file
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.basics.keys import Items

# How each family of containers spells our keys in mutagen.
_SPELLED = {
    "m4a": "----:com.apple.iTunes:{}",
    "m4a-front": "----:com.apple.iTunes:{}",
    "alac": "----:com.apple.iTunes:{}",
    "mp3": "TXXX:{}",
    "mp3-bare": "TXXX:{}",
    "wav": "TXXX:{}",
    "aiff": "TXXX:{}",
    "dsf": "TXXX:{}",
}

every_kind = pytest.mark.parametrize("kind", TAGGED_KINDS)


def stored_undo(done: TagWrite) -> dict[str, object]:
    """The undo record as the catalogue returns it."""
    assert done.undo is not None
    record: dict[str, object] = json.loads(json.dumps(done.undo))
    return record


@every_kind
def test_values_can_be_read_back_by_us_and_by_mutagen(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    before = identify(path)
    done = write(path, affect, options)
    assert done.outcome is WriteOutcome.WRITTEN
    assert read(path) == done.now
    assert read(path)["MOOD_AROUSAL"] == ["42"]
    if kind not in ("ape", "musepack"):
        tags = mutagen.File(path).tags
        value = tags[_SPELLED.get(kind, "{}").format("MOOD_VALENCE")]
        text = value[0] if isinstance(value, list) else value
        assert (text.decode() if isinstance(text, bytes) else str(text)) == "-10"
    if kind != "ape":
        assert identify(path) == before


@every_kind
def test_restore_brings_back_every_byte(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    done = write(path, affect, options)
    back = restore(path, options, FileHistory.of([stored_undo(done)]))
    assert back.outcome is WriteOutcome.WRITTEN
    assert path.read_bytes() == sound(kind)


@every_kind
def test_restore_after_a_second_write_leads_back_to_before_the_first(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    first = write(path, affect, options)
    louder = {**affect, **keys.affect_items(-1, 1), **keys.mood_item("calm")}
    second = write(path, louder, options, FileHistory.of([stored_undo(first)]))
    assert read(path)["MOOD"] == ["calm"]
    restore(path, options, FileHistory.of([stored_undo(second)]))
    assert path.read_bytes() == sound(kind)


@every_kind
def test_a_second_write_of_the_same_touches_nothing(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    write(path, affect, options)
    status = path.stat()
    later = {**affect, "VALENCED": [affect["VALENCED"][0].replace("2026", "2027")]}
    assert write(path, later, options).outcome is WriteOutcome.UNCHANGED
    now = path.stat()
    assert (now.st_ino, now.st_ctime_ns) == (status.st_ino, status.st_ctime_ns)


@every_kind
def test_strip_leaves_what_was_there_without_us(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    write(path, {**affect, **keys.mood_item("tense")}, options)
    assert strip(path, options).outcome is WriteOutcome.WRITTEN
    assert read(path) == {}
    # The room that our items took is left as padding.
    assert abs(path.stat().st_size - len(sound(kind))) in range(500)
    assert strip(path, options).outcome is WriteOutcome.UNCHANGED


@every_kind
def test_dry_runs_do_nothing(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    planned = write(path, affect, replace(options, dry_run=True))
    assert planned.outcome is WriteOutcome.PLANNED
    assert planned.now["MOOD_AROUSAL"] == ["42"]
    assert path.read_bytes() == sound(kind)
    assert list(tmp_path.iterdir()) == [path]


@every_kind
def test_keys_of_another_preset_are_removed(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    first = write(path, affect, options)
    unit = {"VALENCED": affect["VALENCED"], **keys.affect_items(0, 0, keys.Preset.UNIT)}
    second = write(path, unit, options, FileHistory.of([stored_undo(first)]))
    assert set(read(path)) == {"VALENCED", "AROUSAL", "VALENCE"}
    restore(path, options, FileHistory.of([stored_undo(second)]))
    assert path.read_bytes() == sound(kind)


@every_kind
def test_a_mood_that_is_already_there_stays(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    # Without provenance the word counts as somebody else's.
    write(path, keys.mood_item("melancholy"), options)
    done = write(path, {**affect, **keys.mood_item("calm")}, options)
    assert read(path)["MOOD"] == ["melancholy"]
    assert "MOOD" not in keys.owned_keys(done.now)
    strip(path, options)
    assert read(path) == {"MOOD": ["melancholy"]}


@every_kind
def test_values_of_others_under_our_keys_come_back(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    write(path, {"MOOD_AROUSAL": ["7", "8"]}, options)
    theirs = path.read_bytes()
    done = write(path, affect, options)
    assert done.undo is not None
    assert done.undo["items"]["MOOD_AROUSAL"] == ["7", "8"]
    restore(path, options, FileHistory.of([stored_undo(done)]))
    assert path.read_bytes() == theirs


@every_kind
def test_restore_still_finds_the_old_values_when_another_program_has_written(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    write(path, {"MOOD_AROUSAL": ["7"]}, options)
    done = write(path, affect, options)
    path.write_bytes(put(path.read_bytes(), {"1T_ENERGY": ["55"]}))
    second = write(
        path, {**affect, **keys.affect_items(1, 1)}, options, FileHistory.of([stored_undo(done)])
    )
    assert second.undo is not None
    others = foreign_tags(Memory(path.read_bytes()), _kind_of(kind), keys.ALL_KEYS)
    restore(path, options, FileHistory.of([stored_undo(second)]))
    assert read(path) == {"MOOD_AROUSAL": ["7"], "1T_ENERGY": ["55"]}
    assert foreign_tags(Memory(path.read_bytes()), _kind_of(kind), keys.ALL_KEYS) == others


@every_kind
def test_sound_that_would_change_is_never_replaced(
    tmp_path: Path, kind: str, affect: Items
) -> None:
    path = sound_file(tmp_path, kind)
    with pytest.raises(TagWriteError, match="sound would have changed"):
        write(path, affect, WriteOptions(LocalParser(by_name)))
    assert path.read_bytes() == sound(kind)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cut", [5, 40, 200, -3])
@every_kind
def test_files_cut_short_are_written_whole_or_not_at_all(
    tmp_path: Path, kind: str, options: WriteOptions, affect: Items, cut: int
) -> None:
    path = tmp_path / "cut short"
    path.write_bytes(sound(kind)[:cut])
    before = path.read_bytes()
    with suppress(TagWriteError):
        done = write(path, affect, options)
        restore(path, options, FileHistory.of([stored_undo(done)]))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"\0" * 4096, b"ID3\4\0\0\0\0\0\1"])
def test_files_that_are_not_audio_are_refused(
    tmp_path: Path, options: WriteOptions, affect: Items, content: bytes
) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(content)
    with pytest.raises(TagWriteError, match="no tags are written"):
        write(path, affect, options)


@pytest.mark.parametrize("kind", ["matroska", "matroska-mp3", "mpegts-mp3", "avi-mp3", "adts"])
def test_containers_without_a_scheme_say_so(
    tmp_path: Path, options: WriteOptions, affect: Items, kind: str
) -> None:
    path = sound_file(tmp_path, kind)
    with pytest.raises(TagWriteError, match="no tags are written into files of this kind"):
        write(path, affect, options)


@every_kind
def test_the_containers_name_and_the_files_name_need_not_agree(
    tmp_path: Path, options: WriteOptions, affect: Items, kind: str
) -> None:
    path = sound_file(tmp_path, kind, "sound.wav")
    try:
        write(path, affect, options)
    except TagWriteError as error:
        # A demuxer may believe the name; then no proof is possible, and no write is made.
        assert "sound" in error.reason  # noqa: PT017 - both ends are fine
        assert path.read_bytes() == sound(kind)
    else:
        assert read(path)["MOOD_AROUSAL"] == ["42"]


def _kind_of(kind: str) -> str:
    family = {"opus": "ogg", "vorbis": "ogg", "oggflac": "ogg", "wma": "asf", "alac": "mp4"}
    return family.get(kind, kind.partition("-")[0].replace("m4a", "mp4"))
