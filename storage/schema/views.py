"""The views as SQLAlchemy sees them; the migrations own their definition."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, String, Table

from storage.schema.tables import Moment, PathText, metadata

sounds = Table(
    "sounds",
    metadata,
    Column("path", PathText),
    Column("arousal", Float),
    Column("arousal_low", Float),
    Column("arousal_high", Float),
    Column("valence", Float),
    Column("valence_low", Float),
    Column("valence_high", Float),
    Column("mood", String),
    Column("novelty", Float),
    Column("duration_s", Float),
    Column("bundle", String),
    Column("analysed_at", String),
    Column("tag_state", String),
    info={"view": True},
)

failures = Table(
    "failures",
    metadata,
    Column("path", PathText),
    Column("reason", String),
    Column("attempts", Integer),
    Column("retry_at", String),
    info={"view": True},
)

felt = Table(
    "felt",
    metadata,
    Column("identity", String, primary_key=True),
    Column("arousal", Float),
    Column("arousal_low", Float),
    Column("arousal_high", Float),
    Column("valence", Float),
    Column("valence_low", Float),
    Column("valence_high", Float),
    Column("novelty", Float),
    Column("bundle", String),
    Column("analysed_at", Moment),
    info={"view": True},
)

rated = Table(
    "rated",
    metadata,
    Column("identity", String, primary_key=True),
    Column("arousal", Float),
    Column("valence", Float),
    Column("annotators", Integer),
    info={"view": True},
)

annotations_view = Table(
    "annotations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", PathText),
    Column("arousal", Float),
    Column("valence", Float),
    Column("annotator", String),
    Column("made_at", String),
    Column("source", String),
    info={"view": True},
)
