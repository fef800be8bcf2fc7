"""Reading rating tables as CSV, with errors that name file, line and column."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.bounded_csv import CsvRecords, NotATable
from trainer.rating_scale import number_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from trainer.corpora.tables.bounded_csv import CsvRecord

MOST_CELLS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row of a table: its file, its line in it (from 1), and the text under each heading."""

    source: Path
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return the text of a column without surrounding space."""
        return self.cells[column].strip()

    def number(self, column: str, low: float, high: float) -> float:
        """Return the number in a column.

        Raises:
            CorpusError: the text is not a number, or lies outside [low, high].
        """
        text = self.text(column)
        try:
            number = number_in(text)
        except ValueError:
            raise CorpusError(
                f"{self.where(column)}: '{text}' is not a number; correct it; nothing was imported"
            ) from None
        if not low <= number <= high:
            raise CorpusError(f"{self.where(column)}: {text} is not between {low:g} and {high:g}")
        return number

    def where(self, column: str) -> str:
        """Return file, line and column for an error message."""
        return f"{self.source}, line {self.line}, column {column}"


def read_rows(source: Path, columns: Sequence[str], unique: str = "") -> list[CsvRow]:
    """Read a CSV file with a heading; each name in the column `unique` may occur once.

    Raises:
        CorpusError: the file is not UTF-8 text, lacks a column, has no row, or a row has more or
            fewer cells than the heading; or a name occurs twice.
    """
    lines = _lines(source)
    heading = [name.strip() for name in lines[0][1]] if lines else []
    missing = [name for name in columns if name not in heading]
    if missing:
        raise CorpusError(f"{source}: no column named {', '.join(missing)}")
    if len(lines) == 1:
        raise CorpusError(f"{source}: no ratings below the heading")
    for number, cells in lines:
        if len(cells) != len(heading):
            raise CorpusError(f"{source}, line {number}: {len(cells)} cells, not {len(heading)}")
    rows = [CsvRow(source, n, dict(zip(heading, cells, strict=True))) for n, cells in lines[1:]]
    seen: set[str] = set()
    for row in rows if unique else ():
        if row.text(unique) in seen:
            raise CorpusError(f"{source}: {row.text(unique)} is rated twice")
        seen.add(row.text(unique))
    return rows


def read_pairs(source: Path) -> list[tuple[str, str]]:
    """Read a CSV file without heading whose lines are two names, the preferred one first.

    Raises:
        CorpusError: the file cannot be read, is empty, or a line is not two different names.
    """
    pairs = []
    for number, cells in _lines(source):
        names = tuple(cell.strip() for cell in cells)
        if len(names) != 2 or not all(names) or names[0] == names[1]:  # noqa: PLR2004 - a pair is two
            raise CorpusError(f"{source}, line {number}: not a pair of two different names")
        pairs.append((names[0], names[1]))
    if not pairs:
        raise CorpusError(f"{source}: no pairs")
    return pairs


def sound_path(corpora_dir: Path, corpus: str, relative: str) -> str:
    """Return the path of an existing sound, relative to the folder of all corpora.

    Raises:
        CorpusError: there is no such file, or the path leaves the folder of its corpus.
    """
    if ".." in relative.split("/") or relative.startswith("/"):
        raise CorpusError(f"{corpora_dir / corpus}: {relative} leaves the folder of its corpus")
    if not (corpora_dir / corpus / relative).is_file():
        raise CorpusError(f"{corpora_dir / corpus / relative}: rated, but no such file")
    return f"{corpus}/{relative}"


def _lines(source: Path) -> list[CsvRecord]:
    try:
        with open_table(source) as stream:
            return bounded_cells(CsvRecords(stream), source)
    except OSError as error:
        raise CorpusError(f"{source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source}: not UTF-8 text") from error
    except NotATable as error:
        raise CorpusError(f"{source}: {error}") from error


def open_table(source: Path, errors: str = "strict") -> TextIO:
    """Open the text of a table that is a regular file; raises OSError."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return open(descriptor, encoding="utf-8-sig", errors=errors, newline="")  # noqa: PTH123 - a descriptor


def bounded_cells(records: Iterable[CsvRecord], source: Path) -> list[CsvRecord]:
    """Return the rows of a table that fits into memory.

    Raises:
        CorpusError: it has too many cells.
    """
    rows, cells = [], 0
    for record in records:
        cells += len(record.cells)
        if cells > MOST_CELLS:
            raise CorpusError(
                f"{source}, line {record.line}: more than {MOST_CELLS} cells in a table"
            )
        rows.append(record)
    return rows
