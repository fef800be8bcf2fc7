"""What somebody who looks around in a catalogue sees: sounds by number, a map, folders, changes."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from storage.schema.packed_curve import unpack_curve
from storage.search.demands import Clause, Demands
from storage.search.finder import Finder
from storage.search.found_rows import FILE_ID, RowReader
from storage.search.map_points import OTHER_FOLDER, points_of
from storage.search.orders import Order
from storage.search.search_plans import from_numbers
from storage.search.reader import open_snapshot

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from storage.schema.records import CurvePoint, Sound
    from storage.schema.sound_filter import SoundFilter
    from storage.search.map_points import MapPoints

MOST_POINTS: Final = 2_000_000
_PRESENT: Final = Demands({}, (), (Clause("c.missing_since IS NULL"),), are_files_chosen=True)
_AS_GIVEN: Final = Order(Clause("number.key"))


class NumberedSound(NamedTuple):
    """A sound, and the number of its file in the catalogue."""

    number: int
    sound: Sound


class CatalogueView:
    """A view of one snapshot of a catalogue. Reads only.

    Attributes:
        finder: searches it.
    """

    def __init__(self, plain: sqlite3.Connection) -> None:
        self._plain = plain
        self.finder = Finder(plain)

    def sounds(self, wanted: SoundFilter) -> list[NumberedSound]:
        """Return the sounds that match, in the order of the filter."""
        return self._numbered(self.finder.rows(wanted), wanted.thresholds)

    def sounds_numbered(
        self, numbers: Sequence[int], thresholds: tuple[float, float]
    ) -> list[NumberedSound]:
        """Return the sounds of the files with some numbers, in their order; others are left out."""
        plan = from_numbers("numbers", "files", numbers, _PRESENT, _AS_GIVEN, None)
        return self._numbered(self._plain.execute(plan.sql, plan.values), thresholds)

    def path_of(self, number: int) -> Path | None:
        """Return the path of the file with a number, None if there is none or it is missing."""
        row = self._plain.execute(
            "SELECT d.path || c.name FROM clips AS c JOIN directories AS d ON d.id = c.directory_id"
            " WHERE c.id = ? AND c.missing_since IS NULL",
            (number,),
        ).fetchone()
        return None if row is None else Path(row[0])

    def curve_of(self, number: int) -> list[CurvePoint]:
        """Return arousal and valence over the time of the sound of the file with a number."""
        row = self._plain.execute(
            "SELECT p.curve FROM clips AS c JOIN predictions AS p ON p.sound_id = c.sound_id"
            " WHERE c.id = ?",
            (number,),
        ).fetchone()
        return [] if row is None or row[0] is None else unpack_curve(row[0])

    def points(self, wanted: SoundFilter) -> MapPoints:
        """Return the sounds that match, packed for a map, in no order."""
        places = {number: place for place, (number, _) in enumerate(self._folders())}
        return points_of(self._plain, self.finder.demands(wanted), places, MOST_POINTS)

    def folders(self) -> list[str]:
        """Return the folders of the sounds, to whose places in this list the points refer."""
        return [path for _, path in self._folders()]

    def _folders(self) -> list[tuple[int, str]]:
        found = self._plain.execute(
            "SELECT id, path FROM directories ORDER BY id LIMIT ?", (OTHER_FOLDER,)
        )
        return found.fetchall()

    def _numbered(
        self,
        rows: Iterator[tuple[object, ...]] | list[tuple[object, ...]] | sqlite3.Cursor,
        thresholds: tuple[float, float],
    ) -> list[NumberedSound]:
        reader = RowReader(self._plain, thresholds)
        return [NumberedSound(row[FILE_ID], reader.sound(row)) for row in rows]


@contextmanager
def open_view(url: str) -> Iterator[CatalogueView]:
    """Open a catalogue within the block; raises as `open_snapshot`."""
    with open_snapshot(url) as plain:
        yield CatalogueView(plain)
