"""Reads annotation tables (CSV): sound, arousal, valence, scale, annotator."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from trainer.corpora.tables.bounded_csv import CsvRecords, NotATable
from trainer.rating_scale import AFFECT_SCALE, RatingScale, number_in, scale_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from trainer.corpora.tables.bounded_csv import CsvRecord

LONGEST_ANNOTATOR: Final = 200

_DELIMITERS: Final = ",;\t"
_SOUND: Final = ("path", "file", "name")
_ANNOTATOR: Final = ("annotator", "rater")
_VALUES: Final = ("arousal", "valence")
_UTF_16: Final = ("\udcff\udcfe", "\udcfe\udcff")
"""How a mark of that encoding looks in UTF-8, undecodable bytes kept."""

_EXAMPLE: Final = "path,arousal,valence"


@dataclass(frozen=True)
class AnnotationTable:
    """A table of annotations before it is read.

    Attributes:
        source: its name.
        stream: its bytes, read once; with `may_repeat` twice, so it must be a file.
        scale: of the values in rows without one.
        annotator: of rows without one.
        may_name_annotators: whether a column says whose each row is; False ignores it.
        may_repeat: whether it may be read again after a crash, and must count once.
        stopped: whether to give up.
    """

    source: str
    stream: BinaryIO
    scale: RatingScale = AFFECT_SCALE
    annotator: str = ""
    may_name_annotators: bool = True
    may_repeat: bool = False
    stopped: Callable[[], bool] = lambda: False


class AnnotationLine(NamedTuple):
    """A valid row of a table: the sound as it is named there, and values in [-1, 1]."""

    number: int
    sound: str
    annotator: str
    arousal: float | None
    valence: float | None


class WrongLine(NamedTuple):
    """A row that cannot be used, and why; number 0 is the table as a whole."""

    number: int
    problem: str


def annotation_lines(table: AnnotationTable) -> Iterator[AnnotationLine | WrongLine]:
    """Yield the rows of a table of annotations, read one by one.

    It is CSV in UTF-8, separated by commas, semicolons or tabs, with a heading: `path`, `file` or
    `name` (an absolute path, or the end of one that is unique), `arousal` and `valence` (one of
    which may be missing, or empty in a line), and optionally `annotator` and `scale` (such as
    `1:9`). Other columns are ignored.

    Raises:
        NotATable: nothing further can be read.
    """
    # A path may hold any bytes.
    text = io.TextIOWrapper(table.stream, "utf-8-sig", "surrogateescape", newline="")
    try:
        records = CsvRecords(text, _DELIMITERS)
        rows = iter(records)
        heading = _heading(next(rows, None))
        is_empty = True
        for row in rows:
            is_empty = False
            yield _checked(row, heading, table, decimal_comma=records.delimiter != ",")
        if is_empty:
            raise NotATable("no line below the heading")
    finally:
        # It would close the stream, which is the caller's.
        text.detach()


def _heading(row: CsvRecord | None) -> list[str]:
    heading = [cell.strip().lower() for cell in row.cells] if row else []
    if "".join(heading).startswith(_UTF_16):
        raise NotATable('it is UTF-16 ("Unicode text"); save it as CSV in UTF-8')
    if not set(_SOUND) & set(heading) or not set(_VALUES) & set(heading):
        raise NotATable(f"line 1: a heading such as {_EXAMPLE} is needed")
    if len(set(heading)) < len(heading):
        raise NotATable("line 1: two columns have the same name")
    return heading


def _checked(
    row: CsvRecord, heading: Sequence[str], table: AnnotationTable, *, decimal_comma: bool
) -> AnnotationLine | WrongLine:
    if len(row.cells) != len(heading):
        return WrongLine(row.line, f"{len(row.cells)} cells, not {len(heading)}")
    cells = dict(zip(heading, row.cells, strict=True))
    if decimal_comma:
        cells |= {name: cells[name].replace(",", ".") for name in _VALUES if name in cells}
    try:
        return _line(row.line, cells, table)
    except ValueError as error:
        return WrongLine(row.line, str(error))


def _line(number: int, cells: Mapping[str, str], table: AnnotationTable) -> AnnotationLine:
    sound = next((cells[name] for name in _SOUND if cells.get(name)), "")
    if not sound or "\0" in sound:
        raise ValueError("names no sound")
    declared = cells.get("scale", "").strip()
    try:
        scale = scale_of(declared) if declared else table.scale
    except ValueError:
        raise ValueError(f"scale {declared!r}: LOW:HIGH is accepted, such as 1:9") from None
    arousal, valence = (_value(cells.get(name, ""), name, scale) for name in _VALUES)
    if arousal is None and valence is None:
        raise ValueError("neither arousal nor valence is given")
    annotator = table.annotator
    if table.may_name_annotators:
        given = (cells[name].strip() for name in _ANNOTATOR if cells.get(name, "").strip())
        annotator = checked_annotator(next(given, annotator))
    return AnnotationLine(number, sound, annotator, arousal, valence)


def checked_annotator(name: str) -> str:
    """Return the name of an annotator.

    Raises:
        ValueError: it is too long, or no text that can be shown.
    """
    if len(name) > LONGEST_ANNOTATOR:
        raise ValueError(f"an annotator's name has at most {LONGEST_ANNOTATOR} characters")
    if not name.isprintable():
        raise ValueError(f"annotator {name!r}: control characters and bytes are not accepted")
    return name


def _value(text: str, name: str, scale: RatingScale) -> float | None:
    if not text.strip():
        return None
    try:
        value = number_in(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is not a number") from None
    if not scale.low <= value <= scale.high:
        raise ValueError(
            f"{name} {text.strip()} is not on the scale {scale}; set it in a column scale"
        )
    return scale.affect(value)
