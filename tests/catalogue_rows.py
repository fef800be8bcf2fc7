"""Reads the tables of a catalogue with texts in place of numbers, and adds many rows at once."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from storage.database.catalogue_file import file_of
from storage.database.server_address import is_on_server
from storage.schema.numbers import label_number
from storage.schema.packed_curve import pack_curve
from storage.schema.records import Tagged
from storage.schema.row_mapping import placed, prediction_values
from storage.schema.tables import clips, hearings, identities, predictions
from tests.records import NOON

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storage.catalogue import Catalogue
    from storage.schema.records import CurvePoint, Prediction

CLIPS = (
    "(SELECT directories.path || name AS path, identity, clips.* FROM clips"
    " JOIN directories ON directories.id = directory_id"
    " JOIN identities ON identities.id = sound_id)"
)
HEARINGS = (
    "(SELECT identity, label AS settings, heard_at, vector FROM hearings"
    " JOIN identities ON identities.id = sound_id JOIN labels ON labels.id = settings)"
)
PREDICTIONS = (
    "(SELECT identity, label AS bundle, arousal / 1e6 AS arousal, arousal_low / 1e6 AS arousal_low,"
    " arousal_high / 1e6 AS arousal_high, valence / 1e6 AS valence,"
    " valence_low / 1e6 AS valence_low, valence_high / 1e6 AS valence_high,"
    " novelty / 1e6 AS novelty, duration_ms / 1e3 AS duration_s FROM predictions"
    " JOIN identities ON identities.id = sound_id JOIN labels ON labels.id = bundle)"
)
CURVE_POINTS = (
    "(SELECT identity, start.value / 1e3 AS start_s,"
    " json_extract(curve, '$[' || (start.key + 1) || ']') / 1e3 AS arousal,"
    " json_extract(curve, '$[' || (start.key + 2) || ']') / 1e3 AS valence"
    " FROM predictions JOIN identities ON identities.id = sound_id"
    " JOIN json_each(curve) AS start ON start.key % 3 = 0)"
)


def rows_outside(catalogue: Catalogue, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, as another program reads them."""
    with closing(_driver_of(catalogue.url)) as plain:
        return [tuple(row) for row in plain.execute(sql).fetchall()]


def columns_outside(catalogue: Catalogue, name: str) -> list[str]:
    """Return the names of the columns of a table or view."""
    with closing(_driver_of(catalogue.url)) as plain:
        return [column[0] for column in plain.execute(f"SELECT * FROM {name} LIMIT 0").description]


def _driver_of(url: str) -> Any:
    if is_on_server(url):
        import psycopg  # noqa: PLC0415 - an extra

        return psycopg.connect(url.replace("+psycopg", ""))
    plain = sqlite3.connect(file_of(url))
    plain.text_factory = os.fsdecode
    return plain


class KnownSound(NamedTuple):
    """A sound with one file, whose tags hold its values."""

    identity: str
    path: Path
    vector: bytes


def add_sounds(
    catalogue: Catalogue,
    sounds: Sequence[KnownSound],
    *,
    settings: str,
    prediction: Prediction,
    curve: Sequence[CurvePoint],
    duration_s: float = 9.0,
) -> None:
    """Add sounds that were all predicted alike."""
    with catalogue.engine.begin() as connection:
        last = connection.execute(select(func.max(identities.c.id))).scalar() or 0
        numbered = list(enumerate(sounds, start=last + 1))
        label = label_number(connection, settings)
        bundle = label_number(connection, prediction.bundle)
        predicted = prediction_values(prediction, bundle)
        predicted |= {"analysed_at": NOON, "duration_ms": round(1000 * duration_s)}
        predicted["curve"] = pack_curve(curve)
        tagged = {f"tagged_{name}": value for name, value in vars(Tagged.of(prediction)).items()}
        tagged["tagged_bundle"] = predicted["bundle"]
        stamp = {"size": 1, "mtime_ns": 1, "found_at": NOON, "tag_state": "written", "tag_tries": 0}
        rows = {
            identities: [{"id": number, "identity": one.identity} for number, one in numbered],
            hearings: [
                {"sound_id": number, "settings": label, "heard_at": NOON, "vector": one.vector}
                for number, one in numbered
            ],
            predictions: [{**predicted, "sound_id": number} for number, _ in numbered],
            clips: [
                {**stamp, **tagged, **placed(connection, one.path)}
                | {"sound_id": number, "inode": number, "tag_contests": 0}
                for number, one in numbered
            ],
        }
        for table, values in rows.items():
            connection.execute(table.insert(), values)
