"""The views for SQLAlchemy; the migrations define them."""

from __future__ import annotations

from sqlalchemy import Float, Integer, String, Table

from storage.schema.tables import Moment, PathText, affect_columns, columns, key, metadata

sounds = Table(
    "sounds",
    metadata,
    *columns(PathText, "path"),
    *affect_columns(),
    *columns(String, "mood"),
    *columns(Float, "novelty", "duration_s"),
    *columns(String, "bundle", "analysed_at", "tag_state"),
)

failures = Table(
    "failures",
    metadata,
    *columns(PathText, "path"),
    *columns(String, "reason"),
    *columns(Integer, "attempts"),
    *columns(String, "retry_at"),
)

felt = Table(
    "felt",
    metadata,
    key("identity", String),
    *affect_columns(),
    *columns(Float, "novelty"),
    *columns(String, "bundle"),
    *columns(Moment, "analysed_at"),
)

rated = Table(
    "rated",
    metadata,
    key("identity", String),
    *columns(Float, "arousal", "valence"),
    *columns(Integer, "annotators"),
)

annotations_view = Table(
    "annotations",
    metadata,
    key("id", Integer),
    *columns(PathText, "path"),
    *columns(Float, "arousal", "valence"),
    *columns(String, "annotator", "made_at", "source"),
)
