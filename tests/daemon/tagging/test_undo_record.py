from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, WriteOutcome, read, restore, strip, write
from daemon.tagging.undo_record import UndoRecord
from tests.daemon.tagging.sounds import sound, sound_file

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.formats.keys import Items


@pytest.fixture
def record(tmp_path: Path, manner: WriteOptions, affect: Items) -> dict[str, Any]:
    before = write(sound_file(tmp_path, "flac"), affect, manner).before
    assert before is not None
    return before


def test_a_record_survives_json(record: dict[str, Any]) -> None:
    assert UndoRecord.from_json(json.loads(json.dumps(record))).as_json() == record


@pytest.mark.parametrize(
    "damage",
    [{"format": 2}, {"undo": "?"}, {"undo": "AAAA"}, {"items": None}, {"padding": ...}],
)
def test_a_damaged_record_is_refused(record: dict[str, Any], damage: dict[str, Any]) -> None:
    damaged = {key: value for key, value in {**record, **damage}.items() if value is not ...}
    with pytest.raises(ValueError, match="journal"):
        UndoRecord.from_json(damaged)


def test_a_record_of_another_container_is_refused(
    tmp_path: Path, manner: WriteOptions, affect: Items, record: dict[str, Any]
) -> None:
    path = sound_file(tmp_path, "mp3")
    write(path, affect, manner)
    with pytest.raises(TagWriteError, match="was flac when tagged and is mp3 now"):
        restore(path, record, manner)


def test_restoring_twice_is_restoring_once(
    tmp_path: Path, manner: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "opus")
    done = write(path, affect, manner)
    assert done.before is not None
    assert restore(path, done.before, manner).outcome is WriteOutcome.WRITTEN
    assert restore(path, done.before, manner).outcome is WriteOutcome.UNCHANGED
    assert path.read_bytes() == sound("opus")


def test_a_restore_can_itself_be_undone(
    tmp_path: Path, manner: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "m4a")
    done = write(path, affect, manner)
    written = path.read_bytes()
    assert done.before is not None
    back = restore(path, done.before, manner)
    assert back.before is not None
    restore(path, back.before, manner)
    assert path.read_bytes() == written


def test_the_catalogue_may_know_better_which_keys_are_ours(
    tmp_path: Path, manner: WriteOptions
) -> None:
    path = sound_file(tmp_path, "wav")
    write(path, {"MOOD_AROUSAL": ["1"], "AROUSAL": ["0.5"]}, manner)
    assert strip(path, manner).outcome is WriteOutcome.UNCHANGED
    strip(path, manner, owned=frozenset({"MOOD_AROUSAL", "TITLE"}))
    assert read(path) == {"AROUSAL": ["0.5"]}
