"""Collects the annotations of one table on disk, and adds them in one short transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from storage.database.sessions import is_sqlite
from storage.schema.column_types import Moment, PathText
from storage.schema.tables import given_annotations, identities, import_under_way
from storage.stale_tags import mark_stale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from storage.annotations import GivenAnnotation

_staged: Final = Table(
    "staged_annotations",
    MetaData(),
    Column("line", Integer, primary_key=True),
    Column("identity", String),
    Column("named", PathText),
    Column("annotator", String),
    Column("arousal", Float),
    Column("valence", Float),
    Column("source", String),
    Column("before", Integer),
    # The database puts it into a file of this connection alone, and deletes it with the connection.
    prefixes=["TEMPORARY"],
)
_given, _own = given_annotations.c, _staged.c
_GIVEN: Final = ("identity", "named", "annotator", "arousal", "valence", "source")


class AnnotationStaging:
    """The annotations of one table, which nobody else sees until they are added together.

    Args:
        connection: of this staging alone.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, rows: Sequence[tuple[int, GivenAnnotation]]) -> None:
        """Put annotations aside, each with its line in the table; no other writer has to wait."""
        self._connection.execute(
            insert(_staged), [vars(given) | {"line": line} for line, given in rows]
        )

    def repeated(self, most: int) -> tuple[int, list[tuple[int, int]]]:
        """Return how many lines repeat an annotator and a sound, and the first of them.

        Each of these comes with the line that it repeats.
        """
        order = func.min(_own.line).over(partition_by=[_own.identity, _own.annotator])
        lines = select(_own.line, order.label("earlier")).subquery()
        again = lines.c.line != lines.c.earlier
        count = select(func.count()).select_from(lines).where(again)
        first = select(lines).where(again).order_by(lines.c.line).limit(most)
        found = [(row.line, row.earlier) for row in self._connection.execute(first)]
        return self._connection.execute(count).scalar_one(), found

    def add(self, origin: str | None, now: datetime) -> int:
        """Add everything, all or nothing, as `AnnotationStore.add` does.

        Args:
            origin: the start of the origin of each line, None without one.
            now: the time, aware of its zone.

        Returns:
            The number of new annotations.
        """
        connection = self._connection
        connection.commit()
        connection.execution_options(read_only=False, takes_no_turn=False)
        with connection.begin():
            connection.execute(insert(import_under_way).values(only=1))
            _merge(connection)
            replaced = select(_own.before).where(_own.before.is_not(None))
            connection.execute(
                update(given_annotations).where(_given.id.in_(replaced)).values(withdrawn_at=now)
            )
            line = literal(origin, String).op("||")(":").op("||")(cast(_own.line, String))
            columns = [_own[name] for name in _GIVEN]
            made_at = literal(now, Moment)
            count = connection.execute(
                insert(given_annotations).from_select(
                    [*_GIVEN, "made_at", "origin"], select(*columns, made_at, line)
                ),
                execution_options={"preserve_rowcount": True},
            ).rowcount
            connection.execute(delete(import_under_way))
            _show(connection)
            changed = connection.execute(
                select(identities.c.id)
                .distinct()
                .join_from(_staged, identities, identities.c.identity == _own.identity)
            ).scalars()
            mark_stale(connection, changed.all(), step=1)
        return count


@contextmanager
def annotation_staging(engine: Engine) -> Iterator[AnnotationStaging]:
    """Open a staging for the duration of a block; what was not added is forgotten at its end."""
    with engine.connect() as connection:
        alone = {"read_only": is_sqlite(engine), "takes_no_turn": True}
        connection.execution_options(**alone)
        _staged.create(connection)
        try:
            yield AnnotationStaging(connection)
        finally:
            connection.rollback()
            connection.execution_options(**alone)
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_staged.name}")
            connection.commit()


def _show(connection: Connection) -> None:
    """Touch one annotation of each sound, by which what is shown of the sound follows all."""
    of_sound = select(func.min(_given.id)).where(_given.identity.in_(select(_own.identity)))
    first = of_sound.group_by(_given.identity)
    touched = update(given_annotations).where(_given.id.in_(first))
    connection.execute(touched.values(identity=_given.identity))


def _merge(connection: Connection) -> None:
    """Complete each annotation from the person's earlier one; drop those that change nothing."""
    earlier = given_annotations.alias()
    before = (
        select(earlier.c.id)
        .where(
            earlier.c.identity == _own.identity,
            earlier.c.annotator == _own.annotator,
            earlier.c.withdrawn_at.is_(None),
        )
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(update(_staged).values(before=before))
    replaces = _own.before.is_not(None)
    old = {
        name: select(earlier.c[name]).where(earlier.c.id == _own.before).scalar_subquery()
        for name in ("arousal", "valence")
    }
    filled = {name: func.coalesce(_own[name], value) for name, value in old.items()}
    connection.execute(update(_staged).where(replaces).values(filled))
    same = [_own[name].is_not_distinct_from(value) for name, value in old.items()]
    connection.execute(delete(_staged).where(replaces, *same))
