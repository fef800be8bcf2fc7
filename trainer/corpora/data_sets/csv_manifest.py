"""A manifest: anybody's own ratings, as a CSV file beside the sounds.

Columns: `path` (relative to the file), `arousal` and `valence`; if wanted `arousal_sd`,
`valence_sd` (standard deviations between raters), `raters` (how many), `group` (what must not be
split between folds; the sound itself if not given), `domain` (`music` or `sound`; `music` if not
given) and `scale` (such as `1:9`).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.csv_tables import CsvRow, read_rows
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
)
from trainer.corpora.tables.sound_files import sounds_below
from trainer.rating_scale import RatingScale, scale_of

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest

LICENCE: Final = "none stated: whatever holds for the sounds and ratings of this manifest"
FILE: Final = "manifest.csv"

_NEEDED: Final = ("path", "arousal", "valence")
_OPTIONAL: Final = ("arousal_sd", "valence_sd", "raters", "group", "domain", "scale")
_UNKNOWN_RATERS: Final = 10
_MOST_RATERS: Final = 1_000_000


def read_manifest(request: ImportRequest) -> RatingTable:
    """Read a manifest: the CSV file, `manifest.csv` in a folder, or a folder's only CSV file.

    Raises:
        CorpusError: there is none, or a cell is not what it should be.
    """
    source = _manifest(request.folder)
    folder = source.parent
    rows = [_complete(row) for row in read_rows(source, _NEEDED)]
    columns = RatingColumns(*_NEEDED, "arousal_sd", "valence_sd")

    def scale_at(row: CsvRow) -> RatingScale:
        return _scale(row) or request.scale

    rated, skipped = rated_rows(rows, columns, scale_at, _raters)
    skipped += [
        SkippedRow(row.item, "missing", "leaves the folder of the manifest")
        for row in rated
        if not _stays(row.item)
    ]
    rated = [row for row in rated if _stays(row.item)]
    present = {
        path.relative_to(folder).as_posix() for path in sounds_below(folder, request.suffixes)
    }
    files = {row.item: [path] for row in rated if (path := posixpath.normpath(row.item)) in present}
    first: dict[str, str] = {}
    for row in rated:
        path = posixpath.normpath(row.item)
        if first.setdefault(path, row.item) != row.item:
            raise CorpusError(f"{row.row.where('path')}: {row.item} is rated twice")
    taken, unheard = clips_of(
        rated, files, RowOrigin(request.name, LICENCE), lambda row: _belonging(row, request.name)
    )
    return reading_of(taken, (*skipped, *unheard))


def _manifest(place: Path) -> Path:
    if place.is_file():
        return place
    if (place / FILE).is_file():
        return place / FILE
    tables = sorted(place.glob("*.csv")) if place.is_dir() else []
    if len(tables) != 1:
        raise CorpusError(
            f"{place}: holds no {FILE}; put one beside the sounds, headed {','.join(_NEEDED)}"
        )
    return tables[0]


def _complete(row: CsvRow) -> CsvRow:
    """Give a row the columns that it may leave out, empty."""
    return CsvRow(row.source, row.line, dict.fromkeys(_OPTIONAL, "") | dict(row.cells))


def _scale(row: CsvRow) -> RatingScale | None:
    text = row.text("scale")
    if not text:
        return None
    try:
        return scale_of(text)
    except ValueError:
        raise CorpusError(
            f"{row.where('scale')}: '{text}'; LOW:HIGH is accepted, such as 1:9"
        ) from None


def _raters(row: CsvRow) -> int:
    return int(row.number("raters", 1, _MOST_RATERS)) if row.text("raters") else _UNKNOWN_RATERS


def _belonging(row: RatedRow, name: str) -> RowGroups:
    domain = row.row.text("domain").lower()
    group = f"{name}:{row.row.text('group') or row.item}"
    if domain in {"music", ""}:
        return RowGroups("music", group)
    if domain == "sound":
        return RowGroups("sound", group)
    raise CorpusError(f"{row.row.where('domain')}: '{domain}'; music and sound are accepted")


def _stays(item: str) -> bool:
    return not item.startswith("/") and ".." not in item.split("/")
