"""The tables as SQLAlchemy sees them; the migrations own their definition."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, String, Table, cast, literal
from sqlalchemy.types import TypeDecorator, UserDefinedType

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, ColumnElement
    from sqlalchemy.engine import Dialect


class _ExactText(UserDefinedType[Path]):
    """TEXT, as the target of a cast that keeps bytes as they are."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"


class PathText(TypeDecorator[Path]):
    """A path as TEXT that holds the exact bytes of its name, valid UTF-8 or not.

    Python's driver refuses to bind lone surrogates, so the bytes are bound as a blob and
    cast: SQLite keeps them and calls them text. Reading needs the text factory of
    `storage.database.engine`.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Path | str | None, dialect: Dialect) -> bytes | None:
        """Bind the bytes of the name."""
        del dialect
        return None if value is None else os.fsencode(value)

    def bind_expression(self, bindvalue: BindParameter[Path]) -> ColumnElement[Path]:
        """Have SQLite call the bound bytes text."""
        return cast(bindvalue, _ExactText())

    def process_result_value(self, value: Any, dialect: Dialect) -> Path | None:
        """Make a path of the text that the driver gave."""
        del dialect
        return None if value is None else Path(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Take the text as it is."""
        # The blob type's own processor would turn text into bytes first.
        del coltype
        return lambda value: self.process_result_value(value, dialect)


class Moment(TypeDecorator[datetime]):
    """A point in time as ISO 8601 UTC text of fixed width, so that text order is time order."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Bind the fixed-width text."""
        del dialect
        return None if value is None else as_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read the text back, aware of its zone."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


def as_text(moment: datetime) -> str:
    """Write a moment as the catalogue does: `2026-01-31T08:15:00.000Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def below(column: ColumnElement[Any], folder: Path) -> ColumnElement[bool]:
    """Make the condition that a path lies anywhere below a folder."""
    start = str(folder).rstrip("/")
    # All that starts with the folder and a slash: "0" is the character after "/".
    return (column > literal(start + "/", PathText)) & (column < literal(start + "0", PathText))


def at_or_below(column: ColumnElement[Any], path: Path) -> ColumnElement[bool]:
    """Make the condition that a path is this one, or lies anywhere below it."""
    return (column == path) | below(column, path)


metadata = MetaData()

clips = Table(
    "clips",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", PathText),
    Column("identity", String),
    Column("size", Integer),
    Column("mtime_ns", Integer),
    Column("inode", Integer),
    Column("found_at", Moment),
    Column("missing_since", Moment),
    Column("tag_state", String),
    Column("tag_reason", String),
    Column("tagged_arousal", Integer),
    Column("tagged_valence", Integer),
    Column("tagged_bundle", String),
)

hearings = Table(
    "hearings",
    metadata,
    Column("identity", String, primary_key=True),
    Column("settings", String),
    Column("duration_s", Float),
    Column("heard_at", Moment),
    Column("vector", LargeBinary),
)

predictions = Table(
    "predictions",
    metadata,
    Column("identity", String, primary_key=True),
    Column("bundle", String),
    Column("arousal", Float),
    Column("arousal_low", Float),
    Column("arousal_high", Float),
    Column("valence", Float),
    Column("valence_low", Float),
    Column("valence_high", Float),
    Column("novelty", Float),
    Column("analysed_at", Moment),
)

curve_points = Table(
    "curve_points",
    metadata,
    Column("identity", String, primary_key=True),
    Column("start_s", Float, primary_key=True),
    Column("arousal", Float),
    Column("valence", Float),
)

queue = Table(
    "queue",
    metadata,
    Column("path", PathText, primary_key=True),
    Column("size", Integer),
    Column("mtime_ns", Integer),
    Column("inode", Integer),
    Column("state", String),
    Column("attempts", Integer),
    Column("queued_at", Moment),
    Column("due_at", Moment),
    Column("reason", String),
)

tag_journal = Table(
    "tag_journal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("clip_id", Integer),
    Column("identity", String),
    Column("written_at", Moment),
    Column("before", String),
)

known_bundles = Table(
    "known_bundles",
    metadata,
    Column("name", String, primary_key=True),
    Column("created_at", String),
    Column("manifest", String),
    Column("in_service", Integer),
)

folders = Table(
    "folders",
    metadata,
    Column("path", PathText, primary_key=True),
    Column("watched_by", String),
    Column("reconciled_at", Moment),
    Column("trouble", String),
)

mood_thresholds = Table(
    "mood_thresholds",
    metadata,
    Column("only", Integer, primary_key=True),
    Column("arousal", Float),
    Column("valence", Float),
)

given_annotations = Table(
    "given_annotations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("identity", String),
    Column("named", PathText),
    Column("annotator", String),
    Column("arousal", Float),
    Column("valence", Float),
    Column("made_at", Moment),
    Column("source", String),
    Column("origin", String),
    Column("withdrawn_at", Moment),
)

trainings = Table(
    "trainings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("begun_at", Moment),
    Column("ended_at", Moment),
    Column("annotations", Integer),
    Column("outcome", String),
    Column("reason", String),
    Column("bundle", String),
)

wishes = Table(
    "wishes",
    metadata,
    Column("errand", String, primary_key=True),
    Column("asked_at", Moment),
)

timetable = Table(
    "timetable",
    metadata,
    Column("job", String, primary_key=True),
    Column("schedule", String),
    Column("next_at", Moment),
)

notes = Table(
    "notes",
    metadata,
    Column("about", String, primary_key=True),
    Column("said", String),
    Column("since", Moment),
)
