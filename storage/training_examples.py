"""Annotated sounds to train on, and sounds to suggest for annotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, case, func, select, type_coerce

from storage.database.sessions import CataloguePart
from storage.schema.clip_rows import FILES, PATH
from storage.schema.column_formats import MILLION
from storage.schema.tables import (
    clips,
    given_annotations,
    hearings,
    identities,
    labels,
    predictions,
)
from storage.schema.views import rated

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement


@dataclass(frozen=True)
class RatedSound:
    """An analysed sound that people have annotated.

    Attributes:
        identity: hash of its audio packets.
        vector: its packed feature vector.
        arousal: mean over its annotators, in [-1, 1]; None if none of them gave one.
        valence: likewise.
        annotators: their number.
        path: of one of its files.
    """

    identity: str
    vector: bytes
    arousal: float | None
    valence: float | None
    annotators: int
    path: Path


@dataclass(frozen=True)
class UnratedSound:
    """An analysed sound that nobody has annotated.

    Attributes:
        path: of one of its files.
        identity: hash of its audio packets.
        arousal: predicted, in [-1, 1].
        valence: likewise.
        uncertainty: mean width of both intervals, larger where the sound is novel.
        vector: its packed feature vector.
    """

    path: Path
    identity: str
    arousal: float
    valence: float
    uncertainty: float
    vector: bytes


class TrainingExamples(CataloguePart):
    """The training examples of one catalogue. Reads only."""

    def rated(self, feature_settings: str) -> list[RatedSound]:
        """Return every annotated sound with features of these settings."""
        statement = (
            select(
                rated.c.identity,
                hearings.c.vector,
                rated.c.arousal,
                rated.c.valence,
                rated.c.annotators,
                _first_path(),
            )
            .select_from(rated)
            .join(identities, identities.c.identity == rated.c.identity)
            .join(hearings, hearings.c.sound_id == identities.c.id)
            .where(_has(feature_settings), identities.c.id.in_(select(clips.c.sound_id)))
            .order_by(rated.c.identity)
        )
        return [RatedSound(*row) for row in self._rows(statement)]

    def people(self, feature_settings: str) -> int:
        """Count the people who annotated the sounds with features of these settings."""
        given = given_annotations.c
        statement = (
            select(func.count(given.annotator.distinct()))
            .join(identities, identities.c.identity == given.identity)
            .join(hearings, hearings.c.sound_id == identities.c.id)
            .where(given.withdrawn_at.is_(None), _has(feature_settings))
        )
        return self._value(statement) or 0

    def unrated(self, feature_settings: str, limit: int) -> list[UnratedSound]:
        """Return sounds that nobody has annotated, the least certain first.

        Args:
            feature_settings: of the sounds' features.
            limit: the largest number of sounds.
        """
        predicted = predictions.c
        widths = (
            _real(predicted[f"{name}_high"]) - _real(predicted[f"{name}_low"])
            for name in ("arousal", "valence")
        )
        # The interval of a novel sound can be too narrow.
        novelty = case(
            (_real(predicted.novelty) < _MOST_NOVELTY, _real(predicted.novelty)),
            else_=_MOST_NOVELTY,
        )
        uncertainty = ((sum(widths) / 2 + 0.01) * (1 + novelty)).label("uncertainty")
        statement = (
            select(
                _first_path(clips.c.missing_since.is_(None)),
                identities.c.identity,
                predicted.arousal,
                predicted.valence,
                uncertainty,
                hearings.c.vector,
            )
            .select_from(predictions)
            .join(identities, identities.c.id == predicted.sound_id)
            .join(hearings, hearings.c.sound_id == predicted.sound_id)
            .where(
                predicted.files > 0,
                _has(feature_settings),
                identities.c.identity.not_in(select(rated.c.identity)),
            )
            .order_by(uncertainty.desc(), identities.c.identity)
            .limit(limit)
        )
        return [UnratedSound(*row) for row in self._rows(statement)]


_MOST_NOVELTY: Final = 3.0


def _first_path(*conditions: ColumnElement[bool]) -> Any:
    """Return the first path of a sound, as part of a statement."""
    own = select(PATH).select_from(FILES).where(clips.c.sound_id == identities.c.id, *conditions)
    return own.order_by(PATH).limit(1).correlate(identities).scalar_subquery().label("path")


def _has(feature_settings: str) -> ColumnElement[bool]:
    """Return the condition that features have these settings."""
    number = select(labels.c.id).where(labels.c.label == feature_settings).scalar_subquery()
    return hearings.c.settings == number


def _real(column: ColumnElement[float]) -> ColumnElement[Any]:
    """Return the number that a column holds in millionths, for use in a formula."""
    return type_coerce(column, Float) / float(MILLION)
