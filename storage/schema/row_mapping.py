"""Converts clips and analyses to rows, and rows to clips."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, and_, bindparam, case, delete, insert, select, update

from storage.schema.clip_rows import IS_THERE, parts_of
from storage.schema.column_types import Milliseconds, PathText
from storage.schema.file_stamps import FileLook, FileStamp
from storage.schema.numbers import numbers_of
from storage.schema.packed_curve import pack_curve
from storage.schema.records import Clip, Tagged, TagState
from storage.schema.tables import clips, hearings, labels, predictions, queue
from storage.schema.upserts import upsert

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Row, Table, Update
    from sqlalchemy.engine import Connection

    from storage.schema.numbers import Numbers
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

_UPSERT = upsert(clips)
_SAME_SOUND = clips.c.sound_id == _UPSERT.excluded.sound_id
_STAYS_OFF = and_(_SAME_SOUND, clips.c.tag_state == "off", _UPSERT.excluded.tag_state == "off")
_UPSERT = _UPSERT.on_conflict_do_update(
    index_elements=["directory_id", "name"],
    set_={
        column.name: _UPSERT.excluded[column.name]
        for column in clips.columns
        if column.name not in {"id", "directory_id", "name", "found_at"}
    }
    # Tags that we wrote went with the file, if another sound has replaced it.
    | {f"tagged_{name}": case((_SAME_SOUND, clips.c[f"tagged_{name}"])) for name in TAGGED}
    | {"tag_contests": case((_SAME_SOUND, clips.c.tag_contests), else_=0)}
    # Tags that were taken out on request stay out, however often others change the file.
    | {"tag_reason": case((_STAYS_OFF, clips.c.tag_reason))},
)
_PUT: Final = _UPSERT.returning(
    clips.c.id, clips.c.tag_reason, clips.c.tag_contests, *(clips.c[f"tagged_{n}"] for n in TAGGED)
)


def put_clip(connection: Connection, clip: Clip, numbers: Numbers, now: datetime) -> Clip:
    """Record a clip that was analysed just now, within a transaction; return it as recorded.

    Its number, and what is known of its tags, are those of the clip at its path, if there is one.
    """
    values = {"directory_id": numbers.of["folder"], "name": clip.path.name}
    values |= {"sound_id": numbers.of["sound"], "tag_state": clip.tag_state, "tag_tries": 0}
    values |= {"found_at": now, "missing_since": None, "tag_reason": None, "tag_contests": 0}
    values |= vars(clip.stamp) | look_values(clip.look, numbers)
    row = connection.execute(_PUT, values).one()
    tagged = None
    if row.tagged_bundle is not None:
        bundle = connection.execute(_LABEL, {"own": row.tagged_bundle}).scalar_one()
        tagged = Tagged(row.tagged_arousal, row.tagged_valence, bundle)
    known = {"tag_reason": row.tag_reason, "tag_contests": row.tag_contests}
    return replace(clip, id=row.id, tagged=tagged, **known)


_LABEL: Final = select(labels.c.label).where(labels.c.id == bindparam("own", type_=BigInteger))


def placed(connection: Connection, path: Path) -> dict[str, Any]:
    """Return the columns of `clips` that hold a path."""
    folder, name = parts_of(path)
    return {"directory_id": numbers_of(connection, folder=folder).of["folder"], "name": name}


def look_texts(look: FileLook | None) -> dict[str, str]:
    """Return the text of a look whose number `look_values` needs."""
    return {} if look is None else {"attributes": look.attributes}


def look_values(look: FileLook | None, numbers: Numbers) -> dict[str, Any]:
    """Return the columns of `clips` that hold a look."""
    if look is None:
        return dict.fromkeys(("attributes", "sample"))
    return {"attributes": numbers.of["attributes"], "sample": look.sample}


def place_and_look(connection: Connection, path: Path, look: FileLook) -> dict[str, Any]:
    """Return the columns of `clips` that hold a path and a look."""
    folder, name = parts_of(path)
    numbers = numbers_of(connection, folder=folder, **look_texts(look))
    return {"directory_id": numbers.of["folder"], "name": name} | look_values(look, numbers)


def prediction_values(prediction: Prediction, bundle: int) -> dict[str, Any]:
    """Return the columns of `predictions` that hold a prediction by a bundle with a number."""
    return vars(prediction) | {"bundle": bundle}


def analysis_texts(analysis: Analysis | None) -> dict[str, str]:
    """Return the texts of an analysis whose numbers `record_analysis` needs, but for the sound."""
    if analysis is None:
        return {}
    return {"settings": analysis.features.settings, "bundle": analysis.prediction.bundle}


def record_analysis(
    connection: Connection, analysis: Analysis, numbers: Numbers, now: datetime
) -> bool:
    """Replace the analysis of a sound, within a transaction; return whether there was one."""
    features, of = analysis.features, numbers.of
    # The schema's cascade deletes the old prediction.
    forget = {"own": of["sound"]}
    had_one = "sound" not in numbers.added and connection.execute(_FORGET, forget).rowcount > 0
    heard = {"sound_id": of["sound"], "settings": of["settings"], "heard_at": now}
    connection.execute(_ADD_HEARING, heard | {"vector": features.vector})
    values = prediction_values(analysis.prediction, of["bundle"])
    values |= {"sound_id": of["sound"], "analysed_at": now, "curve": pack_curve(analysis.curve)}
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
