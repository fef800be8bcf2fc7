"""Converts clips and analyses to rows, and rows to clips."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, and_, bindparam, case, delete, insert, update

from storage.schema.clip_rows import (
    IS_THERE,
    directory_number,
    label_number,
    parts_of,
    sound_number,
)
from storage.schema.column_types import Milliseconds, PathText
from storage.schema.file_stamps import FileLook, FileStamp
from storage.schema.packed_curve import pack_curve
from storage.schema.records import Clip, Tagged, TagState
from storage.schema.tables import clips, hearings, predictions, queue
from storage.schema.upserts import upsert

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Row, Table, Update
    from sqlalchemy.engine import Connection

    from storage.schema.records import Analysis, Prediction


def stamp_of(row: Row[Any]) -> FileStamp:
    """Return the stamp in a row of `clips` or `queue`."""
    return FileStamp(row.size, row.mtime_ns, row.inode, row.ctime_ns)


def clip_of(row: Row[Any]) -> Clip:
    """Return the clip in a row of `CLIPS`."""
    return Clip(
        id=row.id,
        path=row.path,
        identity=row.identity,
        stamp=stamp_of(row),
        tag_state=TagState(row.tag_state),
        tag_reason=row.tag_reason,
        is_missing=row.missing_since is not None,
        tagged=None
        if row.tagged_bundle is None
        else Tagged(row.tagged_arousal, row.tagged_valence, row.tagged_bundle),
        tag_tries=row.tag_tries,
        look=None if row.sample is None else FileLook(row.attributes, row.sample),
        tag_contests=row.tag_contests,
    )


TAGGED = tuple(column.name for column in fields(Tagged))
"""The fields of the last tag write, in columns that begin with `tagged_`."""

UPSERT_CLIP = upsert(clips)
_SAME_SOUND = clips.c.sound_id == UPSERT_CLIP.excluded.sound_id
_STAYS_OFF = and_(_SAME_SOUND, clips.c.tag_state == "off", UPSERT_CLIP.excluded.tag_state == "off")
UPSERT_CLIP = UPSERT_CLIP.on_conflict_do_update(
    index_elements=["directory_id", "name"],
    set_={
        column.name: UPSERT_CLIP.excluded[column.name]
        for column in clips.columns
        if column.name not in {"id", "directory_id", "name", "found_at"}
    }
    # Tags that we wrote went with the file, if another sound has replaced it.
    | {f"tagged_{name}": case((_SAME_SOUND, clips.c[f"tagged_{name}"])) for name in TAGGED}
    | {"tag_contests": case((_SAME_SOUND, clips.c.tag_contests), else_=0)}
    # Tags that were taken out on request stay out, however often others change the file.
    | {"tag_reason": case((_STAYS_OFF, clips.c.tag_reason))},
)


def placed(connection: Connection, path: Path) -> dict[str, Any]:
    """Return the columns of `clips` that hold a path."""
    folder, name = parts_of(path)
    return {"directory_id": directory_number(connection, folder), "name": name}


def look_values(connection: Connection, look: FileLook | None) -> dict[str, Any]:
    """Return the columns of `clips` that hold a look."""
    if look is None:
        return dict.fromkeys(("attributes", "sample"))
    return {"attributes": label_number(connection, look.attributes), "sample": look.sample}


def prediction_values(connection: Connection, prediction: Prediction) -> dict[str, Any]:
    """Return the columns of `predictions` that hold a prediction."""
    return vars(prediction) | {"bundle": label_number(connection, prediction.bundle)}


def record_analysis(connection: Connection, analysis: Analysis, now: datetime) -> bool:
    """Replace the analysis of a sound, within a transaction; return whether there was one."""
    features = analysis.features
    sound_id = sound_number(connection, features.identity)
    # The schema's cascade deletes the old prediction.
    had_one = connection.execute(_FORGET, {"own": sound_id}).rowcount > 0
    settings = label_number(connection, features.settings)
    heard = {"sound_id": sound_id, "settings": settings, "heard_at": now, "vector": features.vector}
    connection.execute(_ADD_HEARING, heard)
    values = prediction_values(connection, analysis.prediction)
    values |= {"sound_id": sound_id, "analysed_at": now, "curve": pack_curve(analysis.curve)}
    values["duration_ms"] = round(1000 * features.duration_s)
    connection.execute(_ADD_PREDICTION, values)
    return had_one


_FORGET = delete(hearings).where(hearings.c.sound_id == bindparam("own", type_=BigInteger))
_ADD_HEARING = insert(hearings)
_ADD_PREDICTION = insert(predictions)


def _restamp(table: Table, own: ColumnElement[bool]) -> Update:
    """Return the statement that stores the new stamps of files in a table."""
    own &= table.c.size == bindparam("new_size")
    own &= table.c.mtime_ns == bindparam("new_mtime_ns")
    return (
        update(table)
        .where(own)
        .values(inode=bindparam("new_inode"), ctime_ns=bindparam("new_ctime_ns"))
    )


MISSING_CLIP = (
    update(clips)
    .where(IS_THERE, clips.c.missing_since.is_(None))
    .values(missing_since=bindparam("now", type_=Milliseconds))
)
RESTAMP_CLIP = _restamp(clips, IS_THERE)
RESTAMP_ENTRY = _restamp(queue, queue.c.path == bindparam("of", type_=PathText))
