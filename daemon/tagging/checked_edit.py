"""An edit that a worker has planned, and the check that it destroys nothing.

The worker is not believed about the bytes of others, as a hostile file may have taken it over. What
it plans must leave the file such that the old one can be made again from the new one and the undo
record, byte for byte (`way_back`). Where that record would be too large to be stored, at most
`_MOST_LOST` of the bytes, or `_FEW_BYTES` of them, may change. Not checked is whether the new file
still plays: that the worker's own proof tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daemon.tagging import undo_record
from daemon.tagging.basics.byte_views import Assembled, Kept, common_length, length_of
from daemon.tagging.basics.tag_errors import MUCH_TO_REWRITE, TagsRefused
from daemon.tagging.basics.tag_jobs import JobKind, TagJob, TagPlan, TagsBefore
from daemon.tagging.way_back import way_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.tagging.basics.byte_views import Piece
    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.file_history import FileHistory, Past
    from daemon.tagging.tag_parser import TagParser

_MOST_LOST, _FEW_BYTES = 1 / 64, 256 * 1024
"""The share, or the number, of a file's bytes that an edit may change without a record of them: in
files of many hours, the positions in the index of MP4 and the page numbers of Ogg."""


@dataclass(frozen=True)
class CheckedEdit:
    """An edit that leads back.

    Attributes:
        plan: as the parser made it.
        content: the file after the edit; None if there is nothing to do.
        past: what was known of the file before us.
        undo: what the file before us is made of, in ranges of `content`; None if that is too large.
        back: the same of the file as it is.
        can_be_proven: False where a file that cannot be read gets back its bytes of before.
    """

    plan: TagPlan
    content: Assembled | None
    past: Past
    undo: Sequence[Piece] | None = None
    back: Sequence[Piece] | None = None
    can_be_proven: bool = True


def planned_edit(
    source: SourceFile, parser: TagParser, job: TagJob, history: FileHistory
) -> CheckedEdit:
    """Have an edit planned, and check that it leads back.

    Raises:
        TagsRefused: the file cannot be edited, or too much of it would be lost.
    """
    present = Assembled(source.view, [Kept(0, source.view.size)])
    past = history.past_of(source.view)
    plan, can_be_read = _planned(source, parser, _with_past(job, past), past)
    # The bytes of a clean record are known here, whatever the worker says.
    is_exact = job.kind is JobKind.RESTORE and past.is_exact
    pieces = past.base.pieces if past.base and is_exact else plan.content
    content = None if pieces is None else Assembled(source.view, pieces)
    if content is None or _is_there(content):
        return CheckedEdit(plan, None, past)
    most = undo_record.MOST_UNDO_BYTES
    back = way_back(present, content, most)
    undo = back if past.base is None else way_back(past.base, content, most)
    most_lost = max(_FEW_BYTES, source.view.size * _MOST_LOST)
    if not is_exact and undo.pieces is None and undo.lost > most_lost:
        raise TagsRefused(MUCH_TO_REWRITE)
    return CheckedEdit(plan, content, past, undo.pieces, back.pieces, can_be_read)


def _is_there(content: Assembled) -> bool:
    """Return whether an edit gives the file the very bytes that it has."""
    if content.size != content.base.size:
        return False
    at = 0
    for piece in content.pieces:
        if piece != Kept(at, length_of(piece)):
            same = common_length(content.base, at, Assembled(content.base, [piece]), 0)
            if same < length_of(piece):
                return False
        at += length_of(piece)
    return True


def _with_past(job: TagJob, past: Past) -> TagJob:
    """Return a job with what is known of the past; without any, a restore only removes."""
    if job.kind is JobKind.RESTORE and past.base is None:
        job = replace(job, kind=JobKind.STRIP if past.record is None else JobKind.RESET)
    if past.record is None:
        return job
    base = None if past.base is None else past.base.pieces
    return replace(job, first=past.record.before, base=base)


def _planned(
    source: SourceFile, parser: TagParser, job: TagJob, past: Past
) -> tuple[TagPlan, bool]:
    """Return the plan, and whether the file can be read."""
    try:
        return parser.plan_tags(source, job), True
    except TagsRefused as error:
        if job.kind is JobKind.STRIP and past.record is None and not error.retry:
            # No tags of ours can be in what nobody can read.
            return TagPlan({}, {}, frozenset(), None, TagsBefore("", {}, block=False)), True
        if job.kind is not JobKind.RESTORE or not past.is_exact or past.record is None:
            raise
    # Our own bytes are still in it, and nothing can make sense of it: so it must go back.
    before = past.record.before
    wanted = {key: values for key, values in before.items.items() if values is not None}
    return TagPlan({}, wanted, frozenset(before.items), None, before), False
