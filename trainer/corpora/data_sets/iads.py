"""IADS-E and IADS-2: everyday sounds of six seconds, rated on the self-assessment manikin, 1 to 9.

Yang, Makita, Nakao and others, Affective auditory stimulus database: An expanded version of the
International Affective Digitized Sounds (IADS-E), Behavior Research Methods 50, 2018: 935 sounds,
including the 167 of IADS-2, rated again by 207 people. Bradley and Lang, The International
Affective Digitized Sounds (2nd edition; IADS-2), technical report B-3, University of Florida, 2007.

The number of raters of a sound follows from the table: the six means of a row are multiples of 1/22
(in 519 of 935 rows), of 1/24 (312) or of 1/25 (104). The terms are those on the page of IADS-E at
Hiroshima University, which does not distribute the sounds of IADS-2. The number of raters of IADS-2
is not verified: the report was not available.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.rating_rows import (
    RatedRow,
    RatingColumns,
    RatingTable,
    RowGroups,
    SkippedRow,
    rated_rows,
    rating_table,
)
from trainer.corpora.tables.sound_files import files_below, match_sounds, sounds_below
from trainer.corpora.tables.xlsx import read_sheet
from trainer.rating_scale import RatingScale
from trainer.regression.folds import joined_groups

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
CATEGORY: Final = "Category"
MUSIC: Final = "music"
PEOPLE: Final = "people"
"""The category whose sounds are voices, nearly all of them."""

# The smallest number of raters of a mean; for IADS-2 not verified, see above.
_RATERS: Final = 22
_RATERS_OF_IADS_2: Final = 100

_COLUMNS: Final = RatingColumns("Sound ID", "AroMN", "ValMN", "AroSD", "ValSD")
_FROM_IADS_2: Final = "IADS"


def read_iads_e(request: ImportRequest) -> RatingTable:
    """Read IADS-E from its folder: sheet `SoundsAll`, and sounds named after their ids.

    Clips form one group if their ids begin with the same number (`0003` and `0003_b` are parts of
    one recording) or their descriptions differ only in the number at the end (`LightMusic24`).

    Raises:
        CorpusError: workbook, sheet, columns or sounds are missing, or a rating is not valid.
    """
    return _read(request, lambda _: True)


def read_iads_2(request: ImportRequest) -> RatingTable:
    """Read IADS-2 from its folder: a workbook of the same form, or from IADS-E's.

    Raises:
        CorpusError: as `read_iads_e`.
    """
    return _read(request, lambda row: row.cells.get("Source", _FROM_IADS_2) == _FROM_IADS_2)


def _read(request: ImportRequest, is_wanted: Callable[[CsvRow], bool]) -> RatingTable:
    folder = request.folder
    source = _workbook(folder)
    rows = read_sheet(source, lambda names: _sheet(source, names), _COLUMNS)
    sounds = sounds_below(folder, request.suffixes)
    files = match_sounds(folder, sounds, {row.text("Sound ID") for row in rows} - {""})
    wanted = [row for row in rows if is_wanted(row)]
    if not wanted:
        raise CorpusError(f"{source}, sheet {SHEET}: no row whose Source is {_FROM_IADS_2}")
    rated, skipped = rated_rows(wanted, _COLUMNS, lambda _: SCALE, _raters)
    if request.music == "drop":
        skipped += [SkippedRow(row.item, "left out", "music") for row in rated if _is_music(row)]
        rated = [row for row in rated if not _is_music(row)]
    groups = _groups(rated)

    def groups_of(row: RatedRow) -> RowGroups:
        if request.music == "move" and _is_music(row):
            return RowGroups("music", groups[row.item])
        return RowGroups("voice" if _category(row) == PEOPLE else "sound", groups[row.item])

    return rating_table(
        rated,
        files,
        groups_of,
        corpus=request.name,
        licence=LICENCE,
        skipped=skipped,
        may_group=[CATEGORY] if CATEGORY in wanted[0].cells else [],
    )


def _workbook(folder: Path) -> Path:
    found = [
        path
        for path in files_below(folder)
        if path.suffix.lower() == ".xlsx" and "rating" in path.name.lower()
        if not path.name.startswith("~")
    ]
    if not found:
        raise CorpusError(
            f"{folder}: no Sound Ratings.xlsx found; give the folder that IADS-E was unpacked into"
        )
    if len(found) > 1:
        names = " and ".join(path.name for path in found[:2])
        raise CorpusError(f"{folder}: several workbooks of ratings ({names}); keep one")
    return found[0]


def _sheet(source: Path, names: Sequence[str]) -> str:
    if SHEET not in names:
        raise CorpusError(
            f"{source}: no sheet {SHEET}, only {', '.join(names)}; use the original workbook"
        )
    return SHEET


def _raters(row: CsvRow) -> int:
    return _RATERS if "Source" in row.cells else _RATERS_OF_IADS_2


def _is_music(row: RatedRow) -> bool:
    return _category(row) == MUSIC


def _category(row: RatedRow) -> str:
    return row.row.cells.get(CATEGORY, "").strip().lower()


def _groups(rated: Sequence[RatedRow]) -> dict[str, str]:
    numbers = joined_groups([_group_keys(row) for row in rated])
    return {
        row.item: f"iads:{rated[number].item}" for row, number in zip(rated, numbers, strict=True)
    }


def _group_keys(row: RatedRow) -> list[tuple[str, str]]:
    keys = [("number", re.split(r"[_\s-]", row.item, maxsplit=1)[0])]
    description = re.sub(r"[\d\W_]+$", "", row.row.cells.get("Description", "")).lower()
    if description:
        keys.append(("description", "".join(description.split())))
    return keys
