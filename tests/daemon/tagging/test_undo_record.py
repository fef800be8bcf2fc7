from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.tagging import undo_record
from daemon.tagging.api import WriteOptions, WriteOutcome, restore, strip, write
from daemon.tagging.basics import keys
from daemon.tagging.file_history import FileHistory
from daemon.tagging.undo_record import UndoRecord
from tests.daemon.tagging.memory import put
from tests.daemon.tagging.readers import read
from tests.daemon.tagging.sounds import TAGGED_KINDS, sound, sound_file

if TYPE_CHECKING:
    from daemon.tagging.basics.keys import Items


@pytest.fixture
def record(tmp_path: Path, options: WriteOptions, affect: Items) -> dict[str, Any]:
    before = write(sound_file(tmp_path, "flac"), affect, options).undo
    assert before is not None
    return before


def test_a_record_survives_json(record: dict[str, Any]) -> None:
    assert json.loads(json.dumps(record)) == record
    assert UndoRecord.from_json(record).undo


@pytest.mark.parametrize(
    "damage",
    [{"format": 4}, {"undo": "?"}, {"undo": "AAAA"}, {"items": None}, {"size": 9}, {"block": ...}],
)
def test_a_damaged_record_is_refused(record: dict[str, Any], damage: dict[str, Any]) -> None:
    damaged = {key: value for key, value in {**record, **damage}.items() if value is not ...}
    with pytest.raises(ValueError, match="undo record"):
        UndoRecord.from_json(damaged)


def old_records() -> list[Any]:
    """Files written by release 0.1.0 with their records, and the hash of what they were before."""
    path = Path(__file__).with_name("undo_records_format_1.json")
    return [pytest.param(case, id=case["name"]) for case in json.loads(path.read_bytes())]


@pytest.mark.parametrize("case", old_records())
class TestRecordsOfFormat1:
    def written(self, folder: Path, case: dict[str, Any]) -> Path:
        path = folder / "sound"
        path.write_bytes(zlib.decompress(base64.b64decode(case["written"])))
        return path

    def test_the_old_bytes_come_back(
        self, tmp_path: Path, options: WriteOptions, case: dict[str, Any]
    ) -> None:
        path = self.written(tmp_path, case)
        restore(path, options, FileHistory.of([case["record"]]))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == case["original_sha256"]

    def test_a_further_write_leads_back_to_before_the_first(
        self, tmp_path: Path, options: WriteOptions, affect: Items, case: dict[str, Any]
    ) -> None:
        path = self.written(tmp_path, case)
        louder = {**affect, **keys.affect_items(1, 1)}
        done = write(path, louder, options, FileHistory.of([case["record"]]))
        assert read(path)["MOOD_AROUSAL"] == ["100"]
        assert done.undo is not None
        restore(path, options, FileHistory.of([done.undo]))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == case["original_sha256"]

    def test_the_old_values_come_back_after_another_program_has_written(
        self, tmp_path: Path, options: WriteOptions, case: dict[str, Any]
    ) -> None:
        path = self.written(tmp_path, case)
        theirs = {"1T_ENERGY": ["a value of another program, of another length"]}
        path.write_bytes(put(path.read_bytes(), theirs))
        restore(path, options, FileHistory.of([case["record"]]))
        assert read(path)["MOOD_AROUSAL"] == ["7", "8"]
        assert set(read(path)) == {"MOOD_AROUSAL", "1T_ENERGY"}


def test_where_too_many_bytes_would_be_stored_only_the_values_come_back(
    tmp_path: Path, options: WriteOptions, affect: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo_record, "MOST_UNDO_BYTES", 20)
    path = sound_file(tmp_path, "mp3-bare")
    write(path, {"MOOD_AROUSAL": ["7"]}, options)
    done = write(path, affect, options)
    assert done.undo is not None
    assert done.undo["undo"] is None
    restore(path, options, FileHistory.of([done.undo]))
    assert read(path) == {"MOOD_AROUSAL": ["7"]}


@pytest.mark.parametrize("kind", TAGGED_KINDS)
def test_a_record_is_small(tmp_path: Path, options: WriteOptions, affect: Items, kind: str) -> None:
    done = write(sound_file(tmp_path, kind), affect, options)
    assert done.undo is not None
    assert len(done.undo["undo"]) < 500


def test_of_a_file_of_another_container_only_our_items_go(
    tmp_path: Path, options: WriteOptions, affect: Items, record: dict[str, Any]
) -> None:
    path = sound_file(tmp_path, "mp3")
    write(path, affect, options)
    restore(path, options, FileHistory.of([record]))
    assert read(path) == {}


def test_restoring_twice_is_restoring_once(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "opus")
    done = write(path, affect, options)
    assert done.undo is not None
    assert restore(path, options, FileHistory.of([done.undo])).outcome is WriteOutcome.WRITTEN
    assert restore(path, options, FileHistory.of([done.undo])).outcome is WriteOutcome.UNCHANGED
    assert path.read_bytes() == sound("opus")


def test_the_catalogue_may_know_better_which_keys_are_ours(
    tmp_path: Path, options: WriteOptions
) -> None:
    path = sound_file(tmp_path, "wav")
    write(path, {"MOOD_AROUSAL": ["1"], "AROUSAL": ["0.5"]}, options)
    assert strip(path, options).outcome is WriteOutcome.UNCHANGED
    strip(path, options, owned=frozenset({"MOOD_AROUSAL", "TITLE"}))
    assert read(path) == {"AROUSAL": ["0.5"]}
