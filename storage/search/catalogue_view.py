"""What somebody who looks around in a catalogue sees: sounds by number, a map, folders, changes."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from storage.database.sessions import batches
from storage.schema.packed_curve import unpack_curve
from storage.schema.records import Failure
from storage.search.found_rows import FILE_ID, RowReader
from storage.search.map_points import OTHER_FOLDER, pack_points
from storage.search.reader import open_snapshot
from storage.search.text_search import TEXT, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from storage.schema.plain_connection import PlainConnection
    from storage.schema.records import CurvePoint, Sound
    from storage.schema.sound_filter import SoundFilter
    from storage.search.found_rows import Row, SoundSearch

MOST_POINTS: Final = 2_000_000


class NumberedSound(NamedTuple):
    """A sound, and the number of its file in the catalogue."""

    number: int
    sound: Sound


class NumberedFailure(NamedTuple):
    """A failure, and its number in the queue, which it keeps until the file is analysed."""

    number: int
    failure: Failure


class CatalogueView:
    """A view of one snapshot of a catalogue. Reads only.

    Attributes:
        finder: searches it.
    """

    def __init__(self, plain: PlainConnection, finder: SoundSearch) -> None:
        self._plain, self.finder = plain, finder

    def sounds(self, wanted: SoundFilter, skipped: int = 0) -> list[NumberedSound]:
        """Return the sounds that match, in the order of the filter, without the first ones."""
        return self._numbered(self.finder.rows(wanted)[skipped:], wanted.thresholds)

    def sounds_numbered(
        self, numbers: Sequence[int], thresholds: tuple[float, float]
    ) -> list[NumberedSound]:
        """Return the sounds of the files with some numbers, in their order; others are left out."""
        return self._numbered(self.finder.rows_of_files(numbers), thresholds)

    def numbered(self, sounds: Sequence[Sound]) -> list[NumberedSound]:
        """Return sounds with the numbers of their files, in order."""
        numbers = self.numbers_of([sound.path for sound in sounds])
        return [
            NumberedSound(numbers[sound.path], sound) for sound in sounds if sound.path in numbers
        ]

    def numbers_of(self, paths: Sequence[Path]) -> dict[Path, int]:
        """Return the number of the file at each path, without those that are not known."""
        found = {}
        for path in paths:
            folder, slash, name = str(path).rpartition("/")
            row = self._plain.execute(
                "SELECT c.id FROM directories AS d JOIN clips AS c ON c.directory_id = d.id"  # noqa: S608
                f" WHERE d.path = {TEXT} AND c.name = {TEXT}",
                (as_text(folder + slash), as_text(name)),
            ).fetchone()
            if row is not None:
                found[path] = row[0]
        return found

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

    def failures(self, limit: int) -> list[NumberedFailure]:
        """Return the files that could not be analysed, by path; the first `limit` of them."""
        found = self._plain.execute(
            "SELECT rowid, path, reason, attempts, CASE WHEN state <> 'given up' THEN due_at END"
            " FROM queue WHERE reason IS NOT NULL ORDER BY path LIMIT ?",
            (limit,),
        )
        return [
            NumberedFailure(number, Failure(Path(path), *others)) for number, path, *others in found
        ]

    def paths_of_failures(self, numbers: Sequence[int]) -> list[Path]:
        """Return the paths of the failures with some numbers, without those that are gone."""
        found: list[tuple[str]] = []
        for some in batches(numbers):
            places = ", ".join("?" * len(some))
            found += self._plain.execute(
                f"SELECT path FROM queue WHERE rowid IN ({places}) AND reason IS NOT NULL",  # noqa: S608
                some,
            )
        return [Path(path) for (path,) in found]

    def points(self, wanted: SoundFilter) -> bytes:
        """Return the sounds that match, packed for a map, in no order."""
        places = {number: place for place, (number, _) in enumerate(self._folders())}
        return pack_points(self.finder.points(wanted, MOST_POINTS), places)

    def folders(self) -> list[str]:
        """Return the folders of the sounds, to whose places in this list the points refer."""
        return [path for _, path in self._folders()]

    def _folders(self) -> list[tuple[int, str]]:
        found = self._plain.execute(
            "SELECT id, path FROM directories ORDER BY id LIMIT ?", (OTHER_FOLDER,)
        )
        return found.fetchall()

    def _numbered(
        self, rows: Iterable[Row], thresholds: tuple[float, float]
    ) -> list[NumberedSound]:
        reader = RowReader(self._plain, thresholds)
        return [NumberedSound(row[FILE_ID], reader.sound(row)) for row in rows]


@contextmanager
def open_view(url: str) -> Iterator[CatalogueView]:
    """Open a catalogue within the block; raises as `open_snapshot`."""
    with open_snapshot(url) as (plain, finder):
        yield CatalogueView(plain, finder)
