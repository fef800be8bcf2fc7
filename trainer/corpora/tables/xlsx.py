"""Reading one sheet of a spreadsheet that came from elsewhere.

Only stored values are read: no formula is computed, no link followed. A workbook is an archive of
XML, so it could unpack to far more than it is (refused by the sizes that it declares, beyond which
the standard library unpacks nothing), and its XML could swell likewise (openpyxl reads it through
defusedxml where that is installed, which our lock files see to).
"""

from __future__ import annotations

import zipfile
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.csv_tables import CsvRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LARGEST_UNPACKED: Final = 64 * 1024 * 1024
MOST_ROWS: Final = 20_000
MOST_COLUMNS: Final = 200


def read_sheet(
    source: Path, chosen: Callable[[Sequence[str]], str], columns: Sequence[str]
) -> list[CsvRow]:
    """Read a sheet with a heading in its first row.

    Args:
        source: an .xlsx file.
        chosen: given the names of the sheets, says which; it may raise CorpusError.
        columns: headings that must be there.

    Raises:
        CorpusError: the file is no workbook, is far too large, or has no such sheet or columns.
    """
    if not openpyxl.DEFUSEDXML:
        raise CorpusError(
            f"{source}: not read without defusedxml; install it: pip install defusedxml"
        )
    _demand_modest(source)
    try:
        with (
            # A file that openpyxl opens by itself stays open where it fails.
            source.open("rb") as stream,
            closing(openpyxl.load_workbook(stream, read_only=True, data_only=True)) as book,
        ):
            sheet = book[chosen(book.sheetnames)]
            # The size that a sheet declares may be wrong, in either direction.
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
        # What openpyxl, its XML reader and zlib raise on damage is more than they document.
        told = " ".join(str(error).split())[:200]
        raise CorpusError(f"{source}: not a readable workbook: {told}") from error
    return _rows(source, title, rows, columns)


def _demand_modest(source: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except OSError as error:
        raise CorpusError(f"{source}: {error.strerror}") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CorpusError(f"{source}: not a workbook (.xlsx)") from error
    if size > LARGEST_UNPACKED:
        raise CorpusError(
            f"{source}: unpacks to {size} bytes, more than the {LARGEST_UNPACKED} that are read"
        )


def _rows(source: Path, title: str, rows: list[list[str]], columns: Sequence[str]) -> list[CsvRow]:
    heading = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in columns if name not in heading]
    if missing:
        raise CorpusError(f"{source}, sheet {title}: no column named {', '.join(missing)}")
    if len(rows) > MOST_ROWS:
        raise CorpusError(f"{source}, sheet {title}: more than {MOST_ROWS} rows")
    found = [
        CsvRow(
            source,
            line,
            dict(zip(heading, cells + [""] * (len(heading) - len(cells)), strict=False)),
        )
        for line, cells in enumerate(rows[1:], start=2)
        if any(cells)
    ]
    if not found:
        raise CorpusError(f"{source}, sheet {title}: no ratings below the heading")
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    # A number that was typed as one: 910, not 910.0.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
