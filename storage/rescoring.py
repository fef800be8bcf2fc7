"""Replaces predictions made by another bundle than the published one, in chunks."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, update

from storage.database.sessions import CataloguePart, batches
from storage.queue import put, put_again
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.clip_rows import CLIPS, is_within, label_of
from storage.schema.numbers import label_number
from storage.schema.packed_curve import shift_curve
from storage.schema.records import Prediction
from storage.schema.row_mapping import prediction_values, stamp_of
from storage.schema.tables import clips, hearings, identities, known_bundles, labels, predictions
from storage.stale_tags import mark_stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.engine import Connection

_UNREADABLE = "unreadable"
_AT_ONCE = 1000
_PREDICTION_FIELDS = tuple(column.name for column in fields(Prediction))


@dataclass(frozen=True)
class OutdatedSound:
    """A sound whose prediction is by another bundle than the published one.

    Attributes:
        sound_id: its number in the catalogue.
        identity: hash of its audio packets.
        heard_at: when its features were extracted.
        bundle: what predicted it.
        vector: its packed feature vector.
    """

    sound_id: int
    identity: str
    heard_at: datetime
    bundle: str
    vector: bytes


class Rescoring(CataloguePart):
    """The outdated predictions of one catalogue.

    Every method is one transaction, except `outdated_chunks` and `analyse_below`. The rows alone
    hold the progress, so that an interrupted rescoring continues where it stopped.
    """

    def any_outdated(self, bundle: str) -> bool:
        """Return whether a bundle can renew any prediction from stored features.

        Sounds with features of other settings than the bundle's do not count: they have to be
        analysed again.
        """
        manifest = self._value(
            select(known_bundles.c.manifest).where(known_bundles.c.name == bundle)
        )
        settings = None if manifest is None else _settings_in(manifest)
        statement = (
            select(predictions.c.bundle)
            .join(hearings, hearings.c.sound_id == predictions.c.sound_id)
            .limit(1)
        )
        if settings is not None:
            statement = statement.where(label_of(hearings.c.settings) == settings)
        return any(self._row(statement.where(by_other)) for by_other in _by_others(bundle))

    def with_other_features(self, hearing: str | None = None) -> list[int]:
        """Return the clips, by number, whose features have other settings than the published's.

        What that bundle has predicted has its features, so that only the rest is read. With
        `hearing`, the key of the settings of a bundle that is yet to be published, all are.
        """
        published = select(known_bundles.c.name, known_bundles.c.manifest).where(
            known_bundles.c.in_service == 1
        )
        statement = (
            select(clips.c.id)
            .join(predictions, predictions.c.sound_id == clips.c.sound_id)
            .join(hearings, hearings.c.sound_id == clips.c.sound_id)
            .where(clips.c.missing_since.is_(None))
        )
        if hearing is not None:
            other = hearings.c.settings.is_distinct_from(_number(hearing))
            return [row.id for row in self._rows(statement.where(other))]
        return [
            row.id
            for bundle, manifest in self._rows(published)
            if (settings := _settings_in(manifest)) is not None
            for by_other in _by_others(bundle)
            for row in self._rows(
                statement.where(by_other, hearings.c.settings.is_distinct_from(_number(settings)))
            )
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
        statement = (
            select(
                hearings.c.sound_id,
                identities.c.identity,
                hearings.c.heard_at,
                label_of(predictions.c.bundle),
                hearings.c.vector,
            )
            .join(predictions, predictions.c.sound_id == hearings.c.sound_id)
            .join(identities, identities.c.id == hearings.c.sound_id)
            .where(hearings.c.settings == _number(feature_settings))
            .where(predictions.c.bundle.is_distinct_from(_number(bundle)))
            .order_by(hearings.c.sound_id)
            .limit(size)
        )
        after = -1
        while True:
            rows = self._rows(statement.where(hearings.c.sound_id > after))
            if not rows:
                return
            after = rows[-1].sound_id
            yield [OutdatedSound(*row) for row in rows]

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
            bundles = {}
            for bundle in {prediction.bundle for _, prediction in fresh}:
                _require_published(connection, bundle)
                bundles[bundle] = label_number(connection, bundle)
            before = _unchanged(connection, [sound for sound, _ in fresh])
            changes = [
                {
                    "of": sound.sound_id,
                    **prediction_values(prediction, bundles[prediction.bundle]),
                    "analysed_at": now,
                    "curve": shift_curve(
                        row.curve,
                        prediction.arousal - row.arousal,
                        prediction.valence - row.valence,
                    ),
                }
                for sound, prediction in fresh
                if (row := before.get(sound.sound_id)) is not None
            ]
            if changes:
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
            unreadable = label_number(connection, _UNREADABLE)
            for sound_id in _unchanged(connection, sounds):
                own = hearings.c.sound_id == sound_id
                connection.execute(update(hearings).where(own).values(settings=unreadable))
                present = clips.c.missing_since.is_(None)
                found = CLIPS.where(clips.c.sound_id == sound_id, present)
                files = [(row.path, stamp_of(row)) for row in connection.execute(found).all()]
                count += put(connection, files, now)
        return count

    def analyse_below(
        self, folders: Iterable[Path], now: datetime, *, is_there: Callable[[Path], bool]
    ) -> int:
        """Queue all files at or below folders, to be analysed although they have features.

        Features and predictions stay until there are new ones. A file that is not there is left
        out, since its disk may be away.

        Returns:
            The number of files queued.
        """
        own = is_within(folders)
        own &= clips.c.missing_since.is_(None)
        count, last = 0, 0
        while True:
            following = CLIPS.where(own, clips.c.id > last).order_by(clips.c.id)
            some = self._rows(following.limit(_AT_ONCE))
            if not some:
                return count
            last = some[-1].id
            # Outside of a transaction, as a disk may take long to answer.
            files = [(row.path, stamp_of(row)) for row in some if is_there(row.path)]
            with self.engine.begin() as connection:
                count += put_again(connection, files, now)


def _settings_in(manifest: str) -> str | None:
    """Return the key of the feature settings in a bundle's manifest, None if it has none."""
    settings: str | None = json.loads(manifest).get("hearing")
    return settings


def _number(label: str) -> Any:
    return select(labels.c.id).where(labels.c.label == label).scalar_subquery()


def _by_others(bundle: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return two conditions that each use the index of bundles, as `!=` would not."""
    # A bundle that has predicted nothing has no number.
    own = func.coalesce(_number(bundle), 0)
    return predictions.c.bundle < own, predictions.c.bundle > own


def _require_published(connection: Connection, bundle: str) -> None:
    statement = select(known_bundles.c.name).where(known_bundles.c.in_service == 1)
    name = connection.execute(statement).scalar()
    if name not in {None, bundle}:
        raise CatalogueError(
            f"{bundle}: cannot record its predictions, since {name} is published instead"
        )


def _unchanged(connection: Connection, sounds: Sequence[OutdatedSound]) -> dict[int, Row[Any]]:
    """Return the prediction of each sound that has not changed since it was read."""
    wanted = {sound.sound_id: (sound.heard_at, sound.bundle) for sound in sounds}
    bundle = label_of(predictions.c.bundle).label("by")
    values = predictions.c.sound_id, predictions.c.arousal, predictions.c.valence
    statement: Select[Any] = select(*values, predictions.c.curve, bundle, hearings.c.heard_at).join(
        hearings, hearings.c.sound_id == predictions.c.sound_id
    )
    return {
        row.sound_id: row
        for batch in batches(wanted)
        for row in connection.execute(statement.where(predictions.c.sound_id.in_(batch)))
        if wanted[row.sound_id] == (row.heard_at, row.by)
    }


_RENEW = (
    update(predictions)
    .where(predictions.c.sound_id == bindparam("of"))
    .values({name: bindparam(name) for name in (*_PREDICTION_FIELDS, "analysed_at", "curve")})
)
