"""Writes, removes and restores our tags in a file; each change is proven harmless or not made.

A path is that of the file itself: only `read` follows symbolic links. Any function may raise
TagWriteError, which says in one line why nothing was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.service_errors import TagWriteError
from daemon.tagging import edit_plan
from daemon.tagging.delta import delta
from daemon.tagging.disk.atomic_copy import FileWrite
from daemon.tagging.disk.in_place import overwrite, replace_or_overwrite
from daemon.tagging.disk.source import OriginalChanged, SourceFile, opened, refuse_read_only
from daemon.tagging.disk.syscalls import DISK, DiskCalls
from daemon.tagging.formats import keys
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.tag_errors import TagsRefused, damage_refused, refusal_of
from daemon.tagging.proof import Unproven, prove
from daemon.tagging.sidecar import read_sidecar, write_sidecar
from daemon.tagging.undo_record import MOST_UNDO_BYTES, UndoRecord, packed
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.tagging.disk.atomic_copy import Copy
    from daemon.tagging.disk.source import Reader
    from daemon.tagging.formats.byte_views import View
    from daemon.tagging.formats.format import Edit
    from daemon.tagging.formats.keys import Items
    from storage.begun_writes import BegunWrites


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
        reader: reads a file by ffmpeg, for the proof that nothing else changed.
        audio_hash: of the file, if it is known for the status that `expects` accepts.
        mode: where tags are written.
        expects: gets the status of the opened file; on False it is left alone, as `changed`.
        keep_mtime: keep the modification time of the file.
        dry_run: report what would be done, and do nothing.
        record: gets the undo record (JSON types) after the proof and before the file changes, so
            that no write is ever without its undo; if it raises, nothing is written.
        begun: where writes in place are noted before they begin; without it there are none.
        disk: does the system calls.
    """

    reader: Reader
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
        undo: the undo record for `restore`; None where nothing is written into the file.
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


def read(path: Path) -> Items:
    """Return every item of ours in a file, whichever preset wrote it.

    Raises:
        TagWriteError: the file or its tags cannot be read, or have no tag scheme.
    """
    with (
        _as_tag_write_error(path),
        opened(Path(os.path.realpath(path, strict=True)), DISK) as source,
        damage_refused(),
    ):
        return container_of(source.view).items(source.view, keys.ALL_KEYS)


def write(
    path: Path, items: Items, options: WriteOptions, *, earlier: Mapping[str, Any] | None = None
) -> TagWrite:
    """Write items into a file, or into its sidecar.

    The items come from `keys.affect_items`, `provenance_item` and `mood_item`. A mood is left out
    where the file has another one. `earlier` is the undo record of the first write, if there was
    one; the new record then leads back to before that write.
    """
    first = UndoRecord.from_json(earlier) if earlier else None
    in_sidecar = keys.with_owned_keys(items)
    return _run(path, options, in_sidecar, lambda view: edit_plan.to_write(view, items, first))


def strip(path: Path, options: WriteOptions, *, owned: frozenset[str] | None = None) -> TagWrite:
    """Remove our items from a file, and nothing else.

    `owned` names our keys in this file, as the catalogue knows them; by default they are those that
    the file's own `VALENCED` item lists.
    """
    return _run(path, options, {}, lambda view: edit_plan.to_strip(view, owned))


def restore(path: Path, undo: Mapping[str, Any], options: WriteOptions) -> TagWrite:
    """Restore what was under our keys before the first write.

    If nobody has changed the bytes that we wrote, the file becomes byte for byte as it was.
    Otherwise only our keys get their old values.

    Raises:
        ValueError: `undo` is not an undo record.
    """
    first = UndoRecord.from_json(undo)
    return _run(
        path,
        options,
        {},
        lambda view: edit_plan.to_restore(view, first),
        lambda view: edit_plan.to_reset(view, first),
    )


Planner = Callable[["View"], edit_plan.EditPlan]


def _run(path: Path, options: WriteOptions, in_sidecar: Items, *planners: Planner) -> TagWrite:
    """Write where the options say, by the first plan whose result can be proven."""
    with _as_tag_write_error(path):
        if options.mode is WriteMode.SIDECAR:
            return _to_sidecar(path, in_sidecar, options)
        for planner in planners[:-1]:
            with suppress(Unproven):
                return _to_file(path, options, planner)
        return _to_file(path, options, planners[-1])


def _to_file(path: Path, options: WriteOptions, planner: Planner) -> TagWrite:
    with opened(path, options.disk) as source:
        if options.mode is WriteMode.NONE:
            return TagWrite(WriteOutcome.SKIPPED, source.path, {}, {})
        if not options.expects(source.status):
            return TagWrite(WriteOutcome.CHANGED, source.path, {}, {})
        with damage_refused():
            plan = planner(source.view)
        if plan.edit is None:
            return _unchanged(source, plan.was)
        _refuse_unsafe(source, options)
        if options.dry_run:
            return TagWrite(WriteOutcome.PLANNED, source.path, plan.was, plan.wanted)
        return _written(source, plan, plan.edit, options)


def _written(
    source: SourceFile, plan: edit_plan.EditPlan, edit: Edit, options: WriteOptions
) -> TagWrite:
    undo: dict[str, Any] = {}

    def complete(copy: Copy) -> None:
        if edit.finish is not None:
            edit.finish(copy)
        copy.audio_hash = prove(source, copy.path, plan, options.reader, options.audio_hash)
        undo.update(plan.undo.as_json(plan.base, copy.view))
        if options.record:
            options.record(undo)

    def way_back(copy: Copy) -> str | None:
        pieces = delta(source.view, copy.view, MOST_UNDO_BYTES)
        return None if pieces is None else packed(pieces)

    planned = FileWrite(source, edit.content, complete, options.keep_mtime, options.begun, way_back)
    try:
        in_place = options.mode is WriteMode.IN_PLACE
        status, warning = overwrite(planned) if in_place else replace_or_overwrite(planned)
    except OriginalChanged:
        return TagWrite(WriteOutcome.CHANGED, source.path, plan.was, plan.was)
    return TagWrite(WriteOutcome.WRITTEN, source.path, plan.was, plan.wanted, undo, status, warning)


def _unchanged(source: SourceFile, items: Items) -> TagWrite:
    return TagWrite(WriteOutcome.UNCHANGED, source.path, items, items, status=source.status)


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
        if not was and not items:
            return _unchanged(source, was)
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
        # A worker that died or a disk that failed is no fault of the file.
        reason = f"its sound cannot be compared: {error.reason}"
        raise TagWriteError(path, reason, retry=True) from error
