"""What is known of a file before us, and which record of it still holds.

The journal has at most one undo record of a file: of our last write or strip. A record describes a
file if the bytes that we left are still in it. So a file is, whatever its record:

    untouched   without a record, or not described by it and without items of ours: as after a
                restore, or when an older file was put in its place
    known       described by its record: tagged or stripped, and changed by nobody since
    changed     not described by its record, with items of ours: others have written into it

What the next command makes of it, and what its new record leads to:

                write             strip             restore
    untouched   tagged; (1)       nothing to do     nothing to do
    known       tagged; (2)       stripped; (2)     untouched: byte for byte as before us
    changed     tagged; (3)       stripped; (3)     untouched: our keys as before us, the rest stays

1. The file as it was found.
2. What the old record led to. All records together are one step back.
3. The file as others left it, with our keys as they were before us. Without any record this is a
   file of another catalogue, or of one that is lost: items that its own `VALENCED` item lists are
   ours and no past of it.

What other programs do is no event here, as nobody tells of it: it is seen in the bytes. A restore
leaves the record as it is, for a tagged copy that may be put back. A write or strip that was
interrupted leaves two records, of which the bytes choose. A copy of a tagged file has no record of
its own, and takes over that of the original if it holds the very bytes that we wrote there. An
original takes over nothing of its copy. Nothing else passes between files of the same sound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.undo_record import UndoRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Self

    from daemon.tagging.basics.byte_views import Assembled, View

    Records = Sequence[Mapping[str, Any]]


class Past(NamedTuple):
    """What is known of a file before us.

    Attributes:
        record: None if nothing is known.
        base: the bytes of then; None if they are lost, or others have changed the file since.
    """

    record: UndoRecord | None = None
    base: Assembled | None = None

    @property
    def is_exact(self) -> bool:
        """Whether these bytes are the file before us, to the last one."""
        return self.base is not None and self.record is not None and self.record.before.is_clean


@dataclass(frozen=True)
class FileHistory:
    """The undo records of a file.

    Attributes:
        own: of the file itself, the newest first.
        of_copies: returns those of files with the same sound that we left with a size in bytes.
        is_by_bytes: False to use values only, where the bytes proved wrong.
    """

    own: Sequence[UndoRecord] = ()
    of_copies: Callable[[int], Iterable[UndoRecord]] = field(default=lambda _: ())
    is_by_bytes: bool = True

    @classmethod
    def of(cls, own: Records, of_copies: Callable[[int], Records] = lambda _: ()) -> Self:
        """Return the history in records as the catalogue holds them.

        Raises:
            ValueError: one of `own` is no undo record.
        """
        return cls(
            [UndoRecord.from_json(record) for record in own],
            lambda size: map(UndoRecord.from_json, of_copies(size)),
        )

    def past_of(self, view: View) -> Past:
        """Return what is known of a file before us."""
        for record in self.own if self.is_by_bytes else ():
            if base := record.undone(view):
                return Past(record, base)
        for record in self.of_copies(view.size) if self.is_by_bytes else ():
            if not record.is_tagged or self._knows_more_than(record):
                continue
            if base := record.undone(view):
                return Past(record, base)
        return Past(self.own[0]) if self.own else Past()

    def _knows_more_than(self, record: UndoRecord) -> bool:
        """Return whether the tags that a copy's record describes are of the file's own record.

        Others changed the file, it was copied, and of the copy nothing else was known.
        """
        is_vague = not record.before.is_clean and record.mark is not None
        return is_vague and bool(self.own) and self.own[0].mark == record.mark
