"""A manifest: a user's own ratings, as a CSV file beside the sounds.

Columns: `path` (relative to the file), `arousal` and `valence`; optional `arousal_sd`, `valence_sd`
(standard deviations between raters), `raters` (how many), `group` (what must not be split between
folds; the sound itself by default), `domain` (`music`, the default, `voice` or `sound`) and `scale`
(such as `1:9`). Any other column with few values, such as the culture of makers or raters, is kept
for comparing its groups.
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
    SkippedRow,
    rated_rows,
    rating_table,
)
from trainer.corpora.tables.sound_files import SoundFiles, sounds_below
from trainer.rating_scale import RatingScale, scale_of

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest

LICENCE: Final = "none stated: that of the sounds and ratings of this manifest"
FILE: Final = "manifest.csv"

_NEEDED: Final = ("path", "arousal", "valence")
_OPTIONAL: Final = ("arousal_sd", "valence_sd", "raters", "group", "domain", "scale")
_UNKNOWN_RATERS: Final = 10
_MOST_RATERS: Final = 1_000_000
_MOST_NAMES: Final = 10
_LONGEST_NAME: Final = 40


def read_manifest(request: ImportRequest) -> RatingTable:
    """Read a manifest: the CSV file, `manifest.csv` in a folder, or a folder's only CSV file.

    Raises:
        CorpusError: there is none, or a cell is not valid.
    """
    source = _manifest(request.folder)
    rows = [_complete(row) for row in read_rows(source, _NEEDED)]
    columns = RatingColumns(*_NEEDED, "arousal_sd", "valence_sd")
    rated, skipped = rated_rows(rows, columns, lambda row: _scale(row) or request.scale, _raters)
    skipped += [
        SkippedRow(row.item, "missing", "lies outside the folder of the manifest")
        for row in rated
        if not _is_inside(row.item)
    ]
    rated = [row for row in rated if _is_inside(row.item)]
    sounds = {
        path.relative_to(source.parent).as_posix()
        for path in sounds_below(source.parent, request.suffixes)
    }
    files: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for row in rated:
        path = posixpath.normpath(row.item)
        if first.setdefault(path, row.item) != row.item:
            raise CorpusError(f"{row.row.where('path')}: {row.item} is rated twice")
        if path in sounds:
            files[row.item] = [path]
    return rating_table(
        rated,
        SoundFiles(files),
        lambda row: _groups(row, request.name),
        corpus=request.name,
        licence=LICENCE,
        skipped=skipped,
        notes=_unused(rows[0]),
        may_group=_others(rows[0]),
    )


def _unused(row: CsvRow) -> list[str]:
    """Name the columns that change no fit, such as a `Group` or `speaker` for `group`."""
    others = _others(row)
    if not others:
        return []
    names = ", ".join(repr(name[:_LONGEST_NAME]) for name in others[:_MOST_NAMES])
    return [f"columns that change no fit: {names}; read are {', '.join(_NEEDED + _OPTIONAL)}"]


def _others(row: CsvRow) -> list[str]:
    return [name for name in row.cells if name not in _NEEDED + _OPTIONAL]


def _manifest(path: Path) -> Path:
    if path.is_file():
        return path
    if (path / FILE).is_file():
        return path / FILE
    tables = sorted(path.glob("*.csv")) if path.is_dir() else []
    if len(tables) != 1:
        raise CorpusError(
            f"{path}: no {FILE} found; put one beside the sounds, with the heading "
            f"{','.join(_NEEDED)}"
        )
    return tables[0]


def _complete(row: CsvRow) -> CsvRow:
    """Add the optional columns that a row lacks, empty."""
    return CsvRow(row.source, row.line, dict.fromkeys(_OPTIONAL, "") | dict(row.cells))


def _scale(row: CsvRow) -> RatingScale | None:
    text = row.text("scale")
    if not text:
        return None
    try:
        return scale_of(text)
    except ValueError:
        raise CorpusError(
            f"{row.where('scale')}: '{text}' is not a scale LOW:HIGH, such as 1:9"
        ) from None


def _raters(row: CsvRow) -> int:
    return int(row.number("raters", 1, _MOST_RATERS)) if row.text("raters") else _UNKNOWN_RATERS


def _groups(row: RatedRow, name: str) -> RowGroups:
    domain = row.row.text("domain").lower()
    group = f"{name}:{row.row.text('group') or row.item}"
    if domain in {"music", ""}:
        return RowGroups("music", group)
    if domain == "voice":
        return RowGroups("voice", group)
    if domain == "sound":
        return RowGroups("sound", group)
    raise CorpusError(f"{row.row.where('domain')}: '{domain}' is none of music, voice and sound")


def _is_inside(item: str) -> bool:
    return not item.startswith("/") and ".." not in item.split("/")
