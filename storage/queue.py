"""The queue of files to analyse: rows in the catalogue, so that a crash loses nothing."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    not_,
    or_,
    select,
    text,
    true,
    update,
)

from storage.database.sessions import CataloguePart, batches, is_sqlite, one_statement
from storage.schema.column_types import PathText
from storage.schema.file_stamps import FileStamp
from storage.schema.records import QueueEntry
from storage.schema.row_mapping import stamp_of
from storage.schema.tables import at_or_below, queue
from storage.schema.upserts import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Executable
    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.dml import ReturningUpdate

WAITING: Final = "waiting"
RUNNING: Final = "running"
GIVEN_UP: Final = "given up"
PASSED_OVER_EACH: Final = 50
"""After so many claims, files that have been due longer are looked for again."""

_STAMP: Final = tuple(column.name for column in fields(FileStamp))


class Queue(CataloguePart):
    """Files that wait to be analysed, in the order in which they are due.

    Attributes:
        folders: only files at or below these are claimed, and count as waiting; None for all.
    """

    folders: Sequence[Path] | None = None
    _from: datetime | None = None
    _claims: int = 0

    def put(
        self,
        files: Iterable[tuple[Path, FileStamp]],
        now: datetime,
        *,
        due_at: datetime | None = None,
    ) -> int:
        """Add files; one that is queued with the same stamp keeps its place and its attempts.

        A file that changed since it was queued starts again with no attempts. One that is being
        analysed takes its new stamp, so that `finish` leaves it in the queue.

        Returns:
            The number of rows added or changed.
        """
        with self.engine.begin() as connection:
            return put(connection, files, now, due_at=due_at)

    def claim(self, now: datetime) -> QueueEntry | None:
        """Claim the file that has been due longest, and count the attempt before it is made.

        Where only the files of some folders are claimed, those of others that have been due longer
        are passed over now and then, not each time: there may be a million. So a file that was put
        back may be claimed after one that is due later.
        """
        self._claims += 1
        folders, entry = None if self.folders is None else tuple(self.folders), None
        if folders is not None and self._from is not None and self._claims % PASSED_OVER_EACH:
            entry = self._claimed(_claim_in(folders, has_start=True), now, since=self._from)
        return entry or self._claimed(_claim_in(folders), now)

    def _claimed(
        self, statement: ReturningUpdate[Any], now: datetime, **others: datetime
    ) -> QueueEntry | None:
        # Without a turn: rows that others claim at this moment are locked, and passed over.
        with one_statement(self.engine) as connection:
            row = connection.execute(statement, {"now": now, **others}).one_or_none()
        if row is None:
            return None
        self._from = row.due_at
        return QueueEntry(row.path, stamp_of(row), row.attempts, row.fresh_since)

    def fail(self, entry: QueueEntry, reason: str, retry_at: datetime | None) -> None:
        """Record a failure: retry at `retry_at`, or give up until the file changes (None)."""
        failed = update(queue).where(queue.c.path == entry.path, _same(vars(entry.stamp)))
        if retry_at is None:
            failed = failed.values(state=GIVEN_UP, reason=reason)
        else:
            failed = failed.values(state=WAITING, reason=reason, due_at=retry_at)
        with self.engine.begin() as connection:
            connection.execute(failed)
            connection.execute(_RELEASE_CHANGED, {"own": entry.path})

    def release(self, entry: QueueEntry) -> None:
        """Return a claimed file, without counting the attempt, because the service stops."""
        self._write(
            update(queue)
            .where(queue.c.path == entry.path)
            .values(
                state=WAITING, attempts=case((queue.c.attempts > 0, queue.c.attempts - 1), else_=0)
            )
        )

    def postpone(self, entry: QueueEntry, stamp: FileStamp, due_at: datetime) -> None:
        """Return a claimed file with its present stamp, to be claimed again at `due_at`."""
        self._write(
            update(queue)
            .where(queue.c.path == entry.path)
            .values(state=WAITING, attempts=0, due_at=due_at, reason=None, **vars(stamp))
        )

    def remove(self, entry: QueueEntry) -> None:
        """Delete a claimed file that no longer exists."""
        self._write(delete(queue).where(queue.c.path == entry.path))

    def forget(self, paths: Iterable[Path]) -> None:
        """Delete files that no longer exist, except those that are being analysed."""
        named = queue.c.path == bindparam("gone", type_=PathText)
        for some in batches(paths):
            with self.engine.begin() as connection:
                unclaimed = delete(queue).where(named, queue.c.state != RUNNING)
                connection.execute(unclaimed, [{"gone": path} for path in some])

    def retry(self, now: datetime, under: Path | None = None) -> int:
        """Make failed files due now, all or those at or below a path; return their number."""
        failed = queue.c.reason.is_not(None) & (queue.c.state != RUNNING)
        if under is not None:
            failed &= at_or_below(queue.c.path, under)
        return self._write(
            update(queue).where(failed).values(state=WAITING, attempts=0, due_at=now)
        )

    def expedite(self, now: datetime, later_than: datetime) -> int:
        """Make files due now that would be due later than a time; return their number."""
        late = (queue.c.state == WAITING) & (queue.c.due_at > later_than)
        return self._write(update(queue).where(late, self._own()).values(due_at=now))

    def release_claims(self) -> int:
        """Return what an earlier process of this service had claimed; call once at start."""
        claimed = queue.c.state == RUNNING
        if not is_sqlite(self.engine):
            own = "claimed_by IS NOT DISTINCT FROM current_setting('valenced.service', true)"
            claimed &= text(own)
        return self._write(update(queue).where(claimed).values(state=WAITING))

    def untried(self) -> list[Path]:
        """Return the files that wait for their first attempt, due or not."""
        untried = (queue.c.state == WAITING) & (queue.c.attempts == 0)
        return [row.path for row in self._rows(select(queue.c.path).where(untried, self._own()))]

    def next_due(self) -> datetime | None:
        """Return when the next waiting file is due, None if none waits."""
        statement = select(queue.c.due_at).where(queue.c.state == WAITING, self._own())
        return self._value(statement.order_by(queue.c.due_at).limit(1))

    def waiting(self, now: datetime) -> int:
        """Count the files that are due or being analysed."""
        # Each by the index; one condition for both would collect the rows first.
        running = select(func.count()).where(queue.c.state == RUNNING, self._own())
        due = select(func.count()).where(
            queue.c.state == WAITING, queue.c.due_at <= now, self._own()
        )
        return self._value(select(running.scalar_subquery() + due.scalar_subquery())) or 0

    def _own(self) -> ColumnElement[bool]:
        return _is_in(self.folders)


def put(
    connection: Connection,
    files: Iterable[tuple[Path, FileStamp]],
    now: datetime,
    *,
    due_at: datetime | None = None,
) -> int:
    """Add files, as `Queue.put` does, within a transaction."""
    times = {"queued_at": now, "due_at": due_at or now, "fresh_since": None}
    return _put(connection, _UPSERT, files, times)


def put_again(
    connection: Connection, files: Iterable[tuple[Path, FileStamp]], now: datetime
) -> int:
    """Have files analysed although they have features, unless these are as fresh as `now`.

    Those that wait already keep their stamp, which is the newer one.
    """
    times = {"queued_at": now, "due_at": now, "fresh_since": now}
    return _put(connection, _MARK, files, times)


def _put(
    connection: Connection,
    statement: Executable,
    files: Iterable[tuple[Path, FileStamp]],
    times: Mapping[str, datetime | None],
) -> int:
    row = {"state": WAITING, "attempts": 0, **times}
    rows = [{"path": path, **vars(stamp), **row} for path, stamp in files]
    return connection.execute(statement, rows).rowcount if rows else 0


def finish(connection: Connection, entry: QueueEntry) -> None:
    """Remove a file, within the transaction that records its analysis.

    A file that changed during its analysis, or is to be analysed again, stays and is due again.
    """
    stamp = {f"own_{name}": value for name, value in vars(entry.stamp).items()}
    known = {"own": entry.path, "own_fresh_since": entry.fresh_since}
    if not connection.execute(_FINISH, known | stamp).rowcount:
        connection.execute(_RELEASE_CHANGED, {"own": entry.path})


def _same(stamp: Mapping[str, Any]) -> ColumnElement[bool]:
    """Return the condition that the queue has this stamp."""
    return and_(*(queue.c[name].is_not_distinct_from(stamp[name]) for name in _STAMP))


def _is_in(folders: Iterable[Path] | None) -> ColumnElement[bool]:
    if folders is None:
        return true()
    return or_(false(), *(at_or_below(queue.c.path, folder) for folder in folders))


@lru_cache(maxsize=8)
def _claim_in(folders: tuple[Path, ...] | None, *, has_start: bool = False) -> ReturningUpdate[Any]:
    """Return what claims the file in folders that has been due longest, or that since some time."""
    is_due = queue.c.due_at <= bindparam("now", type_=queue.c.due_at.type)
    if has_start:
        is_due &= queue.c.due_at >= bindparam("since", type_=queue.c.due_at.type)
    first = (
        select(queue.c.path)
        .where(queue.c.state == WAITING, is_due, _is_in(folders))
        .order_by(queue.c.due_at, queue.c.path)
        .limit(1)
        # SQLite knows no other claim at the same time.
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return (
        update(queue)
        .where(queue.c.path == first)
        .values(state=RUNNING, attempts=queue.c.attempts + 1)
        .returning(queue)
    )


_OWN: Final = queue.c.path == bindparam("own", type_=PathText)
_FINISH: Final = delete(queue).where(
    _OWN,
    _same({name: bindparam(f"own_{name}", type_=queue.c[name].type) for name in _STAMP}),
    queue.c.fresh_since.is_not_distinct_from(
        bindparam("own_fresh_since", type_=queue.c.fresh_since.type)
    ),
)
_RELEASE_CHANGED: Final = (
    update(queue)
    .where(_OWN, queue.c.state == RUNNING)
    .values(state=WAITING, attempts=0, reason=None)
)
"""Makes a file due again that changed during its analysis."""


_UPSERT = upsert(queue)
_DUE: Final = {
    "due_at": _UPSERT.excluded.due_at,
    "state": case((queue.c.state == RUNNING, RUNNING), else_=WAITING),
    "attempts": 0,
    "reason": None,
}
_MARK = _UPSERT.on_conflict_do_update(
    index_elements=[queue.c.path], set_={**_DUE, "fresh_since": _UPSERT.excluded.fresh_since}
).execution_options(preserve_rowcount=True)
_UPSERT = _UPSERT.on_conflict_do_update(
    index_elements=[queue.c.path],
    set_={**_DUE, **{name: _UPSERT.excluded[name] for name in _STAMP}},
    where=not_(_same({name: _UPSERT.excluded[name] for name in _STAMP})),
).execution_options(preserve_rowcount=True)
