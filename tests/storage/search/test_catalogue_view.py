"""The failures that a view of either database shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storage.search.catalogue_view import open_view
from storage.search.revision import CatalogueRevision
from tests.records import A_MINUTE, NOON, record, stamp

if TYPE_CHECKING:
    from storage.catalogue import Catalogue


def test_failures_are_listed_by_number_until_their_files_are_analysed(catalogue: Catalogue) -> None:
    for name, retry_at in (("a", None), ("b", NOON + A_MINUTE)):
        catalogue.queue.put([(Path(f"/m/{name}.mp3"), stamp())], NOON)
        entry = catalogue.queue.claim(NOON)
        assert entry is not None
        catalogue.queue.fail(entry, "no sound in it", retry_at)
    with open_view(catalogue.url) as view:
        failed = view.failures(9)
        assert [each.failure for each in failed] == catalogue.queries.failures()
        numbers = [each.number for each in failed]
        assert view.paths_of_failures(numbers[1:]) == [Path("/m/b.mp3")]
        assert view.paths_of_failures([]) == []


def test_a_revision_changes_with_the_catalogue_and_only_then(catalogue: Catalogue) -> None:
    revision = CatalogueRevision(catalogue.url)
    first = revision.current()
    assert revision.current() == first
    record(catalogue, "/m/a.mp3")
    assert revision.current() != first
    revision.close()
