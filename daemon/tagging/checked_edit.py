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
from daemon.tagging.basics.byte_views import Assembled, Kept
from daemon.tagging.basics.tag_errors import MUCH_TO_REWRITE, TagsRefused
from daemon.tagging.basics.tag_jobs import JobKind, TagJob, TagPlan
from daemon.tagging.way_back import way_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.tagging.basics.byte_views import Piece
    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.tag_parser import TagParser
    from daemon.tagging.undo_record import UndoRecord

_MOST_LOST, _FEW_BYTES = 1 / 64, 256 * 1024
"""The share, or the number, of a file's bytes that an edit may change without a record of them: in
files of many hours, the positions in the index of MP4 and the page numbers of Ogg."""


@dataclass(frozen=True)
class CheckedEdit:
    """An edit that leads back.

    Attributes:
        plan: as the parser made it.
        content: the file after the edit; None if there is nothing to do.
        undo: what the file before our first write is made of, in ranges of `content`; None if that
            is too large, or its bytes are lost.
        back: the same of the file as it is.
        can_be_proven: False where a file that cannot be read gets back its bytes of before.
    """

    plan: TagPlan
    content: Assembled | None
    undo: Sequence[Piece] | None = None
    back: Sequence[Piece] | None = None
    can_be_proven: bool = True


def planned_edit(
    source: SourceFile, parser: TagParser, job: TagJob, first: UndoRecord | None
) -> CheckedEdit:
    """Have an edit planned, and check that it leads back.

    Raises:
        TagsRefused: the file cannot be edited, or too much of it would be lost.
    """
    present = Assembled(source.view, [Kept(0, source.view.size)])
    base = None if first is None else first.undone(source.view)
    if job.kind is JobKind.RESTORE and base is None:
        job = replace(job, kind=JobKind.RESET)
    if first is not None:
        job = replace(job, first=first.before, base=None if base is None else base.pieces)
    can_be_read = True
    try:
        plan = parser.plan_tags(source, job)
    except TagsRefused:
        if job.kind is not JobKind.RESTORE or first is None or base is None:
            raise
        # Our own bytes are still in it, and nothing can make sense of it: so it must go back.
        wanted = {key: values for key, values in first.items.items() if values is not None}
        plan = TagPlan({}, wanted, frozenset(first.items), base.pieces, first.before)
        can_be_read = False
    if plan.content is None:
        return CheckedEdit(plan, None)
    content = Assembled(source.view, plan.content)
    if job.kind is JobKind.RESTORE and base is not None:
        # These bytes are known here.
        content = base
    most = undo_record.MOST_UNDO_BYTES
    back = undo = way_back(present, content, most)
    if job.kind is JobKind.WRITE and base is not None:
        undo = way_back(base, content, most)
    most_lost = max(_FEW_BYTES, source.view.size * _MOST_LOST)
    if job.kind is not JobKind.RESTORE and undo.pieces is None and undo.lost > most_lost:
        raise TagsRefused(MUCH_TO_REWRITE)
    is_lost = job.kind is JobKind.WRITE and first is not None and base is None
    return CheckedEdit(
        plan, content, None if is_lost else undo.pieces, back.pieces, can_be_proven=can_be_read
    )
