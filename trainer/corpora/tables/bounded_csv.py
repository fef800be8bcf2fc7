"""Reads CSV row by row within limits, so that a table of any size takes little memory."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


class TableLimits(NamedTuple):
    """The limits of a table; `mebibytes` are those of the whole file."""

    mebibytes: int = 64
    row_characters: int = 64 * 1024
    rows: int = 100_000
    columns: int = 200


LIMITS: Final = TableLimits()


class NotATable(ValueError):
    """A file is not CSV, or beyond a limit; the message says where and why."""


class CsvRecord(NamedTuple):
    """A row that is not empty, and the number of its last line in the file."""

    line: int
    cells: list[str]


class CsvRecords:
    """Iterates once over the rows of a table, the heading included, without empty lines.

    Empty columns to the right of the heading are left out.

    Iterating raises NotATable, and UnicodeDecodeError as the stream does.

    Args:
        stream: opened with `newline=""`.
        delimiters: between cells; the one that is most frequent in the first line is taken.
        limits: what is accepted.

    Attributes:
        delimiter: the one that was taken.
    """

    def __init__(self, stream: TextIO, delimiters: str = ",", limits: TableLimits = LIMITS) -> None:
        self._limits = limits
        self._lines = _BoundedLines(stream, limits)
        self.delimiter = max(delimiters, key=self._lines.first.count)

    def __iter__(self) -> Iterator[CsvRecord]:
        limits = self._limits
        reader = csv.reader(self._lines, delimiter=self.delimiter, strict=True)
        count, width = 0, 0
        try:
            for cells in reader:
                self._lines.row_characters = 0
                # Spreadsheets add empty columns, and a line that names the delimiter.
                while len(cells) > width and not cells[-1].strip():
                    cells.pop()
                if not any(cells) or (not count and cells[0].lower() == "sep="):
                    continue
                width = width or len(cells)
                if len(cells) > limits.columns:
                    raise NotATable(f"line {reader.line_num}: more than {limits.columns} columns")
                if count > limits.rows:
                    raise NotATable(f"more than {limits.rows} rows; divide it into several tables")
                count += 1
                yield CsvRecord(reader.line_num, cells)
        except csv.Error as error:
            raise NotATable(f"line {reader.line_num}: not CSV: {error}") from error


class _BoundedLines:
    """Iterates over the lines of a stream, each read only as far as its row may go on."""

    def __init__(self, stream: TextIO, limits: TableLimits) -> None:
        self._stream = stream
        self._limits = limits
        self._number = 0
        self._total = 0
        self.row_characters = 0
        self.first = stream.readline(limits.row_characters + 1)
        self._next: str | None = self.first

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        limits, line = self._limits, self._next
        if line is None:
            line = self._stream.readline(limits.row_characters + 1)
        self._next = None
        if not line:
            raise StopIteration
        self._number += 1
        self._total += len(line)
        self.row_characters += len(line)
        if self.row_characters > limits.row_characters:
            most = limits.row_characters
            raise NotATable(f"line {self._number}: a row of more than {most} characters")
        # No character has less than a byte.
        if self._total > limits.mebibytes << 20:
            raise NotATable(f"larger than {limits.mebibytes} MiB")
        return line
