"""What people heard: taken in, withdrawn, and listed for whoever learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from storage.retagging import demand_tags
from storage.tables import annotations_view, clips, given_annotations, hearings, rated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

_MANY = 500
"""How many values go into one condition; SQLite takes at least 999."""


@dataclass(frozen=True)
class GivenAnnotation:
    """What one person heard in one sound; at least one of the values is there.

    Attributes:
        identity: hash of the sound's audio packets, by which the annotation follows it.
        named: the path or file name that the person gave.
        annotator: who.
        arousal: in [-1, 1].
        valence: in [-1, 1].
        source: how it came in, such as `command` or the name of a file of annotations.
        origin: what tells this entry from all others of a file that may be read twice.
    """

    identity: str
    named: Path
    annotator: str
    arousal: float | None
    valence: float | None
    source: str
    origin: str | None = None


@dataclass(frozen=True)
class Annotation:
    """One row of the view `annotations`; the fields are its columns, in order."""

    id: int
    path: Path
    arousal: float | None
    valence: float | None
    annotator: str
    made_at: str
    source: str


@dataclass(frozen=True)
class RatedSound:
    """A heard sound that people have annotated.

    Attributes:
        identity: hash of its audio packets.
        vector: its packed feature vector.
        arousal: mean of what its annotators heard, in [-1, 1]; None if none of them said.
        valence: likewise.
        annotators: how many.
    """

    identity: str
    vector: bytes
    arousal: float | None
    valence: float | None
    annotators: int


@dataclass(frozen=True)
class Annotations:
    """The annotations of one catalogue. Every method is one transaction."""

    engine: Engine

    def add(self, given: Sequence[GivenAnnotation], now: datetime) -> int:
        """Take in annotations, all or none.

        What a person said before of the same sound is withdrawn by what that person says now; a
        dimension left out keeps its earlier value. An entry of an `origin` that is there already
        was taken in before, and is left alone. Tags that now say something else are due.

        Returns:
            How many were new.
        """
        with self.engine.begin() as connection:
            new = sum(_added(connection, one, now) for one in given)
            demand_tags(connection, {one.identity for one in given}, step=1)
        return new

    def withdraw(self, identity: str, annotator: str | None, now: datetime) -> int:
        """Withdraw what was said of a sound, by one annotator or by all; return how many."""
        said = _in_force(identity)
        if annotator is not None:
            said &= given_annotations.c.annotator == annotator
        with self.engine.begin() as connection:
            count = connection.execute(
                update(given_annotations).where(said).values(withdrawn_at=now)
            ).rowcount
            demand_tags(connection, {identity}, step=1)
        return count

    def all(self, path: Path | None = None) -> list[Annotation]:
        """Return the annotations in force, of every sound or of the one at a path."""
        statement = select(annotations_view).order_by(
            annotations_view.c.path, annotations_view.c.annotator
        )
        if path is not None:
            identity = select(clips.c.identity).where(clips.c.path == path).scalar_subquery()
            own = select(given_annotations.c.id).where(given_annotations.c.identity == identity)
            statement = statement.where(annotations_view.c.id.in_(own))
        with self._reading() as connection:
            return [Annotation(*row) for row in connection.execute(statement)]

    def rated_sounds(self, hearing_settings: str) -> list[RatedSound]:
        """Return every annotated sound that was described under these settings."""
        statement = (
            select(
                rated.c.identity,
                hearings.c.vector,
                rated.c.arousal,
                rated.c.valence,
                rated.c.annotators,
            )
            .join(hearings, hearings.c.identity == rated.c.identity)
            .where(hearings.c.settings == hearing_settings)
            .order_by(rated.c.identity)
        )
        with self._reading() as connection:
            return [RatedSound(*row) for row in connection.execute(statement)]

    def changed_since(self, moment: datetime | None) -> int:
        """Count the opinions that changed since a moment (all if None), one a person and sound."""
        given = given_annotations.c
        changed: ColumnElement[bool]
        if moment is None:
            changed = given.withdrawn_at.is_(None)
        else:
            changed = or_(
                (given.made_at > moment) & given.withdrawn_at.is_(None),
                (given.made_at <= moment) & (given.withdrawn_at > moment),
            )
        opinion = given.identity + " " + given.annotator
        with self._reading() as connection:
            statement = select(func.count(opinion.distinct())).where(changed)
            return connection.execute(statement).scalar_one()

    def identities_at(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return the identity of each known file among some paths."""
        wanted = list(paths)
        found: dict[Path, str] = {}
        with self._reading() as connection:
            for start in range(0, len(wanted), _MANY):
                some = clips.c.path.in_(wanted[start : start + _MANY])
                rows = connection.execute(select(clips.c.path, clips.c.identity).where(some))
                found |= {row.path: row.identity for row in rows}
        return found

    def identities_named(self, names: set[str]) -> dict[str, set[str]]:
        """Return the sounds of the files that bear each of some names, in whatever folder."""
        found: dict[str, set[str]] = {name: set() for name in names}
        statement = select(clips.c.path, clips.c.identity).where(clips.c.missing_since.is_(None))
        with self._reading() as connection:
            for row in connection.execute(statement):
                if row.path.name in found:
                    found[row.path.name].add(row.identity)
        return found

    def _reading(self) -> Connection:
        return self.engine.connect().execution_options(read_only=True)


def _added(connection: Connection, one: GivenAnnotation, now: datetime) -> int:
    values: dict[str, Any] = vars(one) | {"made_at": now}
    statement = insert(given_annotations).on_conflict_do_nothing(index_elements=["origin"])
    before = connection.execute(
        select(given_annotations).where(
            _in_force(one.identity), given_annotations.c.annotator == one.annotator
        )
    ).first()
    if before is not None:
        values["arousal"] = before.arousal if one.arousal is None else one.arousal
        values["valence"] = before.valence if one.valence is None else one.valence
    if connection.execute(statement, values).rowcount == 0:
        return 0
    if before is not None:
        connection.execute(
            update(given_annotations)
            .where(given_annotations.c.id == before.id)
            .values(withdrawn_at=now)
        )
    return 1


def _in_force(identity: str) -> Any:
    return (given_annotations.c.identity == identity) & given_annotations.c.withdrawn_at.is_(None)
