"""Annotated sounds to train on, and sounds to suggest for annotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from storage.database.sessions import CataloguePart
from storage.schema.tables import clips, given_annotations, hearings, predictions
from storage.schema.views import rated

if TYPE_CHECKING:
    from pathlib import Path


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
                func.min(clips.c.path, type_=clips.c.path.type),
            )
            .join(hearings, hearings.c.identity == rated.c.identity)
            .join(clips, clips.c.identity == rated.c.identity)
            .where(hearings.c.settings == feature_settings)
            .group_by(rated.c.identity)
            .order_by(rated.c.identity)
        )
        return [RatedSound(*row) for row in self._rows(statement)]

    def people(self, feature_settings: str) -> int:
        """Count the people who annotated the sounds with features of these settings."""
        given = given_annotations.c
        statement = (
            select(func.count(given.annotator.distinct()))
            .join(hearings, hearings.c.identity == given.identity)
            .where(given.withdrawn_at.is_(None), hearings.c.settings == feature_settings)
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
            predicted[f"{name}_high"] - predicted[f"{name}_low"] for name in ("arousal", "valence")
        )
        # The interval of a novel sound can be too narrow.
        novelty = func.min(predicted.novelty, 3.0)
        uncertainty = ((sum(widths) / 2 + 0.01) * (1 + novelty)).label("uncertainty")
        statement = (
            select(
                func.min(clips.c.path, type_=clips.c.path.type),
                clips.c.identity,
                predicted.arousal,
                predicted.valence,
                uncertainty,
                hearings.c.vector,
            )
            .join(predictions, predicted.identity == clips.c.identity)
            .join(hearings, hearings.c.identity == clips.c.identity)
            .where(
                clips.c.missing_since.is_(None),
                hearings.c.settings == feature_settings,
                clips.c.identity.not_in(select(rated.c.identity)),
            )
            .group_by(clips.c.identity)
            .order_by(uncertainty.desc(), clips.c.identity)
            .limit(limit)
        )
        return [UnratedSound(*row) for row in self._rows(statement)]
