"""The tables for SQLAlchemy; the migrations define them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, String, Table, cast, literal
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

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

_Group = tuple[type[TypeEngine[Any]], str]
AFFECT: Final = "arousal arousal_low arousal_high valence valence_low valence_high"


def table(name: str, *groups: _Group, keys: int = 1) -> Table:
    """Return a table or view.

    Args:
        name: in the catalogue.
        groups: a type and the names of the columns that have it, in the order of the migrations.
        keys: how many of the first columns are the primary key.
    """
    names = [(column, kind) for kind, text in groups for column in text.split()]
    columns = (
        Column(column, kind, primary_key=place < keys) for place, (column, kind) in enumerate(names)
    )
    return Table(name, metadata, *columns)


clips = table(
    "clips",
    (Integer, "id"),
    (PathText, "path"),
    (String, "identity"),
    (Integer, "size mtime_ns inode"),
    (Moment, "found_at missing_since"),
    (String, "tag_state tag_reason"),
    (Integer, "tagged_arousal tagged_valence"),
    (String, "tagged_bundle"),
    (Integer, "tag_tries ctime_ns"),
    (String, "attributes sample"),
    (Integer, "tag_contests"),
)
hearings = table(
    "hearings",
    (String, "identity settings"),
    (Float, "duration_s"),
    (Moment, "heard_at"),
    (LargeBinary, "vector"),
)
predictions = table(
    "predictions",
    (String, "identity bundle"),
    (Float, f"{AFFECT} novelty"),
    (Moment, "analysed_at"),
    (String, "kind"),
    (Float, "kind_probability"),
)
curve_points = table(
    "curve_points", (String, "identity"), (Float, "start_s arousal valence"), keys=2
)
queue = table(
    "queue",
    (PathText, "path"),
    (Integer, "size mtime_ns inode"),
    (String, "state"),
    (Integer, "attempts"),
    (Moment, "queued_at due_at"),
    (String, "reason"),
    (Integer, "ctime_ns"),
)
tag_journal = table(
    "tag_journal",
    (Integer, "id clip_id"),
    (String, "identity"),
    (Moment, "written_at"),
    (String, "before"),
    (Integer, "size"),
)
known_bundles = table(
    "known_bundles", (String, "name created_at manifest"), (Integer, "in_service")
)
folders = table(
    "folders",
    (PathText, "path"),
    (String, "watched_by"),
    (Moment, "reconciled_at"),
    (String, "trouble"),
)
mood_thresholds = table("mood_thresholds", (Integer, "only"), (Float, "arousal valence"))
given_annotations = table(
    "given_annotations",
    (Integer, "id"),
    (String, "identity"),
    (PathText, "named"),
    (String, "annotator"),
    (Float, "arousal valence"),
    (Moment, "made_at"),
    (String, "source origin"),
    (Moment, "withdrawn_at"),
)
trainings = table(
    "trainings",
    (Integer, "id"),
    (Moment, "begun_at ended_at"),
    (Integer, "annotations"),
    (String, "outcome reason bundle"),
)
wishes = table("wishes", (String, "errand"), (Moment, "asked_at"))
timetable = table("timetable", (String, "job schedule"), (Moment, "next_at"))
notes = table("notes", (String, "about said"), (Moment, "since"))
begun_writes = table(
    "begun_writes",
    (String, "rescue"),
    (PathText, "path"),
    (Integer, "device inode rescue_inode rescue_size owner"),
    (String, "audio_hash way_back trouble"),
)
