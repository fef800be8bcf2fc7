"""Sounds that people have rated, to learn from, and sounds that they might rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from storage.database.sessions import reading
from storage.schema.tables import clips, hearings, predictions
from storage.schema.views import rated

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine


@dataclass(frozen=True)
class RatedSound:
    """A heard sound that people have annotated.

    Attributes:
        identity: hash of its audio packets.
        vector: its packed feature vector.
        arousal: mean of what its annotators heard, in [-1, 1]; None if none of them said.
        valence: likewise.
        annotators: how many.
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
    """A heard sound that nobody has annotated.

    Attributes:
        path: of one of its files.
        identity: hash of its audio packets.
        arousal: as predicted, in [-1, 1].
        valence: likewise.
        uncertainty: mean width of both intervals, more where the sound is novel.
        vector: its packed feature vector.
    """

    path: Path
    identity: str
    arousal: float
    valence: float
    uncertainty: float
    vector: bytes


@dataclass(frozen=True)
class TrainingExamples:
    """What there is to learn from in one catalogue. Reads only."""

    engine: Engine

    def rated(self, hearing_settings: str) -> list[RatedSound]:
        """Return every annotated sound that was described under these settings."""
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
            .where(hearings.c.settings == hearing_settings)
            .group_by(rated.c.identity)
            .order_by(rated.c.identity)
        )
        with reading(self.engine) as connection:
            return [RatedSound(*row) for row in connection.execute(statement)]

    def unrated(self, hearing_settings: str, limit: int) -> list[UnratedSound]:
        """Return sounds that nobody has annotated, the least certain first.

        Args:
            hearing_settings: only sounds that were described under these.
            limit: at most so many.
        """
        told = predictions.c
        width = (told.arousal_high - told.arousal_low + told.valence_high - told.valence_low) / 2
        # A novel sound is worth asking about even where its interval does not say so.
        uncertainty = ((width + 0.01) * (1 + func.min(told.novelty, 3.0))).label("uncertainty")
        statement = (
            select(
                func.min(clips.c.path, type_=clips.c.path.type),
                clips.c.identity,
                told.arousal,
                told.valence,
                uncertainty,
                hearings.c.vector,
            )
            .join(predictions, told.identity == clips.c.identity)
            .join(hearings, hearings.c.identity == clips.c.identity)
            .where(
                clips.c.missing_since.is_(None),
                hearings.c.settings == hearing_settings,
                clips.c.identity.not_in(select(rated.c.identity)),
            )
            .group_by(clips.c.identity)
            .order_by(uncertainty.desc(), clips.c.identity)
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [UnratedSound(*row) for row in connection.execute(statement)]
