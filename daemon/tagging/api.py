"""Our tags into a file, out of it, and back to what was there; each proven harmless or not done."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from daemon.service_errors import TagWriteError
from daemon.tagging import edit_plan
from daemon.tagging.disk.atomic_copy import Changed
from daemon.tagging.disk.copy_file import CopyFile
from daemon.tagging.disk.in_place import overwrite, replace_or_overwrite
from daemon.tagging.disk.source import SourceFile, opened, refuse_read_only
from daemon.tagging.disk.syscalls import DISK, DiskCalls
from daemon.tagging.formats import keys
from daemon.tagging.formats.byte_views import OpenFile
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.tag_errors import TagsRefused, damage_refused, refusal_of
from daemon.tagging.proof import Unproven, prove
from daemon.tagging.sidecar import read_sidecar, write_sidecar
from daemon.tagging.undo_record import UndoRecord
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from daemon.tagging.disk.atomic_copy import Copy
    from daemon.tagging.disk.file_reading import Reader
    from daemon.tagging.formats.byte_views import View
    from daemon.tagging.formats.keys import Items


class WriteMode(StrEnum):
    """Where tags go."""

    REPLACE = "replace"
    IN_PLACE = "in-place"
    SIDECAR = "sidecar"
    NONE = "none"


class WriteOutcome(StrEnum):
    """How a write ended, if not in a TagWriteError."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    PLANNED = "planned"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class WriteOptions:
    """How to write.

    Attributes:
        reader: reads a file by ffmpeg, for the proof that nothing else changed.
        audio_hash: of the file, if it is known and the file is sure to be that one.
        mode: where tags go.
        expects: told the status of the opened file; False leaves it alone, as `changed`.
        keep_mtime: give the file its old modification time.
        dry_run: report what would be done, and do nothing.
        record: given the journal record (JSON types) after every proof and before the file
            changes, so that no write is ever without its undo; if it raises, nothing is written.
        disk: does the system calls.
    """

    reader: Reader
    audio_hash: str | None = None
    mode: WriteMode = WriteMode.REPLACE
    expects: Callable[[os.stat_result], bool] = lambda _: True
    keep_mtime: bool = False
    dry_run: bool = False
    record: Callable[[Mapping[str, Any]], None] | None = None
    disk: DiskCalls = DISK


@dataclass(frozen=True)
class TagWrite:
    """What was done to one file.

    Attributes:
        outcome: `written`; `unchanged` (already so, not touched); `changed` (another program wrote
            the file meanwhile, not touched, try again); `planned` (dry run); `skipped` (mode none).
        path: the file itself, without symbolic links.
        was: our keys before.
        now: our keys after (for a dry run: as they would be).
        before: the journal record, from which `restore` puts back; None where nothing is written.
        status: of the file as this left it; whatever differs from it later was not us.
        warning: one line for the log; None almost always.
    """

    outcome: WriteOutcome
    path: Path
    was: Items
    now: Items
    before: dict[str, Any] | None = None
    status: os.stat_result | None = None
    warning: str | None = None


def read(path: Path) -> Items:
    """Return every item of ours in a file, whichever preset wrote it.

    Args:
        path: the file; links are followed.

    Raises:
        TagWriteError: the file or its tags cannot be read, or have no tag scheme.
    """
    with _told(path), opened(path, DISK) as source, damage_refused():
        return container_of(source.view).items(source.view, keys.ALL_KEYS)


def write(
    path: Path,
    items: Items,
    manner: WriteOptions,
    *,
    earlier: Mapping[str, Any] | None = None,
) -> TagWrite:
    """Write items into a file, or beside it.

    Args:
        path: the file; links are followed.
        items: from `keys.affect_items`, `provenance_item`, `mood_item`. A mood is left
            out where another one stands already.
        manner: how.
        earlier: the journal record of the first write, if there was one; the new record then
            leads back to before that write.

    Raises:
        TagWriteError: nothing was written; the reason says why.
    """
    first = UndoRecord.from_json(earlier) if earlier else None
    with _told(path):
        if manner.mode is WriteMode.SIDECAR:
            return _beside(path, keys.with_owned_keys(items), manner)
        return _in_file(path, manner, lambda view: edit_plan.to_write(view, items, first))


def strip(path: Path, manner: WriteOptions, *, owned: frozenset[str] | None = None) -> TagWrite:
    """Take our items out of a file, and nothing else.

    Args:
        path: the file; links are followed.
        manner: how.
        owned: our keys in this file, as the catalogue knows them; by default as the file's own
            `VALENCED` item says.

    Raises:
        TagWriteError: nothing was written; the reason says why.
    """
    with _told(path):
        if manner.mode is WriteMode.SIDECAR:
            return _beside(path, {}, manner)
        return _in_file(path, manner, lambda view: edit_plan.to_strip(view, owned))


def restore(path: Path, before: Mapping[str, Any], manner: WriteOptions) -> TagWrite:
    """Put back what stood under our keys before the first write.

    If nobody has changed those places since, the old bytes themselves come back, and the
    file is byte for byte as it was. Otherwise only our keys get their old values.

    Args:
        path: the file; links are followed.
        before: the journal record.
        manner: how.

    Raises:
        TagWriteError: nothing was written; the reason says why.
        ValueError: `before` is not a journal record.
    """
    first = UndoRecord.from_json(before)
    with _told(path):
        if manner.mode is WriteMode.SIDECAR:
            return _beside(path, {}, manner)
        return _in_file(
            path,
            manner,
            lambda view: edit_plan.to_restore(view, first),
            lambda view: edit_plan.to_reset(view, first),
        )


def _in_file(
    path: Path,
    manner: WriteOptions,
    *planners: Callable[[View], edit_plan.EditPlan],
) -> TagWrite:
    with opened(path, manner.disk) as source:
        if manner.mode is WriteMode.NONE:
            return TagWrite(WriteOutcome.SKIPPED, source.path, {}, {})
        if not manner.expects(source.status):
            return TagWrite(WriteOutcome.CHANGED, source.path, {}, {})
        for attempt, planner in enumerate(planners, 1):
            with damage_refused():
                plan = planner(source.view)
            if plan.edit is None:
                return _unchanged(source, plan.was)
            _refuse_unsafe(source, manner)
            try:
                return _carried_out(source, plan, manner)
            except Unproven:
                if attempt == len(planners):
                    raise
        raise AssertionError("there is always a planner")


def _carried_out(source: SourceFile, plan: edit_plan.EditPlan, manner: WriteOptions) -> TagWrite:
    edit = plan.edit
    assert edit is not None
    done = TagWrite(WriteOutcome.WRITTEN, source.path, plan.was, plan.wanted)
    if manner.dry_run:
        return dataclasses.replace(done, outcome=WriteOutcome.PLANNED)
    record: dict[str, Any] = {}

    def complete(copy: Copy) -> None:
        assert copy.path is not None
        if edit.finish is not None:
            edit.finish(CopyFile(copy.descriptor, manner.disk))
        prove(source, copy.path, plan, manner.reader, manner.audio_hash, manner.disk)
        record.update(plan.record(OpenFile(copy.descriptor)).as_json())
        if manner.record:
            manner.record(record)

    try:
        land = overwrite if manner.mode is WriteMode.IN_PLACE else replace_or_overwrite
        landed = land(source, edit.content, complete, manner.disk, keep_mtime=manner.keep_mtime)
    except Changed:
        return TagWrite(WriteOutcome.CHANGED, source.path, plan.was, plan.was)
    return dataclasses.replace(done, before=record, status=landed.status, warning=landed.warning)


def _unchanged(source: SourceFile, items: Items) -> TagWrite:
    return TagWrite(WriteOutcome.UNCHANGED, source.path, items, items, status=source.status)


def _refuse_unsafe(source: SourceFile, manner: WriteOptions) -> None:
    refuse_read_only(source)
    links = source.status.st_nlink
    if links > 1 and manner.mode is WriteMode.REPLACE:
        raise TagsRefused(f"it has {links} hard links; tags.mode = in-place keeps them together")


def _beside(path: Path, items: Items, manner: WriteOptions) -> TagWrite:
    with opened(path, manner.disk) as source:
        if not manner.expects(source.status):
            return TagWrite(WriteOutcome.CHANGED, source.path, {}, {})
        sidecar = read_sidecar(source.path, manner.disk)
        was = sidecar.items if sidecar else {}
        if not was and not items:
            return _unchanged(source, was)
        is_same = set(was) == set(items) and keys.same_but_for_time(was, items)
        if sidecar and is_same and sidecar.file == source.path.name:
            return _unchanged(source, was)
        done = TagWrite(WriteOutcome.WRITTEN, source.path, was, items, status=source.status)
        if manner.dry_run:
            return dataclasses.replace(done, outcome=WriteOutcome.PLANNED)
        write_sidecar(source.path, items, manner.disk)
        return done


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn everything that stops a write into the one error its callers know."""
    try:
        yield
    except TagsRefused as error:
        raise TagWriteError(path, error.reason, retry=error.retry) from error
    except OSError as error:
        refused = refusal_of(error)
        raise TagWriteError(path, refused.reason, retry=refused.retry) from error
    except ClipError as error:
        # A worker that died or a disk that failed says nothing against the file.
        reason = f"its sound cannot be compared: {error.reason}"
        raise TagWriteError(path, reason, retry=True) from error
