"""What a service leaves alone of files that another one watches, or another machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.pipeline.file_rights import ALL_FILES, FileRights
from daemon.pipeline.postponing import LEFT_FOR, Postponing
from daemon.pipeline.renamed_files import known_at
from daemon.watch.file_state import stamp_at
from daemon.watch.nested_mounts import NestedMounts
from storage.schema.catalogue_errors import CatalogueError
from tests.records import A_MINUTE, NOON, record, record_entry, stamp

if TYPE_CHECKING:
    from pathlib import Path

    from storage.catalogue import Catalogue


def postponing(catalogue: Catalogue, rights: FileRights) -> Postponing:
    return Postponing(catalogue, lambda: 0.0, lambda: NOON, rights)


def test_a_file_that_another_service_watches_is_left_to_it(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    away = tmp_path / "away.mp3"
    record(catalogue, away)
    catalogue.queue.put([(away, stamp(size=7))], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    postponing(catalogue, FileRights(holds=lambda _: False)).postpone(entry)
    assert catalogue.queued_stamps() == {away: entry.stamp}
    assert catalogue.queue.next_due() == NOON + LEFT_FOR
    clip = catalogue.clip_at(away)
    assert clip is not None
    assert not clip.is_missing
    again = catalogue.queue.claim(NOON + LEFT_FOR)
    assert again is not None
    postponing(catalogue, ALL_FILES).postpone(again)
    clip = catalogue.clip_at(away)
    assert clip is not None
    assert clip.is_missing
    assert catalogue.queued_stamps() == {}


@pytest.mark.parametrize(
    ("away", "root"),
    [("disk/away.mp3", "."), ("disk/away.mp3", "disk"), ("disk/album/away.mp3", ".")],
    ids=["of a disk inside", "of a disk that is watched", "with its folder"],
)
def test_a_known_file_that_may_be_on_an_unmounted_disk_stays_as_it_is(
    catalogue: Catalogue, tmp_path: Path, away: str, root: str
) -> None:
    """The next comparison thinks of that before it forgets anything."""
    disk = tmp_path / "disk"
    disk.mkdir()
    known, new = tmp_path / away, tmp_path / away.replace("away", "new")
    record(catalogue, known)
    catalogue.rescoring.analyse_below([known], NOON, is_there=lambda _: True)
    catalogue.queue.put([(new, stamp())], NOON)
    asked = catalogue.queue.claim(NOON)
    found = catalogue.queue.claim(NOON)
    assert asked is not None
    assert found is not None
    mounts = NestedMounts([tmp_path / root], [disk])
    for entry in (asked, found):
        postponing(catalogue, FileRights(may_be_away=mounts.may_hide)).postpone(entry)
    clip = catalogue.clip_at(known)
    assert clip is not None
    assert not clip.is_missing
    # A new one is found again when its disk is back.
    assert catalogue.queued_stamps() == {known: asked.stamp}
    again = catalogue.queue.claim(NOON + LEFT_FOR)
    assert again is not None
    assert again.fresh_since == NOON


def test_a_file_that_was_deleted_is_called_missing(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "other.mp3").touch()
    gone = tmp_path / "gone.mp3"
    record(catalogue, gone)
    catalogue.queue.put([(gone, stamp(size=7))], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    mounts = NestedMounts([tmp_path])
    postponing(catalogue, FileRights(may_be_away=mounts.may_hide)).postpone(entry)
    clip = catalogue.clip_at(gone)
    assert clip is not None
    assert clip.is_missing
    assert catalogue.queued_stamps() == {}


def test_nothing_is_called_missing_while_the_lease_is_uncertain(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    def holds(path: Path) -> bool:
        raise CatalogueError(f"{path}: not renewed")

    away = tmp_path / "away.mp3"
    catalogue.queue.put([(away, stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    with pytest.raises(CatalogueError, match="not renewed"):
        postponing(catalogue, FileRights(holds=holds)).postpone(entry)
    assert catalogue.queued_stamps() == {away: entry.stamp}


@pytest.mark.parametrize("sees", [True, False], ids=["seen", "not seen"])
@pytest.mark.parametrize("is_missing", [True, False], ids=["missing", "there"])
def test_a_file_of_a_disk_that_another_machine_has_was_not_renamed(
    catalogue: Catalogue, tmp_path: Path, *, sees: bool, is_missing: bool
) -> None:
    origin = record(catalogue, tmp_path / "elsewhere" / "a.mp3")
    if is_missing:
        catalogue.mark_missing([origin.path], NOON)
    copy = tmp_path / "copy.mp3"
    copy.write_bytes(b"sound")
    present = stamp_at(copy)
    assert present is not None
    catalogue.queue.put([(copy, present)], NOON)
    entry = catalogue.queue.claim(NOON + A_MINUTE)
    assert entry is not None
    rights = FileRights(sees=lambda path: sees or path.parent == tmp_path)
    known = known_at(catalogue, entry, origin.identity, NOON, rights.knows)
    was_moved = sees or is_missing
    assert known.old_path == (origin.path if was_moved else None)
    assert (catalogue.clip_at(origin.path) is None) is was_moved
    record_entry(catalogue, entry)
