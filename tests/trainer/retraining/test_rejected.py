from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.personal.comparison import CorporaCompared
from trainer.retraining.rejected import FILE, MOST, RejectedCandidate, find_rejected, store_rejected

if TYPE_CHECKING:
    from pathlib import Path


def compared(*, passed: bool) -> CorporaCompared:
    return CorporaCompared(
        parts=[],
        most_fall=0.02,
        most_fall_of_a_part=0.05,
        gain_on_new=0.0,
        p_on_new=1.0,
        passed=passed,
        verdict="corpora: no better.",
    )


def test_what_the_corpora_themselves_decided_holds_whatever_is_annotated(tmp_path: Path) -> None:
    store_rejected(tmp_path, ("a", "these"), "learned-1", compared(passed=False))
    expected = RejectedCandidate(
        corpora="a", annotations=None, candidate="learned-1", compared=compared(passed=False)
    )
    assert find_rejected(tmp_path, "a", "anything") == expected
    assert find_rejected(tmp_path, "b", "anything") is None


def test_what_annotations_decided_holds_for_them_alone(tmp_path: Path) -> None:
    store_rejected(tmp_path, ("a", "these"), "learned-1", compared(passed=True))
    assert find_rejected(tmp_path, "a", "these") is not None
    assert find_rejected(tmp_path, "a", "others") is None


def test_the_latest_are_stored_once_each(tmp_path: Path) -> None:
    for number in range(MOST + 5):
        store_rejected(tmp_path, (str(number), ""), "learned-1", compared(passed=False))
    store_rejected(tmp_path, ("7", ""), "learned-9", compared(passed=False))
    found = [find_rejected(tmp_path, str(number), "") for number in range(MOST + 5)]
    assert [each is not None for each in found] == [False] * 5 + [True] * MOST
    assert found[7] is not None
    assert found[7].candidate == "learned-9"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
