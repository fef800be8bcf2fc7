"""Reading one sheet of an untrusted spreadsheet (.xlsx).

Only stored values are read: no formula is computed, no link followed. A workbook is a zip archive
of XML, so it could unpack to far more than its size: it is refused by the sizes that it declares,
and the standard library unpacks no more than these. Against XML bombs, defusedxml must be
installed.
"""

from __future__ import annotations

import os
import stat
import zipfile
from contextlib import closing
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.csv_tables import CsvRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LARGEST_UNPACKED: Final = 16 * 1024 * 1024
MOST_ROWS: Final = 20_000
MOST_COLUMNS: Final = 200


def read_sheet(
    source: Path, chosen: Callable[[Sequence[str]], str], columns: Sequence[str]
) -> list[CsvRow]:
    """Read a sheet of an .xlsx file, with a heading in its first row.

    `chosen` returns which of the sheets to read; it may raise CorpusError.

    Raises:
        CorpusError: the file is not a workbook, is too large, or has no such sheet or columns.
    """
    if not openpyxl.DEFUSEDXML:
        raise CorpusError(
            f"{source}: not read without defusedxml; install it: pip install defusedxml"
        )
    _check_size(source)
    try:
        with (
            # openpyxl would leave a file that it opened itself open on errors.
            source.open("rb") as stream,
            closing(openpyxl.load_workbook(stream, read_only=True, data_only=True)) as book,
        ):
            sheet = book[chosen(book.sheetnames)]
            # The size that a sheet declares may be too small or too large.
            sheet.reset_dimensions()
            rows = [
                [_text(value) for value in cells]
                for cells in sheet.iter_rows(
                    max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True
                )
            ]
            title = sheet.title
    except CorpusError:
        raise
    except (OSError, InvalidFileException) as error:
        raise CorpusError(f"{source}: cannot be read: {error}") from error
    except Exception as error:
        # On damage, openpyxl, its XML reader and zlib raise more than they document.
        reason = " ".join(str(error).split())[:200]
        raise CorpusError(f"{source}: not a readable workbook: {reason}") from error
    return _rows(source, title, rows, columns)


def _check_size(source: Path) -> None:
    try:
        with source.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CorpusError(f"{source}: not a regular file")
            # The list of its parts is read first; it is as long as the file lets it be.
            size = status.st_size
            if size <= LARGEST_UNPACKED:
                with zipfile.ZipFile(stream) as archive:
                    size = sum(entry.file_size for entry in archive.infolist())
    except OSError as error:
        raise CorpusError(f"{source}: {error.strerror}") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CorpusError(f"{source}: not a workbook (.xlsx)") from error
    if size > LARGEST_UNPACKED:
        raise CorpusError(
            f"{source}: unpacks to {size} bytes; at most {LARGEST_UNPACKED} are accepted;"
            " save the table without pictures and other sheets"
        )


def _rows(source: Path, title: str, rows: list[list[str]], columns: Sequence[str]) -> list[CsvRow]:
    heading = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in columns if name not in heading]
    if missing:
        raise CorpusError(f"{source}, sheet {title}: no column named {', '.join(missing)}")
    if len(rows) > MOST_ROWS:
        raise CorpusError(f"{source}, sheet {title}: more than {MOST_ROWS} rows")
    found = [
        CsvRow(source, line, dict(zip_longest(heading, cells[: len(heading)], fillvalue="")))
        for line, cells in enumerate(rows[1:], start=2)
        if any(cells)
    ]
    if not found:
        raise CorpusError(f"{source}, sheet {title}: no ratings below the heading")
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    # A whole number is stored as a float: 910, not 910.0.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
