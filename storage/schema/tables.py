"""The tables for SQLAlchemy; the migrations define them."""

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
    from sqlalchemy.types import TypeEngine


class _ExactText(UserDefinedType[Path]):
    """TEXT, as the target of a cast that keeps bytes as they are."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"


class PathText(TypeDecorator[Path]):
    """A path as TEXT that holds the exact bytes of its name, valid UTF-8 or not.

    Python's driver does not bind lone surrogates, so the bytes are bound as a blob and cast to
    TEXT. Reading needs the text factory of `storage.database.engine`.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Path | str | None, dialect: Dialect) -> bytes | None:
        """Bind the bytes of the name."""
        del dialect
        return None if value is None else os.fsencode(value)

    def bind_expression(self, bindvalue: BindParameter[Path]) -> ColumnElement[Path]:
        """Cast the bound bytes to TEXT."""
        return cast(bindvalue, _ExactText())

    def process_result_value(self, value: Any, dialect: Dialect) -> Path | None:
        """Return the text of the driver as a path."""
        del dialect
        return None if value is None else Path(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Skip the processor of the blob type, which would turn text into bytes."""
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
        """Return the moment, aware of its zone."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


def as_text(moment: datetime) -> str:
    """Return a moment as the catalogue stores it: `2026-01-31T08:15:00.000Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def below(column: ColumnElement[Any], folder: Path) -> ColumnElement[bool]:
    """Return the condition that a path lies anywhere below a folder."""
    start = str(folder).rstrip("/")
    # "0" is the character after "/".
    return (column > literal(start + "/", PathText)) & (column < literal(start + "0", PathText))


def at_or_below(column: ColumnElement[Any], path: Path) -> ColumnElement[bool]:
    """Return the condition that a path is this one, or lies anywhere below it."""
    return (column == path) | below(column, path)


metadata = MetaData()


def columns(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    """Return columns of one type; a table lists its columns in the order of its migration."""
    return [Column(name, kind) for name in names]


def key(name: str, kind: type[TypeEngine[Any]]) -> Column[Any]:
    """Return a column of the primary key."""
    return Column(name, kind, primary_key=True)


def affect_columns() -> list[Column[Any]]:
    """Return the columns of arousal and valence with their intervals."""
    ends = ("", "_low", "_high")
    return columns(Float, *(f"{name}{end}" for name in ("arousal", "valence") for end in ends))


clips = Table(
    "clips",
    metadata,
    key("id", Integer),
    *columns(PathText, "path"),
    *columns(String, "identity"),
    *columns(Integer, "size", "mtime_ns", "inode"),
    *columns(Moment, "found_at", "missing_since"),
    *columns(String, "tag_state", "tag_reason"),
    *columns(Integer, "tagged_arousal", "tagged_valence"),
    *columns(String, "tagged_bundle"),
)

hearings = Table(
    "hearings",
    metadata,
    key("identity", String),
    *columns(String, "settings"),
    *columns(Float, "duration_s"),
    *columns(Moment, "heard_at"),
    *columns(LargeBinary, "vector"),
)

predictions = Table(
    "predictions",
    metadata,
    key("identity", String),
    *columns(String, "bundle"),
    *affect_columns(),
    *columns(Float, "novelty"),
    *columns(Moment, "analysed_at"),
)

curve_points = Table(
    "curve_points",
    metadata,
    key("identity", String),
    key("start_s", Float),
    *columns(Float, "arousal", "valence"),
)

queue = Table(
    "queue",
    metadata,
    key("path", PathText),
    *columns(Integer, "size", "mtime_ns", "inode"),
    *columns(String, "state"),
    *columns(Integer, "attempts"),
    *columns(Moment, "queued_at", "due_at"),
    *columns(String, "reason"),
)

tag_journal = Table(
    "tag_journal",
    metadata,
    key("id", Integer),
    *columns(Integer, "clip_id"),
    *columns(String, "identity"),
    *columns(Moment, "written_at"),
    *columns(String, "before"),
)

known_bundles = Table(
    "known_bundles",
    metadata,
    key("name", String),
    *columns(String, "created_at", "manifest"),
    *columns(Integer, "in_service"),
)

folders = Table(
    "folders",
    metadata,
    key("path", PathText),
    *columns(String, "watched_by"),
    *columns(Moment, "reconciled_at"),
    *columns(String, "trouble"),
)

mood_thresholds = Table(
    "mood_thresholds", metadata, key("only", Integer), *columns(Float, "arousal", "valence")
)

given_annotations = Table(
    "given_annotations",
    metadata,
    key("id", Integer),
    *columns(String, "identity"),
    *columns(PathText, "named"),
    *columns(String, "annotator"),
    *columns(Float, "arousal", "valence"),
    *columns(Moment, "made_at"),
    *columns(String, "source", "origin"),
    *columns(Moment, "withdrawn_at"),
)

trainings = Table(
    "trainings",
    metadata,
    key("id", Integer),
    *columns(Moment, "begun_at", "ended_at"),
    *columns(Integer, "annotations"),
    *columns(String, "outcome", "reason", "bundle"),
)

wishes = Table("wishes", metadata, key("errand", String), *columns(Moment, "asked_at"))

timetable = Table(
    "timetable",
    metadata,
    key("job", String),
    *columns(String, "schedule"),
    *columns(Moment, "next_at"),
)

notes = Table(
    "notes", metadata, key("about", String), *columns(String, "said"), *columns(Moment, "since")
)
