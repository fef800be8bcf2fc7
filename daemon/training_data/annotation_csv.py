"""Reads annotation tables (CSV): sound, arousal, valence, scale, annotator."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from config.errors import ValencedError
from daemon.paths import canonical_path, printable
from storage.annotations import GivenAnnotation
from trainer.rating_scale import AFFECT_SCALE, RatingScale, scale_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from storage.annotations import AnnotationStore

LARGEST_BYTES: Final = 64 * 1024 * 1024
MOST_PROBLEMS: Final = 20

_DELIMITERS: Final = (",", ";", "\t")
_SOUND: Final = ("path", "file", "name")
_ANNOTATOR: Final = ("annotator", "rater")
_VALUES: Final = ("arousal", "valence")
_EXAMPLE: Final = "path,arousal,valence"


class AnnotationsRefused(ValencedError):
    """A table of annotations was refused as a whole; nothing of it was imported.

    Args:
        source: name of the table.
        problems: one line each, with line numbers.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        listed = list(problems[:MOST_PROBLEMS])
        if len(problems) > len(listed):
            listed.append(f"and {len(problems) - len(listed)} more like these")
        super().__init__("\n".join(printable(f"{source}: {problem}") for problem in listed))


@dataclass(frozen=True)
class AnnotationTable:
    """A table of annotations before it is parsed.

    Attributes:
        source: its name.
        content: its bytes.
        scale: of the values in rows without one.
        annotator: of rows without one.
        may_repeat: whether it may be read again after a crash, and must count once.
    """

    source: str
    content: bytes
    scale: RatingScale = AFFECT_SCALE
    annotator: str = ""
    may_repeat: bool = False

    @property
    def stem(self) -> str:
        """The start of its lines' origins."""
        return hashlib.sha256(self.content).hexdigest()[:32]


class _Line(NamedTuple):
    number: int
    sound: str
    annotator: str
    arousal: float | None
    valence: float | None


def annotations_in(table: AnnotationTable, known: AnnotationStore) -> list[GivenAnnotation]:
    """Read a table of annotations.

    It is CSV in UTF-8, separated by commas, semicolons or tabs, with a heading: `path`, `file` or
    `name` (an absolute path, or the end of one that is unique), `arousal` and `valence` (one of
    which may be missing, or empty in a line), and optionally `annotator` and `scale` (such as
    `1:9`). Other columns are ignored.

    Args:
        table: what to read.
        known: finds the sounds.

    Raises:
        AnnotationsRefused: with all problems of all lines.
    """
    if table.may_repeat and known.was_imported(table.stem):
        # The process was killed before it moved the table; its sounds may be renamed by now.
        return []
    problems: list[str] = []
    lines = list(_lines(table, problems))
    identities = _identities([line.sound for line in lines], known)
    given, seen = [], dict[tuple[str, str], int]()
    stem = table.stem
    for line in lines:
        identity, problem = identities[line.sound]
        earlier = seen.setdefault((identity, line.annotator), line.number)
        if problem:
            problems.append(f"line {line.number}: {line.sound}: {problem}")
        elif earlier != line.number:
            problems.append(f"line {line.number}: same audio as in line {earlier}")
        else:
            origin = f"{stem}:{line.number}" if table.may_repeat else None
            path = Path(line.sound)
            given.append(GivenAnnotation(identity, path, *line[2:], table.source, origin))
    if problems:
        raise AnnotationsRefused(table.source, problems)
    return given


def _lines(table: AnnotationTable, problems: list[str]) -> Iterator[_Line]:
    """Yield the valid lines, and append the problems of the others."""
    for number, cells in _rows(table):
        try:
            yield _line(number, cells, table)
        except ValueError as error:
            problems.append(f"line {number}: {error}")


def _rows(table: AnnotationTable) -> list[tuple[int, Mapping[str, str]]]:
    """Return the rows, each as its line number and the cells by their heading."""
    if len(table.content) > LARGEST_BYTES:
        raise AnnotationsRefused(table.source, [f"larger than {LARGEST_BYTES} bytes"])
    # A path may hold any bytes.
    text = table.content.decode("utf-8-sig", "surrogateescape")
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader if any(cells)]
    except csv.Error as error:
        problem = f"line {reader.line_num}: not CSV: {error}"
        raise AnnotationsRefused(table.source, [problem]) from error
    heading = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    problems = _problems_of_shape(heading, rows)
    if problems:
        raise AnnotationsRefused(table.source, problems)
    comma = delimiter != ","
    return [(number, _cells(heading, cells, decimal_comma=comma)) for number, cells in rows[1:]]


def _problems_of_shape(heading: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    if not set(_SOUND) & set(heading) or not set(_VALUES) & set(heading):
        return [f"line 1: a heading such as {_EXAMPLE} is needed"]
    if len(set(heading)) < len(heading):
        return ["line 1: two columns have the same name"]
    if len(rows) == 1:
        return ["no line below the heading"]
    return [
        f"line {number}: {len(cells)} cells, not {len(heading)}"
        for number, cells in rows
        if len(cells) != len(heading)
    ]


def _cells(heading: Sequence[str], cells: Sequence[str], *, decimal_comma: bool) -> dict[str, str]:
    row = dict(zip(heading, cells, strict=True))
    if decimal_comma:
        row |= {name: row[name].replace(",", ".") for name in _VALUES if name in row}
    return row


def _line(number: int, cells: Mapping[str, str], table: AnnotationTable) -> _Line:
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
    given = (cells[name].strip() for name in _ANNOTATOR if cells.get(name, "").strip())
    return _Line(number, sound, next(given, table.annotator), arousal, valence)


def _value(text: str, name: str, scale: RatingScale) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is not a number") from None
    if not scale.low <= value <= scale.high:
        raise ValueError(
            f"{name} {text.strip()} is not on the scale {scale}; set it in a column scale"
        )
    return scale.affect(value)


def _identities(names: Sequence[str], known: AnnotationStore) -> dict[str, tuple[str, str]]:
    """Return identity and problem of the sound that each name means; one of the two is empty."""
    absolute = {name: canonical_path(Path(name)) for name in names if name.startswith("/")}
    ends = {name: Path(name) for name in names if name not in absolute}
    by_path = known.sounds_at(absolute.values())
    by_name = known.sounds_named({end.name for end in ends.values()})
    found = {name: {by_path[path]} if path in by_path else set() for name, path in absolute.items()}
    for name, end in ends.items():
        found[name] = {
            identity
            for path, identity in by_name[end.name]
            if path.parts[-len(end.parts) :] == end.parts
        }
    return {name: _only(identities) for name, identities in found.items()}


def _only(identities: set[str]) -> tuple[str, str]:
    if not identities:
        return "", "not in the catalogue; analyse it first: valenced scan"
    if len(identities) > 1:
        return "", f"{len(identities)} different sounds have this name; give the absolute path"
    return identities.pop(), ""
