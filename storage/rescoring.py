"""Replaces predictions made by another bundle than the published one, in chunks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from sqlalchemy import Float, bindparam, func, literal_column, select, update

from storage.database.sessions import CataloguePart, batches
from storage.queue import put
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import Prediction
from storage.schema.row_mapping import stamp_of
from storage.schema.tables import clips, curve_points, hearings, known_bundles, predictions
from storage.stale_tags import mark_stale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import BindParameter, ColumnElement
    from sqlalchemy.engine import Connection

_ROW: ColumnElement[int] = literal_column("hearings.rowid")
_UNREADABLE = "unreadable"
_PREDICTION_FIELDS = tuple(column.name for column in fields(Prediction))


@dataclass(frozen=True)
class OutdatedSound:
    """A sound whose prediction is by another bundle than the published one.

    Attributes:
        identity: hash of its audio packets.
        heard_at: when its features were extracted.
        bundle: what predicted it.
        vector: its packed feature vector.
    """

    identity: str
    heard_at: datetime
    bundle: str
    vector: bytes


class Rescoring(CataloguePart):
    """The outdated predictions of one catalogue.

    Every method is one transaction, except `outdated_chunks`. The rows alone hold the progress, so
    that an interrupted rescoring continues where it stopped.
    """

    def any_outdated(self, bundle: str) -> bool:
        """Return whether a bundle can renew any prediction from stored features.

        Sounds with features of other settings than the bundle's do not count: they have to be
        analysed again.
        """
        settings = (
            select(func.json_extract(known_bundles.c.manifest, "$.hearing"))
            .where(known_bundles.c.name == bundle)
            .scalar_subquery()
        )
        fitting = hearings.c.settings == func.coalesce(settings, hearings.c.settings)
        statement = (
            select(predictions.c.bundle)
            .join(hearings, hearings.c.identity == predictions.c.identity)
            .limit(1)
        )
        return any(self._row(statement.where(by_other, fitting)) for by_other in _by_others(bundle))

    def with_other_features(self, hearing: str | None = None) -> list[Path]:
        """Return the files whose features are of other settings than the published bundle's.

        What that bundle has predicted has its features, so that only the rest is read. With
        `hearing`, the key of the settings of a bundle that is yet to be published, all are.
        """
        published = select(
            known_bundles.c.name, func.json_extract(known_bundles.c.manifest, "$.hearing")
        ).where(known_bundles.c.in_service == 1)
        statement = (
            select(clips.c.path)
            .join(predictions, predictions.c.identity == clips.c.identity)
            .join(hearings, hearings.c.identity == clips.c.identity)
            .where(clips.c.missing_since.is_(None))
        )
        if hearing is not None:
            return [row.path for row in self._rows(statement.where(hearings.c.settings != hearing))]
        return [
            row.path
            for bundle, settings in self._rows(published)
            if settings is not None
            for by_other in _by_others(bundle)
            for row in self._rows(statement.where(by_other, hearings.c.settings != settings))
        ]

    def outdated_count(self, bundle: str) -> int:
        """Count the predictions by other bundles, including those no stored features can renew."""
        return sum(
            self._value(select(func.count()).where(by_other)) or 0
            for by_other in _by_others(bundle)
        )

    def outdated_chunks(
        self, bundle: str, feature_settings: str, size: int
    ) -> Iterator[list[OutdatedSound]]:
        """Yield the outdated sounds in the order of the file, which spares a disk most seeks.

        A chunk is read as a whole, so that no reader holds up the write-ahead log. Sounds that are
        added meanwhile are included, but one that is analysed again may move to where the pass has
        been: rescoring is complete only when a pass yields nothing.

        Args:
            bundle: the published one.
            feature_settings: key of the features that it takes.
            size: sounds in a chunk.
        """
        columns = hearings.c.identity, hearings.c.heard_at, predictions.c.bundle, hearings.c.vector
        statement = (
            select(_ROW.label("row"), *columns)
            .join(predictions, predictions.c.identity == hearings.c.identity)
            .where(hearings.c.settings == feature_settings, predictions.c.bundle != bundle)
            .order_by(_ROW)
            .limit(size)
        )
        after = -1
        while True:
            rows = self._rows(statement.where(after < _ROW))
            if not rows:
                return
            after = rows[-1].row
            yield [OutdatedSound(*row[1:]) for row in rows]

    def record(
        self, fresh: Sequence[tuple[OutdatedSound, Prediction]], now: datetime, *, step: int
    ) -> int:
        """Record new predictions, shift the curves, and mark the tags that no longer fit.

        The features of the windows are not stored, so each curve shifts by as much as its
        prediction does. A sound that was analysed or predicted again meanwhile is left as it is.

        Args:
            fresh: sounds as they were read, and their new predictions.
            now: when.
            step: the least difference that marks tags as pending, in hundredths.

        Returns:
            The number of predictions recorded.

        Raises:
            CatalogueError: another bundle is published.
        """
        with self.engine.begin() as connection:
            for bundle in {prediction.bundle for _, prediction in fresh}:
                _require_published(connection, bundle)
            before = _unchanged(connection, [sound for sound, _ in fresh])
            changes = [
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
            if changes:
                connection.execute(_SHIFT_CURVE, changes)
                connection.execute(_RENEW, changes)
                mark_stale(connection, before, step=step)
        return len(changes)

    def analyse_again(self, sounds: Sequence[OutdatedSound], now: datetime) -> int:
        """Mark unreadable features as such, and queue the files that have these sounds.

        Their predictions stay until then.

        Returns:
            The number of files queued.
        """
        with self.engine.begin() as connection:
            count = 0
            for identity in _unchanged(connection, sounds):
                own = hearings.c.identity == identity
                connection.execute(update(hearings).where(own).values(settings=_UNREADABLE))
                present = clips.c.missing_since.is_(None)
                found = select(clips).where(clips.c.identity == identity, present)
                files = [(row.path, stamp_of(row)) for row in connection.execute(found).all()]
                count += put(connection, files, now)
        return count


def _by_others(bundle: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return two conditions that each use the index of bundles, as `!=` would not."""
    return predictions.c.bundle < bundle, predictions.c.bundle > bundle


def _require_published(connection: Connection, bundle: str) -> None:
    statement = select(known_bundles.c.name).where(known_bundles.c.in_service == 1)
    name = connection.execute(statement).scalar()
    if name not in {None, bundle}:
        raise CatalogueError(
            f"{bundle}: cannot record its predictions, since {name} is published instead"
        )


def _unchanged(
    connection: Connection, sounds: Sequence[OutdatedSound]
) -> dict[str, tuple[float, float]]:
    """Return arousal and valence of each sound that has not changed since it was read."""
    wanted = {sound.identity: (sound.heard_at, sound.bundle) for sound in sounds}
    statement = select(predictions, hearings.c.heard_at).join(
        hearings, hearings.c.identity == predictions.c.identity
    )
    return {
        row.identity: (row.arousal, row.valence)
        for batch in batches(wanted)
        for row in connection.execute(statement.where(predictions.c.identity.in_(batch)))
        if wanted[row.identity] == (row.heard_at, row.bundle)
    }


def _shifted(dimension: str) -> ColumnElement[float]:
    by: BindParameter[float] = bindparam(f"by_{dimension}", type_=Float)
    return func.max(-1.0, func.min(1.0, curve_points.c[dimension] + by))


_SHIFT_CURVE = (
    update(curve_points)
    .where(curve_points.c.identity == bindparam("of"))
    .values(arousal=_shifted("arousal"), valence=_shifted("valence"))
)

_RENEW = (
    update(predictions)
    .where(predictions.c.identity == bindparam("of"))
    .values({name: bindparam(name) for name in (*_PREDICTION_FIELDS, "analysed_at")})
)
