from __future__ import annotations

from base64 import b64encode
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from daemon.tagging.api import WriteOptions, WriteOutcome, read, restore, write
from daemon.tagging.basics.byte_views import Kept
from daemon.tagging.basics.packed_pieces import packed
from daemon.tagging.basics.tag_errors import TagsRefused, Unproven
from daemon.tagging.basics.tag_jobs import MOST_CONTENT_BYTES, MOST_TEXT, MOST_VALUES
from daemon.tagging.file_history import FileHistory
from daemon.worker.tag_answers import items_in, plan_in, proof_in
from daemon.worker.tag_client import TagClient
from daemon.worker.worker_answers import INVALID
from daemon.worker.worker_client import WorkerClient
from tests.daemon.tagging.conftest import AFFECT
from tests.daemon.tagging.sounds import TAGGED_KINDS, sound, sound_file
from tests.records import WORKER_LIMITS

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1000


def content(*pieces: Kept | bytes) -> str:
    return b64encode(packed(pieces)).decode()


BEFORE = {
    "kind": "mp3",
    "items": {"MOOD": None, "VALENCED": ["x"]},
    "block": True,
    "is_clean": True,
    "left": {"MOOD": ["calm"], "VALENCED": None},
}
PLAN: dict[str, Any] = {
    "was": {"VALENCED": ["x"]},
    "wanted": {"MOOD": ["calm"]},
    "ours": ["MOOD", "VALENCED"],
    "before": BEFORE,
    "content": content(Kept(0, 500), b"new", Kept(500, 500)),
}


def test_a_valid_plan_is_read() -> None:
    plan = plan_in(PLAN, SIZE)
    assert plan.content == [Kept(0, 500), b"new", Kept(500, 500)]
    assert plan.before.items == {"MOOD": None, "VALENCED": ["x"]}
    assert plan_in(PLAN | {"content": None}, SIZE).content is None


@pytest.mark.parametrize(
    "change",
    [
        {"was": None},
        {"was": {"VALENCED": "x"}},
        {"was": {"VALENCED": [1]}},
        {"was": {"TITLE": ["x"]}},
        {"wanted": {"1T_ENERGY": ["1"]}},
        {"wanted": {"MOOD": ["x"] * (MOST_VALUES + 1)}},
        {"wanted": {"MOOD": ["x" * (MOST_TEXT + 1)]}},
        {"ours": ["TITLE", "MOOD", "VALENCED"]},
        {"ours": 7},
        {"ours": [[]]},
        {"before": None},
        {"before": BEFORE | {"kind": "exe"}},
        {"before": BEFORE | {"kind": []}},
        {"before": BEFORE | {"block": 1}},
        {"before": BEFORE | {"items": {"TITLE": None}}},
        {"before": BEFORE | {"items": [["MOOD"]]}},
        {"before": BEFORE | {"more": 1}},
        {"before": BEFORE | {"is_clean": None}},
        {"before": BEFORE | {"left": None}},
        {"before": BEFORE | {"left": {"MOOD": None}}},
        {"before": BEFORE | {"left": {"MOOD": 7, "VALENCED": None}}},
        {"content": 7},
        {"content": "?"},
        {"content": "AAAA"},
        {"content": content(Kept(501, 500))},
        {"content": content(Kept(2**63, 2**63))},
        {"content": content(*[Kept(0, SIZE)] * 100_000)},
        {"content": content(bytes(MOST_CONTENT_BYTES))},
        {"more": 1},
    ],
)
def test_a_plan_that_cannot_be_right_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(INVALID):
        plan_in(PLAN | change, SIZE)


def test_an_answer_without_a_field_is_refused() -> None:
    for name in PLAN:
        with pytest.raises(INVALID):
            plan_in({key: value for key, value in PLAN.items() if key != name}, SIZE)


@pytest.mark.parametrize("answer", [{}, {"items": []}, {"items": {"A": []}}, {"items": {}, "x": 1}])
def test_items_that_cannot_be_right_are_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(INVALID):
        items_in(answer)


@pytest.mark.parametrize("answer", [{}, {"audio_hash": None}, {"audio_hash": "?"}])
def test_a_proof_without_a_hash_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(INVALID):
        proof_in(answer)


def test_a_refusal_is_one_printable_line_of_bounded_length() -> None:
    reason = "a\nb\x1b[31m" + "c" * 10_000
    answer = {"refused": reason, "retry": True, "unproven": False}
    with pytest.raises(TagsRefused) as refused:
        items_in(answer)
    assert refused.value.retry
    assert refused.value.reason.isprintable()
    assert len(refused.value.reason) <= 300
    with pytest.raises(Unproven):
        proof_in({"refused": "other sound", "retry": False, "unproven": True})


@pytest.mark.parametrize(
    "answer",
    [
        {"refused": "x"},
        {"refused": 1, "retry": False, "unproven": False},
        {"refused": "", "retry": False, "unproven": False},
        {"refused": "x", "retry": 1, "unproven": False},
    ],
)
def test_a_refusal_that_cannot_be_right_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(INVALID):
        items_in(answer)


def test_a_real_worker_writes_and_restores_every_kind(tmp_path: Path) -> None:
    with closing(WorkerClient(WORKER_LIMITS)) as worker:
        parser = TagClient(worker)
        for kind in TAGGED_KINDS:
            path = sound_file(tmp_path, kind)
            done = write(path, AFFECT, WriteOptions(parser))
            assert done.outcome is WriteOutcome.WRITTEN
            assert read(path, parser)["MOOD_AROUSAL"] == ["42"]
            assert done.undo is not None
            restore(path, WriteOptions(parser), FileHistory.of([done.undo]))
            assert path.read_bytes() == sound(kind)
