"""Brings the predictions of known sounds up to the bundle in service, a chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from sqlalchemy import Float, bindparam, func, literal_column, select, update

from storage.database.sessions import in_lots, reading
from storage.queue import put
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import FileStamp, Prediction
from storage.schema.tables import clips, curve_points, hearings, known_bundles, predictions
from storage.stale_tags import demand_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import BindParameter, ColumnElement
    from sqlalchemy.engine import Connection, Engine

_ROW: ColumnElement[int] = literal_column("hearings.rowid")
_UNREADABLE = "unreadable"


@dataclass(frozen=True)
class OutdatedSound:
    """A sound whose prediction is by another bundle than the one in service.

    Attributes:
        identity: hash of its audio packets.
        heard_at: when the vector was made.
        bundle: what predicted it.
        vector: its packed feature vector.
    """

    identity: str
    heard_at: datetime
    bundle: str
    vector: bytes


@dataclass(frozen=True)
class Rescoring:
    """The predictions of one catalogue, as a whole. Every method is one transaction, or several.

    What was done is told by the rows alone, so whatever is interrupted goes on where it stopped.
    """

    engine: Engine

    def outdated(self, bundle: str) -> bool:
        """Tell whether any sound could be scored again by a bundle, by two looks at an index.

        Features of another hearing than the bundle's are not counted: those sounds have to be
        heard again.
        """
        names = predictions.c.bundle
        hearing = (
            select(func.json_extract(known_bundles.c.manifest, "$.hearing"))
            .where(known_bundles.c.name == bundle)
            .scalar_subquery()
        )
        fitting = hearings.c.settings == func.coalesce(hearing, hearings.c.settings)
        with reading(self.engine) as connection:
            return any(
                connection.execute(
                    select(names)
                    .join(hearings, hearings.c.identity == predictions.c.identity)
                    .where(other, fitting)
                    .limit(1)
                ).first()
                for other in (names < bundle, names > bundle)
            )

    def heard_otherwise(self) -> list[Path]:
        """Return the files whose sounds were heard otherwise than the bundle in service wants.

        What that bundle has predicted was heard as it wants, so that only the rest is looked at.
        """
        columns = known_bundles.c.name, func.json_extract(known_bundles.c.manifest, "$.hearing")
        names = predictions.c.bundle
        statement = (
            select(clips.c.path)
            .join(predictions, predictions.c.identity == clips.c.identity)
            .join(hearings, hearings.c.identity == clips.c.identity)
            .where(clips.c.missing_since.is_(None))
        )
        with reading(self.engine) as connection:
            served = connection.execute(select(*columns).where(known_bundles.c.in_service == 1))
            return [
                path
                for bundle, hearing in served.all()
                if hearing is not None
                for other in (names < bundle, names > bundle)
                for path in connection.execute(
                    statement.where(other, hearings.c.settings != hearing)
                ).scalars()
            ]

    def outdated_count(self, bundle: str) -> int:
        """Count the predictions by other bundles, those that no vector can renew included."""
        names = predictions.c.bundle
        with reading(self.engine) as connection:
            return sum(
                connection.execute(select(func.count()).where(other)).scalar_one()
                for other in (names < bundle, names > bundle)
            )

    def outdated_chunks(
        self, bundle: str, hearing: str, size: int
    ) -> Iterator[list[OutdatedSound]]:
        """Yield the outdated sounds, those that come in meanwhile included.

        They come in the order in which they lie in the file, which spares a disk most of its seeks.
        A chunk is read whole, so that no reader holds up the write-ahead log. What is heard again
        meanwhile may lie where we have been: done is only what has yielded nothing.

        Args:
            bundle: the one in service.
            hearing: key of the hearing that its vectors come from.
            size: sounds in a chunk.
        """
        columns = hearings.c.identity, hearings.c.heard_at, predictions.c.bundle, hearings.c.vector
        statement = (
            select(_ROW.label("row"), *columns)
            .join(predictions, predictions.c.identity == hearings.c.identity)
            .where(hearings.c.settings == hearing, predictions.c.bundle != bundle)
            .order_by(_ROW)
            .limit(size)
        )
        after = -1
        while True:
            with reading(self.engine) as connection:
                rows = connection.execute(statement.where(after < _ROW)).all()
            if not rows:
                return
            after = rows[-1].row
            yield [OutdatedSound(*row[1:]) for row in rows]

    def record(
        self, fresh: Sequence[tuple[OutdatedSound, Prediction]], now: datetime, *, step: int
    ) -> int:
        """Record new predictions, move the curves along, and have tags written where it shows.

        The windows' own features are not kept, so a curve moves as a whole by as much as the
        prediction does. A sound that was heard or predicted anew meanwhile is left as it is.

        Args:
            fresh: sounds as they were read, and what one bundle says of them.
            now: when.
            step: the least difference that is worth writing tags for, in hundredths.

        Returns:
            How many predictions were recorded.

        Raises:
            CatalogueError: another bundle is in service.
        """
        with self.engine.begin() as connection:
            for bundle in {prediction.bundle for _, prediction in fresh}:
                _demand_in_service(connection, bundle)
            before = _unchanged(connection, [sound for sound, _ in fresh])
            moves = [
                {
                    "of": sound.identity,
                    **vars(prediction),
                    "analysed_at": now,
                    "by_arousal": prediction.arousal - before[sound.identity][0],
                    "by_valence": prediction.valence - before[sound.identity][1],
                }
                for sound, prediction in fresh
                if sound.identity in before
            ]
            if moves:
                connection.execute(_MOVE_CURVE, moves)
                connection.execute(_RENEW, moves)
                demand_tags(connection, before, step=step)
        return len(moves)

    def hear_again(self, sounds: Sequence[OutdatedSound], now: datetime) -> int:
        """Disown vectors that cannot be read, and queue the files that have their sounds.

        What was predicted from them stays until then.

        Returns:
            How many files were queued.
        """
        with self.engine.begin() as connection:
            known = _unchanged(connection, sounds)
            count = 0
            for identity in known:
                own = hearings.c.identity == identity
                connection.execute(update(hearings).where(own).values(settings=_UNREADABLE))
                present = clips.c.missing_since.is_(None)
                found = select(clips).where(clips.c.identity == identity, present)
                rows = connection.execute(found).all()
                files = [(row.path, FileStamp(row.size, row.mtime_ns, row.inode)) for row in rows]
                count += put(connection, files, now)
        return count


def _demand_in_service(connection: Connection, bundle: str) -> None:
    """Refuse to let a bundle that was superseded overwrite what its successor says."""
    statement = select(known_bundles.c.name).where(known_bundles.c.in_service == 1)
    name = connection.execute(statement).scalar()
    if name not in {None, bundle}:
        raise CatalogueError(
            f"{bundle} is not in service, {name} is: nothing more is scored by {bundle}"
        )


def _unchanged(
    connection: Connection, sounds: Sequence[OutdatedSound]
) -> dict[str, tuple[float, float]]:
    """Return arousal and valence of each sound that is as it was when it was read."""
    wanted = {sound.identity: (sound.heard_at, sound.bundle) for sound in sounds}
    statement = select(
        predictions.c.identity,
        hearings.c.heard_at,
        predictions.c.bundle,
        predictions.c.arousal,
        predictions.c.valence,
    ).join(hearings, hearings.c.identity == predictions.c.identity)
    found = {}
    for lot in in_lots(wanted):
        some = predictions.c.identity.in_(lot)
        for identity, heard_at, bundle, arousal, valence in connection.execute(
            statement.where(some)
        ):
            if wanted[identity] == (heard_at, bundle):
                found[identity] = (arousal, valence)
    return found


def _moved(dimension: str) -> ColumnElement[float]:
    by: BindParameter[float] = bindparam(f"by_{dimension}", type_=Float)
    return func.max(-1.0, func.min(1.0, curve_points.c[dimension] + by))


_MOVE_CURVE = (
    update(curve_points)
    .where(curve_points.c.identity == bindparam("of"))
    .values(arousal=_moved("arousal"), valence=_moved("valence"))
)

_RENEW = (
    update(predictions)
    .where(predictions.c.identity == bindparam("of"))
    .values(
        {
            name: bindparam(name)
            for name in (*(column.name for column in fields(Prediction)), "analysed_at")
        }
    )
)
