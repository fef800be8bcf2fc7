"""The work queue: rows in the catalogue, so that a crash loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from storage.database.sessions import reading
from storage.schema.records import FileStamp, QueueEntry
from storage.schema.tables import below, queue

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.engine import Connection, Engine

WAITING, RUNNING, GIVEN_UP = "waiting", "running", "given up"


class Queue:
    """Files that wait to be heard, in the order in which they are due."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(
        self,
        files: Iterable[tuple[Path, FileStamp]],
        now: datetime,
        *,
        due_at: datetime | None = None,
    ) -> int:
        """Add files; one that is already there in the same state keeps its place and its attempts.

        A file that changed since it was queued starts anew. One that is being worked on just
        now takes its new stamp, so that `finish` leaves it in the queue.

        Returns:
            The number of rows added or changed.
        """
        with self._engine.begin() as connection:
            return put(connection, files, now, due_at=due_at)

    def claim(self, now: datetime) -> QueueEntry | None:
        """Take the file that is due longest, and count the attempt before it is made."""
        due = (
            select(queue.c.path)
            .where(queue.c.state == WAITING, queue.c.due_at <= now)
            .order_by(queue.c.due_at, queue.c.path)
            .limit(1)
            .scalar_subquery()
        )
        statement = (
            update(queue)
            .where(queue.c.path == due)
            .values(state=RUNNING, attempts=queue.c.attempts + 1)
            .returning(
                queue.c.path, queue.c.size, queue.c.mtime_ns, queue.c.inode, queue.c.attempts
            )
        )
        with self._engine.begin() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            return None
        stamp = FileStamp(row.size, row.mtime_ns, row.inode)
        return QueueEntry(row.path, stamp, row.attempts)

    def fail(self, entry: QueueEntry, reason: str, retry_at: datetime | None) -> None:
        """Put a file off until `retry_at`, or give it up until it changes (None)."""
        with self._engine.begin() as connection:
            connection.execute(
                update(queue)
                .where(queue.c.path == entry.path, _same(entry.stamp))
                .values(
                    state=GIVEN_UP if retry_at is None else WAITING,
                    reason=reason,
                    due_at=queue.c.due_at if retry_at is None else retry_at,
                )
            )
            _free_if_changed(connection, entry)

    def give_back(self, entry: QueueEntry) -> None:
        """Return a claimed file untried, because the service stops."""
        with self._engine.begin() as connection:
            connection.execute(
                update(queue)
                .where(queue.c.path == entry.path)
                .values(state=WAITING, attempts=func.max(queue.c.attempts - 1, 0))
            )

    def postpone(self, entry: QueueEntry, stamp: FileStamp, due_at: datetime) -> None:
        """Return a claimed file untried, as it looks now, to be claimed again later."""
        with self._engine.begin() as connection:
            connection.execute(
                update(queue)
                .where(queue.c.path == entry.path)
                .values(state=WAITING, attempts=0, due_at=due_at, reason=None, **vars(stamp))
            )

    def remove(self, entry: QueueEntry) -> None:
        """Take off a claimed file that is not there any more."""
        with self._engine.begin() as connection:
            connection.execute(delete(queue).where(queue.c.path == entry.path))

    def forget(self, paths: Iterable[Path]) -> None:
        """Forget files that are no longer there, except one that is being worked on."""
        with self._engine.begin() as connection:
            for path in paths:
                connection.execute(
                    delete(queue).where(queue.c.path == path, queue.c.state != RUNNING)
                )

    def retry(self, now: datetime, under: Path | None = None) -> int:
        """Make what failed due at once, and its attempts forgotten; return how many files.

        Args:
            now: when.
            under: a file or folder; everything if None.
        """
        failed = queue.c.reason.is_not(None) & (queue.c.state != RUNNING)
        if under is not None:
            failed &= (queue.c.path == under) | below(queue.c.path, under)
        with self._engine.begin() as connection:
            return connection.execute(
                update(queue).where(failed).values(state=WAITING, attempts=0, due_at=now)
            ).rowcount

    def take_up_again(self) -> int:
        """Free what a process that ended in the middle had claimed; call once at start."""
        with self._engine.begin() as connection:
            return connection.execute(
                update(queue).where(queue.c.state == RUNNING).values(state=WAITING)
            ).rowcount

    def untried(self) -> list[Path]:
        """Return the files that still wait for their first attempt, be they due or not."""
        statement = select(queue.c.path).where(queue.c.state == WAITING, queue.c.attempts == 0)
        with reading(self._engine) as connection:
            return list(connection.execute(statement).scalars())

    def next_due(self) -> datetime | None:
        """Return when the next waiting file is due, None if none waits."""
        with reading(self._engine) as connection:
            statement = select(queue.c.due_at).where(queue.c.state == WAITING)
            return connection.execute(statement.order_by(queue.c.due_at).limit(1)).scalar()

    def waiting(self, now: datetime) -> int:
        """Count the files that are due or being worked on."""
        condition = or_(
            queue.c.state == RUNNING, (queue.c.state == WAITING) & (queue.c.due_at <= now)
        )
        with reading(self._engine) as connection:
            return connection.execute(
                select(func.count()).select_from(queue).where(condition)
            ).scalar_one()


def put(
    connection: Connection,
    files: Iterable[tuple[Path, FileStamp]],
    now: datetime,
    *,
    due_at: datetime | None = None,
) -> int:
    """Add files, as `Queue.put` does, within a transaction."""
    times = {"queued_at": now, "due_at": due_at or now}
    changed = 0
    for path, stamp in files:
        row = {"path": path, **vars(stamp), "state": WAITING, "attempts": 0, **times}
        changed += connection.execute(_UPSERT, row).rowcount
    return changed


def finish(connection: Connection, entry: QueueEntry) -> None:
    """Remove a file that is done, within the transaction that records its result.

    If the file changed while it was worked on, it stays and is due again.
    """
    connection.execute(delete(queue).where(queue.c.path == entry.path, _same(entry.stamp)))
    _free_if_changed(connection, entry)


def _free_if_changed(connection: Connection, entry: QueueEntry) -> None:
    connection.execute(
        update(queue)
        .where(queue.c.path == entry.path, queue.c.state == RUNNING)
        .values(state=WAITING, attempts=0, reason=None)
    )


def _same(stamp: FileStamp) -> ColumnElement[bool]:
    return (
        (queue.c.size == stamp.size)
        & (queue.c.mtime_ns == stamp.mtime_ns)
        & (queue.c.inode == stamp.inode)
    )


def _upsert() -> Insert:
    statement = insert(queue)
    new = statement.excluded
    changed = or_(
        queue.c.size != new.size, queue.c.mtime_ns != new.mtime_ns, queue.c.inode != new.inode
    )
    return statement.on_conflict_do_update(
        index_elements=[queue.c.path],
        set_={
            "size": new.size,
            "mtime_ns": new.mtime_ns,
            "inode": new.inode,
            "state": case((queue.c.state == RUNNING, RUNNING), else_=WAITING),
            "attempts": 0,
            "due_at": new.due_at,
            "reason": None,
        },
        where=changed,
    )


_UPSERT = _upsert()
