"""Reading the CSV files that ratings come in, with errors that name file, line and column."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LARGEST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One line of a CSV file that knows where it stands.

    Attributes:
        source: the file.
        line: line number in the file, the heading being 1.
        cells: the text under each heading.
    """

    source: Path
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return the text under a heading, without surrounding space; empty when there is none."""
        return self.cells[column].strip()

    def number(self, column: str, low: float, high: float) -> float:
        """Return the number under a heading.

        Raises:
            CorpusError: the text is no number, or lies outside [low, high].
        """
        text = self.text(column)
        try:
            number = float(text)
        except ValueError:
            raise CorpusError(
                f"{self.where(column)}: '{text}' is not a number; correct it; nothing was imported"
            ) from None
        if not (math.isfinite(number) and low <= number <= high):
            raise CorpusError(f"{self.where(column)}: {text} is not between {low:g} and {high:g}")
        return number

    def where(self, column: str) -> str:
        """Return file, line and column as one phrase for an error."""
        return f"{self.source}, line {self.line}, column {column}"


def read_rows(source: Path, columns: Sequence[str]) -> list[CsvRow]:
    """Read a CSV file with a heading.

    Raises:
        CorpusError: the file cannot be read as UTF-8 text, lacks one of the columns, holds no row,
            or a row has more or fewer cells than the heading.
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
    return [CsvRow(source, n, dict(zip(heading, cells, strict=True))) for n, cells in lines[1:]]


def read_pairs(source: Path) -> list[tuple[str, str]]:
    """Read a CSV file without heading whose lines are two names, the first preferred.

    Raises:
        CorpusError: the file cannot be read, is empty, or a line does not hold two different names.
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
    """Return the path of a sound relative to the folder of all corpora, once it is known to exist.

    Raises:
        CorpusError: the file is not there, or the path leaves the folder of its corpus.
    """
    if ".." in relative.split("/") or relative.startswith("/"):
        raise CorpusError(f"{corpora_dir / corpus}: {relative} leaves the folder of its corpus")
    if not (corpora_dir / corpus / relative).is_file():
        raise CorpusError(f"{corpora_dir / corpus / relative}: rated, but no such file")
    return f"{corpus}/{relative}"


def refuse_doubles(source: Path, paths: Sequence[str]) -> None:
    """Refuse a table that rates one sound twice.

    Raises:
        CorpusError: a path stands in the table more than once.
    """
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise CorpusError(f"{source}: {path} is rated twice")
        seen.add(path)


def _lines(source: Path) -> list[tuple[int, list[str]]]:
    try:
        if source.stat().st_size > LARGEST_BYTES:
            raise CorpusError(f"{source}: larger than the {LARGEST_BYTES} bytes that are read")
        with source.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            return [(reader.line_num, cells) for cells in reader if cells]
    except OSError as error:
        raise CorpusError(f"{source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source}: not UTF-8 text") from error
    except csv.Error as error:
        raise CorpusError(f"{source}: not a CSV file: {error}") from error
