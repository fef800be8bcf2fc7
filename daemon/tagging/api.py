"""Writes, removes and restores our tags in a file; each change is proven harmless or not made.

No byte of a file is parsed here: a `TagParser`, which is a worker process, plans each edit and
proves its result. What is not left to it is said in `checked_edit`.

A path is that of the file itself: only `read` follows symbolic links. Any function may raise
TagWriteError, which says in one line why nothing was written.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daemon.service_errors import TagWriteError
from daemon.system.sparse_files import MOSTLY_HOLES, is_mostly_holes
from daemon.tagging.basics import keys
from daemon.tagging.basics.byte_views import Kept
from daemon.tagging.basics.tag_errors import TagsRefused, Unproven, refusal_of
from daemon.tagging.basics.tag_jobs import Claim, JobKind, TagJob
from daemon.tagging.checked_edit import CheckedEdit, planned_edit
from daemon.tagging.disk.atomic_copy import FileWrite
from daemon.tagging.disk.in_place import overwrite, replace_or_overwrite
from daemon.tagging.disk.source import OriginalChanged, opened, refuse_read_only
from daemon.tagging.disk.syscalls import DISK, DiskCalls
from daemon.tagging.file_history import FileHistory
from daemon.tagging.sidecar import read_sidecar, remove_sidecar, write_sidecar
from daemon.tagging.undo_record import UndoRecord, as_text
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemon.tagging.basics.byte_views import Assembled
    from daemon.tagging.basics.keys import Items
    from daemon.tagging.disk.atomic_copy import Copy
    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.tag_parser import TagParser
    from storage.begun_writes import BegunWrites

UNKNOWN: Final = FileHistory()
"""The history of a file of which nothing is known."""


class WriteMode(StrEnum):
    """Where tags are written."""

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
        parser: parses tags, in another process.
        audio_hash: of the file, if it is known for the status that `expects` accepts.
        mode: where tags are written.
        expects: gets the status of the opened file; on False it is left alone, as `changed`.
        keep_mtime: keep the modification time of the file.
        dry_run: report what would be done, and do nothing.
        record: gets the undo record (JSON types) after the proof and before the file changes, so
            that no write is ever without its undo; if it raises, nothing is written.
        begun: where writes are noted before the file is touched; without it, none are in place.
        disk: does the system calls.
    """

    parser: TagParser
    audio_hash: str | None = None
    mode: WriteMode = WriteMode.REPLACE
    expects: Callable[[os.stat_result], bool] = lambda _: True
    keep_mtime: bool = False
    dry_run: bool = False
    record: Callable[[Mapping[str, Any]], None] | None = None
    begun: BegunWrites | None = None
    disk: DiskCalls = DISK


@dataclass(frozen=True)
class TagWrite:
    """What was done to one file.

    Attributes:
        outcome: `written`; `unchanged` (already as wanted, not touched); `changed` (another
            program wrote the file meanwhile, not touched, try again); `planned` (dry run);
            `skipped` (mode none).
        path: the file itself, without symbolic links.
        was: our keys before.
        now: our keys after (for a dry run: as they would be).
        undo: the undo record for `restore`; of an unchanged file only if `history` had another.
        status: of the file as we left it, by which later changes by others are recognised.
        warning: one line for the log; None almost always.
    """

    outcome: WriteOutcome
    path: Path
    was: Items
    now: Items
    undo: dict[str, Any] | None = None
    status: os.stat_result | None = None
    warning: str | None = None


def read(path: Path, parser: TagParser) -> Items:
    """Return every item of ours in a file, whichever preset wrote it.

    Raises:
        TagWriteError: the file or its tags cannot be read, or have no tag scheme.
    """
    with _as_tag_write_error(path):
        real = Path(os.path.realpath(path, strict=True))
        with opened(real, DISK) as source:
            return parser.read_tags(source)


def write(
    path: Path, items: Items, options: WriteOptions, history: FileHistory = UNKNOWN
) -> TagWrite:
    """Write items into a file, or into its sidecar.

    The items come from `keys.affect_items`, `provenance_item` and `mood_item`. A mood is left out
    where the file has another one. The new undo record leads back to before us, which `history`
    tells.
    """
    if options.mode is WriteMode.SIDECAR:
        with _as_tag_write_error(path):
            return _to_sidecar(path, keys.with_owned_keys(items), options)
    return _in_file(path, options, TagJob(JobKind.WRITE, items), history)


def strip(
    path: Path,
    options: WriteOptions,
    history: FileHistory = UNKNOWN,
    *,
    owned: frozenset[str] | None = None,
) -> TagWrite:
    """Remove our items from a file and its sidecar, whatever the mode, and nothing else.

    `owned` names our keys in this file, if the caller knows better than the file's own `VALENCED`
    item and `history`. The undo record leads back to before us, not to our tags.
    """
    return _removed(path, options, TagJob(JobKind.STRIP, owned=owned), history)


def restore(path: Path, options: WriteOptions, history: FileHistory) -> TagWrite:
    """Restore a file as it was before us, and remove its sidecar, whatever the mode.

    If nobody has changed the bytes that we wrote, the file becomes byte for byte as it was.
    Otherwise only our keys get their old values. Where nothing is known of before, our items are
    removed.
    """
    return _removed(path, options, TagJob(JobKind.RESTORE), history)


def _removed(path: Path, options: WriteOptions, job: TagJob, history: FileHistory) -> TagWrite:
    """Take out what we wrote, into the file or its sidecar, as the mode may have been another."""
    in_place = options.mode is WriteMode.IN_PLACE
    in_file = replace(options, mode=WriteMode.IN_PLACE if in_place else WriteMode.REPLACE)
    done = _in_file(path, in_file, job, history)
    if done.outcome is WriteOutcome.CHANGED:
        return done
    with _as_tag_write_error(path), opened(path, options.disk) as source:
        items = remove_sidecar(source, dry_run=options.dry_run)
    if not items or done.outcome is not WriteOutcome.UNCHANGED:
        return done
    outcome = WriteOutcome.PLANNED if options.dry_run else WriteOutcome.WRITTEN
    return replace(done, outcome=outcome, was=items)


def _in_file(path: Path, options: WriteOptions, job: TagJob, history: FileHistory) -> TagWrite:
    """Edit a file; go by values where the bytes of before prove wrong."""
    with _as_tag_write_error(path):
        try:
            return _to_file(path, options, job, history)
        except Unproven:
            if not history.own:
                raise
        return _to_file(path, options, job, replace(history, is_by_bytes=False))


def _to_file(path: Path, options: WriteOptions, job: TagJob, history: FileHistory) -> TagWrite:
    with opened(path, options.disk) as source:
        if options.mode is WriteMode.NONE:
            return TagWrite(WriteOutcome.SKIPPED, source.path, {}, {})
        if not options.expects(source.status):
            return TagWrite(WriteOutcome.CHANGED, source.path, {}, {})
        if is_mostly_holes(source.descriptor):
            raise TagsRefused(MOSTLY_HOLES)
        edit = planned_edit(source, options.parser, job, history)
        if edit.content is None:
            undo = _found_record(source, edit, history) if job.kind is JobKind.WRITE else None
            return _unchanged(source, edit.plan.was, undo)
        _refuse_unsafe(source, options)
        if options.dry_run:
            return TagWrite(WriteOutcome.PLANNED, source.path, edit.plan.was, edit.plan.wanted)
        if job.kind is JobKind.RESTORE:
            # Nothing needs to be recorded for it: the record in force still tells what there was.
            options = replace(options, record=None)
        return _written(source, edit, edit.content, options)


def _found_record(
    source: SourceFile, edit: CheckedEdit, history: FileHistory
) -> dict[str, Any] | None:
    """Return the record of a file that holds the wanted values already, if it is a new one."""
    record, base = edit.past
    if record is None:
        return UndoRecord(edit.plan.before).as_json([Kept(0, source.view.size)], source.view)
    is_known = base is None or (history.own and record is history.own[0])
    return None if is_known else record.as_json(record.undo, source.view)


def _written(
    source: SourceFile, edit: CheckedEdit, content: Assembled, options: WriteOptions
) -> TagWrite:
    plan = edit.plan
    undo: dict[str, Any] = {}

    def complete(copy: Copy) -> None:
        claim = Claim(plan.before.kind, plan.ours, plan.wanted, options.audio_hash)
        if edit.can_be_proven:
            copy.audio_hash = options.parser.prove_tags(source, copy.descriptor, claim)
        undo.update(UndoRecord(plan.before).as_json(edit.undo, copy.view))
        if options.record:
            options.record(undo)

    def way_back(_: Copy) -> str | None:
        return None if edit.back is None else as_text(edit.back)

    planned = FileWrite(source, content, complete, options.keep_mtime, options.begun, way_back)
    try:
        in_place = options.mode is WriteMode.IN_PLACE
        status, warning = overwrite(planned) if in_place else replace_or_overwrite(planned)
    except OriginalChanged:
        return TagWrite(WriteOutcome.CHANGED, source.path, plan.was, plan.was)
    return TagWrite(WriteOutcome.WRITTEN, source.path, plan.was, plan.wanted, undo, status, warning)


def _unchanged(source: SourceFile, items: Items, undo: dict[str, Any] | None = None) -> TagWrite:
    return TagWrite(WriteOutcome.UNCHANGED, source.path, items, items, undo, source.status)


def _refuse_unsafe(source: SourceFile, options: WriteOptions) -> None:
    refuse_read_only(source)
    links = source.status.st_nlink
    if links > 1 and options.mode is WriteMode.REPLACE:
        raise TagsRefused(f"it has {links} hard links; tags.mode = in-place keeps them together")


def _to_sidecar(path: Path, items: Items, options: WriteOptions) -> TagWrite:
    with opened(path, options.disk) as source:
        if not options.expects(source.status):
            return TagWrite(WriteOutcome.CHANGED, source.path, {}, {})
        sidecar = read_sidecar(source)
        was = sidecar.items if sidecar else {}
        is_same = set(was) == set(items) and keys.same_but_for_time(was, items)
        if sidecar and is_same and sidecar.file == source.path.name:
            return _unchanged(source, was)
        done = TagWrite(WriteOutcome.WRITTEN, source.path, was, items, status=source.status)
        if options.dry_run:
            return replace(done, outcome=WriteOutcome.PLANNED)
        write_sidecar(source, items, sidecar)
        return done


@contextmanager
def _as_tag_write_error(path: Path) -> Iterator[None]:
    """Turn everything that stops a write into the one error its callers know."""
    try:
        yield
    except TagsRefused as error:
        raise TagWriteError(path, error.reason, retry=error.retry) from error
    except OSError as error:
        refused = refusal_of(error)
        raise TagWriteError(path, refused.reason, retry=refused.retry) from error
    except ClipError as error:
        # A worker that died may have met trouble that passes, but not again and again.
        reason = f"its tags cannot be handled: {error.reason}"
        raise TagWriteError(path, reason, retry=True, is_try=True) from error
