"""Converts clips and analyses to rows, and rows to clips."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, insert
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.schema.file_stamps import FileLook, FileStamp
from storage.schema.records import Clip, Tagged, TagState
from storage.schema.tables import clips, curve_points, hearings, predictions

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.engine import Connection

    from storage.schema.records import Analysis


def stamp_of(row: Row[Any]) -> FileStamp:
    """Return the stamp in a row of `clips` or `queue`."""
    return FileStamp(row.size, row.mtime_ns, row.inode, row.ctime_ns)


def clip_of(row: Row[Any]) -> Clip:
    """Return the clip in a row of `clips`."""
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


def look_values(look: FileLook | None) -> dict[str, str | None]:
    """Return the columns of `clips` that hold a look."""
    return dict.fromkeys(("attributes", "sample")) if look is None else vars(look)


TAGGED = tuple(column.name for column in fields(Tagged))
"""The fields of the last tag write, in columns that begin with `tagged_`."""

UPSERT_CLIP = upsert(clips)
_SAME_SOUND = clips.c.identity == UPSERT_CLIP.excluded.identity
_STAYS_OFF = and_(_SAME_SOUND, clips.c.tag_state == "off", UPSERT_CLIP.excluded.tag_state == "off")
UPSERT_CLIP = UPSERT_CLIP.on_conflict_do_update(
    index_elements=["path"],
    set_={
        column.name: UPSERT_CLIP.excluded[column.name]
        for column in clips.columns
        if column.name not in {"id", "path", "found_at"}
    }
    # Tags that we wrote went with the file, if another sound has replaced it.
    | {f"tagged_{name}": case((_SAME_SOUND, clips.c[f"tagged_{name}"])) for name in TAGGED}
    | {"tag_contests": case((_SAME_SOUND, clips.c.tag_contests), else_=0)}
    # Tags that were taken out on request stay out, however often others change the file.
    | {"tag_reason": case((_STAYS_OFF, clips.c.tag_reason))},
)


def record_analysis(connection: Connection, analysis: Analysis, now: datetime) -> None:
    """Replace the analysis of a sound, within a transaction."""
    identity = analysis.features.identity
    # The schema's cascade deletes the old prediction and curve.
    connection.execute(delete(hearings).where(hearings.c.identity == identity))
    connection.execute(insert(hearings).values(heard_at=now, **vars(analysis.features)))
    connection.execute(
        insert(predictions).values(identity=identity, analysed_at=now, **vars(analysis.prediction))
    )
    if analysis.curve:
        points = [{"identity": identity, **vars(point)} for point in analysis.curve]
        connection.execute(insert(curve_points), points)
