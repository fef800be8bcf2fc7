"""People's annotations: added, withdrawn and listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from sqlalchemy import String, bindparam, func, insert, or_, select, type_coerce, update

from storage.annotation_staging import annotation_staging
from storage.database.sessions import CataloguePart, batches, reading
from storage.schema.clip_rows import FILES, PATH, is_at
from storage.schema.column_types import PathText
from storage.schema.tables import clips, given_annotations, identities
from storage.stale_tags import mark_stale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.engine import Connection

    from storage.annotation_staging import AnnotationStaging


@dataclass(frozen=True)
class GivenAnnotation:
    """One person's values for one sound; at least one of the two is given.

    Attributes:
        identity: hash of the sound's audio packets, which no rename changes.
        named: the path or file name that the person gave.
        annotator: the person.
        arousal: in [-1, 1].
        valence: in [-1, 1].
        source: where it came from, such as `command` or the name of a table.
    """

    identity: str
    named: Path
    annotator: str
    arousal: float | None
    valence: float | None
    source: str


@dataclass(frozen=True)
class Annotation:
    """An annotation in force, as the view `annotations` has it."""

    id: int
    path: Path
    arousal: float | None
    valence: float | None
    annotator: str
    made_at: str
    source: str


class AnnotationStore(CataloguePart):
    """The annotations of one catalogue."""

    def add(self, given: Sequence[GivenAnnotation], now: datetime) -> int:
        """Add annotations, all or none, and mark the tags that no longer fit as pending.

        An annotation replaces the same person's earlier one of the same sound; a dimension left
        out keeps its earlier value. There must be at most one for each person and sound.

        Returns:
            The number of new ones.
        """
        identities = {one.identity for one in given}
        with self.engine.begin() as connection:
            before = {
                (row.identity, row.annotator): row
                for row in _stored(connection, identities)
                if row.withdrawn_at is None
            }
            new = [
                values
                for one in given
                if (values := _new_values(one, before.get((one.identity, one.annotator))))
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
            mark_stale(connection, _numbers(connection, identities), step=1)
        return len(new)

    def staging(self) -> AbstractContextManager[AnnotationStaging]:
        """Return a context manager for adding the annotations of a large table, all or none."""
        return annotation_staging(self.engine)

    def was_imported(self, stem: str) -> bool:
        """Return whether a table was imported, by the start of its lines' origins."""
        # ";" is the character after ":".
        own = given_annotations.c.origin.between(f"{stem}:", f"{stem};")
        return self._row(select(given_annotations.c.id).where(own).limit(1)) is not None

    def withdraw(self, identity: str, annotator: str | None, now: datetime) -> int:
        """Withdraw one annotator's annotation of a sound, or all; return their number."""
        given = given_annotations.c
        condition = (given.identity == identity) & given.withdrawn_at.is_(None)
        if annotator is not None:
            condition &= given.annotator == annotator
        with self.engine.begin() as connection:
            count = connection.execute(
                update(given_annotations).where(condition).values(withdrawn_at=now)
            ).rowcount
            mark_stale(connection, _numbers(connection, {identity}), step=1)
        return count

    def all(self, path: Path | None = None) -> list[Annotation]:
        """Return the annotations in force, of every sound or of the one at a path."""
        given = given_annotations.c
        statement = (
            select(
                given.id,
                func.coalesce(_FIRST_PATH, given.named, type_=PathText()).label("path"),
                given.arousal,
                given.valence,
                given.annotator,
                type_coerce(given.made_at, String),
                given.source,
            )
            .where(given.withdrawn_at.is_(None))
            .order_by("path", given.annotator)
        )
        if path is not None:
            at_path = select(clips.c.sound_id).where(is_at(path)).scalar_subquery()
            identity = select(identities.c.identity).where(identities.c.id == at_path)
            statement = statement.where(given.identity == identity.scalar_subquery())
        return [Annotation(*row) for row in self._rows(statement)]

    def changed_since(self, moment: datetime | None) -> int:
        """Count the pairs of person and sound with an annotation that changed since a moment.

        None counts all annotations in force.
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
        pair = given.identity + " " + given.annotator
        return self._value(select(func.count(pair.distinct())).where(changed)) or 0

    def sounds_at(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return the identity of each path that is in the catalogue."""
        found: dict[Path, str] = {}
        with reading(self.engine) as connection:
            for path in paths:
                identity = connection.execute(_IDENTITIES.where(is_at(path))).scalar()
                if identity is not None:
                    found[path] = identity
        return found

    def sounds_named(self, names: set[str]) -> dict[str, list[tuple[Path, str]]]:
        """Return path and identity of the files with each of some names, in any folder.

        The names may be in another Unicode form: an `é` is one sign, or an `e` and an accent.
        """
        composed: dict[str, list[tuple[Path, str]]] = {normalize("NFC", name): [] for name in names}
        statement = _IDENTITIES.add_columns(PATH).where(clips.c.missing_since.is_(None))
        for row in self._rows(statement):
            name = normalize("NFC", row.path.name)
            if name in composed:
                composed[name].append((row.path, row.identity))
        return {name: composed[normalize("NFC", name)] for name in names}


_IDENTITIES = select(identities.c.identity).select_from(
    FILES.join(identities, identities.c.id == clips.c.sound_id)
)

_FIRST_PATH = (
    select(PATH)
    .select_from(FILES.join(identities, identities.c.id == clips.c.sound_id))
    .where(identities.c.identity == given_annotations.c.identity)
    .order_by(clips.c.missing_since.is_not(None), PATH)
    .limit(1)
    .correlate(given_annotations)
    .scalar_subquery()
)

_WITHDRAW = (
    update(given_annotations)
    .where(given_annotations.c.id == bindparam("of"))
    .values(withdrawn_at=bindparam("withdrawn_at"))
)


def _stored(connection: Connection, identities: set[str]) -> Iterator[Row[Any]]:
    for batch in batches(sorted(identities)):
        some = given_annotations.c.identity.in_(batch)
        yield from connection.execute(select(given_annotations).where(some))


def _numbers(connection: Connection, of: set[str]) -> Iterator[int]:
    for batch in batches(sorted(of)):
        some = identities.c.identity.in_(batch)
        yield from connection.execute(select(identities.c.id).where(some)).scalars()


def _new_values(one: GivenAnnotation, before: Row[Any] | None) -> dict[str, Any] | None:
    """Return the row of an annotation, None if it changes nothing."""
    values: dict[str, Any] = dict(vars(one))
    if before is not None:
        values["arousal"] = before.arousal if one.arousal is None else one.arousal
        values["valence"] = before.valence if one.valence is None else one.valence
        if (values["arousal"], values["valence"]) == (before.arousal, before.valence):
            return None
    return values
