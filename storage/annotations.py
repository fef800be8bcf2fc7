"""What people heard: taken in, withdrawn, and listed for whoever learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, or_, select, update

from storage.database.sessions import batches, reading
from storage.schema.tables import clips, given_annotations
from storage.schema.views import annotations_view
from storage.stale_tags import mark_stale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.engine import Connection, Engine


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
class AnnotationStore:
    """The annotations of one catalogue. Every method is one transaction."""

    engine: Engine

    def add(self, given: Sequence[GivenAnnotation], now: datetime) -> int:
        """Take in annotations, all or none.

        What a person said before of the same sound is withdrawn by what that person says now; a
        dimension left out keeps its earlier value. One person says one thing of a sound at a
        time. An entry of an `origin` that is there already was taken in before, and is left
        alone. Tags that now say something else are due.

        Returns:
            How many were new.
        """
        identities = {one.identity for one in given}
        with self.engine.begin() as connection:
            taken = _present(connection, "origin", {one.origin for one in given if one.origin})
            origins = {row.origin for row in taken}
            before = {
                (row.identity, row.annotator): row
                for row in _present(connection, "identity", identities)
                if row.withdrawn_at is None
            }
            new = [
                values
                for one in given
                if one.origin not in origins
                and (values := _new_values(one, before.get((one.identity, one.annotator))))
            ]
            superseded = [
                {"of": before[key].id, "withdrawn_at": now}
                for values in new
                if (key := (values["identity"], values["annotator"])) in before
            ]
            if superseded:
                connection.execute(_WITHDRAW, superseded)
            if new:
                connection.execute(
                    insert(given_annotations), [values | {"made_at": now} for values in new]
                )
            mark_stale(connection, identities, step=1)
        return len(new)

    def was_imported(self, stem: str) -> bool:
        """Tell whether entries of a file were taken in, by what their origins begin with."""
        # ";" is the character after ":".
        own = given_annotations.c.origin.between(f"{stem}:", f"{stem};")
        with reading(self.engine) as connection:
            return connection.execute(select(given_annotations.c.id).where(own)).first() is not None

    def withdraw(self, identity: str, annotator: str | None, now: datetime) -> int:
        """Withdraw what was said of a sound, by one annotator or by all; return how many."""
        said = _in_force(identity)
        if annotator is not None:
            said &= given_annotations.c.annotator == annotator
        with self.engine.begin() as connection:
            count = connection.execute(
                update(given_annotations).where(said).values(withdrawn_at=now)
            ).rowcount
            mark_stale(connection, {identity}, step=1)
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
        with reading(self.engine) as connection:
            return [Annotation(*row) for row in connection.execute(statement)]

    def changed_since(self, moment: datetime | None) -> int:
        """Count the opinions, of one person on one sound, that changed since a moment.

        None counts all that are in force.
        """
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
        with reading(self.engine) as connection:
            statement = select(func.count(opinion.distinct())).where(changed)
            return connection.execute(statement).scalar_one()

    def sounds_at(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return the identity of each known file among some paths."""
        found: dict[Path, str] = {}
        with reading(self.engine) as connection:
            for lot in batches(paths):
                some = clips.c.path.in_(lot)
                rows = connection.execute(select(clips.c.path, clips.c.identity).where(some))
                found |= {row.path: row.identity for row in rows}
        return found

    def sounds_named(self, names: set[str]) -> dict[str, list[tuple[Path, str]]]:
        """Return path and identity of the files that bear each of some names, in any folder."""
        found: dict[str, list[tuple[Path, str]]] = {name: [] for name in names}
        statement = select(clips.c.path, clips.c.identity).where(clips.c.missing_since.is_(None))
        with reading(self.engine) as connection:
            for row in connection.execute(statement):
                if row.path.name in found:
                    found[row.path.name].append((row.path, row.identity))
        return found


_WITHDRAW = (
    update(given_annotations)
    .where(given_annotations.c.id == bindparam("of"))
    .values(withdrawn_at=bindparam("withdrawn_at"))
)


def _present(connection: Connection, column: str, values: set[str]) -> Iterator[Row[Any]]:
    for lot in batches(sorted(values)):
        some = given_annotations.c[column].in_(lot)
        yield from connection.execute(select(given_annotations).where(some))


def _new_values(one: GivenAnnotation, before: Row[Any] | None) -> dict[str, Any] | None:
    """Return the row of an annotation, None if this person has said just that before."""
    values: dict[str, Any] = dict(vars(one))
    if before is not None:
        values["arousal"] = before.arousal if one.arousal is None else one.arousal
        values["valence"] = before.valence if one.valence is None else one.valence
        if (values["arousal"], values["valence"]) == (before.arousal, before.valence):
            return None
    return values


def _in_force(identity: str) -> Any:
    return (given_annotations.c.identity == identity) & given_annotations.c.withdrawn_at.is_(None)
