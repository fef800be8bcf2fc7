"""The tables for SQLAlchemy; the migrations define them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Float, LargeBinary, MetaData, String, Table, literal
from sqlalchemy.types import TypeEngine

from storage.schema.column_types import (
    HexBytes,
    Millionths,
    Milliseconds,
    Moment,
    NameText,
    PathText,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement


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


directories = table("directories", (BigInteger, "id"), (NameText, "path"), (BigInteger, "kinds"))
"""The folders of the files; each path ends in a slash."""

labels = table("labels", (BigInteger, "id"), (String, "label"))
"""Names of bundles, keys of feature settings, attributes of files."""

identities = table("identities", (BigInteger, "id"), (String, "identity"))
clips = table(
    "clips",
    (BigInteger, "id directory_id"),
    (NameText, "name"),
    (BigInteger, "sound_id size mtime_ns inode"),
    (Milliseconds, "found_at missing_since"),
    (String, "tag_state tag_reason"),
    (BigInteger, "tagged_arousal tagged_valence tagged_bundle tag_tries ctime_ns attributes"),
    (HexBytes, "sample"),
    (BigInteger, "tag_contests"),
)
hearings = table(
    "hearings",
    (BigInteger, "sound_id settings"),
    (Milliseconds, "heard_at"),
    (LargeBinary, "vector"),
)
predictions = table(
    "predictions",
    (BigInteger, "sound_id bundle"),
    (Millionths, f"{AFFECT} novelty"),
    (String, "kind"),
    (Millionths, "kind_probability"),
    (Milliseconds, "analysed_at"),
    (BigInteger, "duration_ms"),
    (String, "curve"),
    (BigInteger, "files"),
    (Millionths, "rated_arousal arousal_reach rated_valence valence_reach"),
    (Millionths, "shown_arousal shown_valence width"),
)
"""What is predicted and what is shown of each sound; migration 12 says what the columns hold.

The last ten are never written by statements: triggers and SQLite itself fill them.
"""
sketches = table("sketches", (BigInteger, "block"), (LargeBinary, "sketches"))
sketch_state = table("sketch_state", (BigInteger, "only bundle up_to"))
unsketched = table("unsketched", (BigInteger, "sound_id"))
queue = table(
    "queue",
    (PathText, "path"),
    (BigInteger, "size mtime_ns inode"),
    (String, "state"),
    (BigInteger, "attempts"),
    (Moment, "queued_at due_at"),
    (String, "reason"),
    (BigInteger, "ctime_ns"),
    (Moment, "fresh_since"),
)
tag_journal = table(
    "tag_journal",
    (BigInteger, "id clip_id sound_id"),
    (Milliseconds, "written_at"),
    (String, "before"),
    (BigInteger, "size"),
)
known_bundles = table(
    "known_bundles", (String, "name created_at manifest"), (BigInteger, "in_service")
)
folders = table(
    "folders",
    (PathText, "path"),
    (String, "watched_by"),
    (Moment, "reconciled_at"),
    (String, "trouble"),
)
mood_thresholds = table("mood_thresholds", (BigInteger, "only"), (Float, "arousal valence"))
given_annotations = table(
    "given_annotations",
    (BigInteger, "id"),
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
    (BigInteger, "id"),
    (Moment, "begun_at ended_at"),
    (BigInteger, "annotations"),
    (String, "outcome reason bundle"),
)
wishes = table("wishes", (String, "errand"), (Moment, "asked_at"))
timetable = table("timetable", (String, "job schedule"), (Moment, "next_at"))
notes = table("notes", (String, "about said"), (Moment, "since"))
import_under_way = table("import_under_way", (BigInteger, "only"))
"""While it has its row, what is shown of sounds does not follow their annotations."""

begun_writes = table(
    "begun_writes",
    (String, "rescue"),
    (PathText, "path"),
    (BigInteger, "device inode rescue_inode rescue_size owner"),
    (String, "audio_hash way_back trouble digest"),
)
