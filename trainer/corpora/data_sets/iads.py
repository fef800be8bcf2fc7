"""IADS-E and IADS-2: everyday sounds of six seconds, rated on the self-assessment manikin, 1 to 9.

Yang, Makita, Nakao and others, Affective auditory stimulus database: An expanded version of the
International Affective Digitized Sounds (IADS-E), Behavior Research Methods 50, 2018: 935 sounds,
the 167 of IADS-2 among them, rated anew by 207 people. Bradley and Lang, The International
Affective Digitized Sounds (2nd edition; IADS-2), technical report B-3, University of Florida, 2007.

How many of the 207 rated a sound can be read from the table: the six means of a row are whole
multiples of 1/22 (in 519 of 935 rows), of 1/24 (312) or of 1/25 (104). The terms are those on the
page of IADS-E at Hiroshima University, which does not give out the sounds of IADS-2. How many rated
a sound of IADS-2 is from memory: the report could not be looked up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trainer.corpora.linked_groups import joined_groups
from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.rating_rows import (
    RatedRow,
    RatingColumns,
    RatingTable,
    RowGroups,
    RowOrigin,
    SkippedRow,
    clips_of,
    rated_rows,
    reading_of,
    unrated_files,
)
from trainer.corpora.tables.sound_files import files_below, named_after, sounds_below
from trainer.corpora.tables.xlsx import read_sheet
from trainer.rating_scale import RatingScale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest
    from trainer.corpora.tables.csv_tables import CsvRow

LICENCE: Final = (
    "IADS-E's own sounds for non-profit academic use (Hiroshima University); "
    "IADS-2's from the University of Florida alone"
)
SCALE: Final = RatingScale(1.0, 9.0)
SHEET: Final = "SoundsAll"
MUSIC: Final = "music"

# The fewest that a mean of IADS-E is over; for IADS-2 not verified, see above.
_RATERS: Final = 22
_RATERS_OF_IADS_2: Final = 100

_COLUMNS: Final = RatingColumns("Sound ID", "AroMN", "ValMN", "AroSD", "ValSD")
_FROM_IADS_2: Final = "IADS"


def read_iads_e(request: ImportRequest) -> RatingTable:
    """Read IADS-E from its folder: sheet `SoundsAll`, and sounds named after their ids.

    Clips are of one group if their ids begin with the same number (`0003` and `0003_b` are parts of
    one recording) or their descriptions differ in the number at the end alone (`LightMusic24`).

    Raises:
        CorpusError: workbook, sheet, columns or sounds are missing, or a rating is none.
    """
    return _read(request, lambda _: True)


def read_iads_2(request: ImportRequest) -> RatingTable:
    """Read IADS-2 from its folder: a workbook of the same shape, or IADS-E's.

    Of that, the other sounds are passed over.

    Raises:
        CorpusError: as `read_iads_e`.
    """
    return _read(request, lambda row: row.cells.get("Source", _FROM_IADS_2) == _FROM_IADS_2)


def _read(request: ImportRequest, is_meant: Callable[[CsvRow], bool]) -> RatingTable:
    folder = request.folder
    source = _workbook(folder)
    rows = read_sheet(source, lambda names: _sheet(source, names), _COLUMNS)
    sounds = sounds_below(folder, request.suffixes)
    files, unclaimed = named_after(folder, sounds, {row.text("Sound ID") for row in rows} - {""})
    meant = [row for row in rows if is_meant(row)]
    if not meant:
        raise CorpusError(f"{source}, sheet {SHEET}: no row whose Source is {_FROM_IADS_2}")
    rated, skipped = rated_rows(meant, _COLUMNS, lambda _: SCALE, _raters)
    if request.music == "drop":
        skipped += [SkippedRow(row.item, "left out", "music") for row in rated if _is_music(row)]
        rated = [row for row in rated if not _is_music(row)]
    groups = _groups(rated)

    def belonging(row: RatedRow) -> RowGroups:
        moved = request.music == "move" and _is_music(row)
        return RowGroups("music" if moved else "sound", groups[row.item])

    taken, unheard = clips_of(rated, files, RowOrigin(request.name, LICENCE), belonging)
    return reading_of(taken, (*skipped, *unheard, *unrated_files(unclaimed)))


def _workbook(folder: Path) -> Path:
    found = [
        path
        for path in files_below(folder)
        if path.suffix.lower() == ".xlsx" and "rating" in path.name.lower()
        if not path.name.startswith("~")
    ]
    if len(found) != 1:
        told = " and ".join(path.name for path in found[:2])
        what = (
            f"several workbooks of ratings ({told}); keep one"
            if found
            else "holds no Sound Ratings.xlsx; name the folder that IADS-E was unpacked into"
        )
        raise CorpusError(f"{folder}: {what}")
    return found[0]


def _sheet(source: Path, names: Sequence[str]) -> str:
    if SHEET not in names:
        raise CorpusError(
            f"{source}: no sheet {SHEET}; it has {', '.join(names)}; take the workbook as it came"
        )
    return SHEET


def _raters(row: CsvRow) -> int:
    return _RATERS if "Source" in row.cells else _RATERS_OF_IADS_2


def _is_music(row: RatedRow) -> bool:
    return row.row.cells.get("Category", "").strip().lower() == MUSIC


def _groups(rated: Sequence[RatedRow]) -> dict[str, str]:
    numbers = joined_groups([_ties(row) for row in rated])
    return {
        row.item: f"iads:{rated[number].item}" for row, number in zip(rated, numbers, strict=True)
    }


def _ties(row: RatedRow) -> list[tuple[str, str]]:
    ties = [("number", re.split(r"[_\s-]", row.item, maxsplit=1)[0])]
    description = re.sub(r"[\d\W_]+$", "", row.row.cells.get("Description", "")).lower()
    if description:
        ties.append(("description", "".join(description.split())))
    return ties
