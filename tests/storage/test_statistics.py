"""Counts over a catalogue, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storage.schema.records import TagOutcome, TagState
from storage.statistics import ReasonCount
from tests.records import NOON, record, stamp

if TYPE_CHECKING:
    from storage.catalogue import Catalogue


def test_each_reason_comes_with_a_count_and_a_file(catalogue: Catalogue) -> None:
    for name, reason in (("b", "torn"), ("a", "torn"), ("c\udcff", "empty")):
        catalogue.queue.put([(Path(f"/m/{name}.mp3"), stamp())], NOON)
        entry = catalogue.queue.claim(NOON)
        assert entry is not None
        catalogue.queue.fail(entry, reason, None)
    assert catalogue.statistics.failures_by_reason(10) == [
        ReasonCount("torn", 2, Path("/m/a.mp3")),
        ReasonCount("empty", 1, Path("/m/c\udcff.mp3")),
    ]
    assert len(catalogue.statistics.failures_by_reason(1)) == 1


def test_tags_are_counted_by_reason_and_by_folder(catalogue: Catalogue) -> None:
    outcomes = {
        "/m/a.mp3": TagOutcome(TagState.PENDING, "no room"),
        "/m/b/c.mp3": TagOutcome(TagState.PENDING, "no room"),
        "/mm/d.mp3": TagOutcome(TagState.PENDING),
        "/mm/e.mp3": TagOutcome(TagState.WRITTEN),
        "/mm/gone.mp3": TagOutcome(TagState.PENDING, "no room"),
    }
    for path, outcome in outcomes.items():
        catalogue.tag_journal.record(record(catalogue, path), outcome)
    catalogue.mark_missing([Path("/mm/gone.mp3")], NOON)
    statistics = catalogue.statistics
    assert statistics.untagged_by_reason(TagState.PENDING, 10) == [
        ReasonCount("no room", 2, Path("/m/a.mp3"))
    ]
    folders = [["/m"], ["/m/b", "/mm"], ["/m", "/mm"], []]
    outside = [statistics.tags_pending_outside(map(Path, each)) for each in folders]
    assert outside == [1, 1, 0, 3]
