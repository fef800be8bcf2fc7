"""Reads tables of annotations: which sounds, what was heard in them, on which scale, by whom."""

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
_PERSON: Final = ("annotator", "rater")
_VALUES: Final = ("arousal", "valence")
_EXAMPLE: Final = "path,arousal,valence"


class AnnotationsRefused(ValencedError):
    """A table of annotations was refused whole; nothing of it was taken in.

    Args:
        source: the file, as it is to be called.
        problems: one line each, with line numbers.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        told = list(problems[:MOST_PROBLEMS])
        if len(problems) > len(told):
            told.append(f"and {len(problems) - len(told)} more like these")
        super().__init__("\n".join(printable(f"{source}: {problem}") for problem in told))


@dataclass(frozen=True)
class AnnotationTable:
    """A table of annotations as it came in.

    Attributes:
        source: what to call it.
        content: its bytes.
        scale: of its values, where it does not say so itself.
        annotator: who rated, where it does not say so itself.
        comes_twice: whether it may be read again after a crash, and must not count twice.
    """

    source: str
    content: bytes
    scale: RatingScale = AFFECT_SCALE
    annotator: str = ""
    comes_twice: bool = False

    @property
    def stem(self) -> str:
        """What the origins of its lines begin with."""
        return hashlib.sha256(self.content).hexdigest()[:32]


class _Line(NamedTuple):
    number: int
    sound: str
    annotator: str
    arousal: float | None
    valence: float | None


def annotations_in(table: AnnotationTable, known: AnnotationStore) -> list[GivenAnnotation]:
    """Read a table of annotations.

    It is CSV in UTF-8 with a heading: `path`, `file` or `name` (a whole path, or as much of its
    end as tells it from others), `arousal` and `valence` (either may be left out, or empty in a
    line), and where wanted `annotator` and `scale` (such as `1:9`). Commas, semicolons and tabs
    separate; other columns are left alone.

    Args:
        table: what to read.
        known: the sounds that can be meant.

    Raises:
        AnnotationsRefused: anything is wrong with any line; all are told.
    """
    if table.comes_twice and known.was_imported(table.stem):
        # Killed before it was put away. Its sounds may bear other names by now.
        return []
    problems: list[str] = []
    lines = list(_lines(table, problems))
    identities = _identities([line.sound for line in lines], known)
    given, seen = [], dict[tuple[str, str], int]()
    stem = table.stem
    for line in lines:
        found = identities[line.sound]
        if isinstance(found, str):
            earlier = seen.setdefault((found, line.annotator), line.number)
            if earlier == line.number:
                origin = f"{stem}:{line.number}" if table.comes_twice else None
                given.append(_given(line, found, table.source, origin))
            else:
                problems.append(f"line {line.number}: the same sound as in line {earlier}")
        else:
            problems.append(f"line {line.number}: {line.sound}: {found[0]}")
    if problems:
        raise AnnotationsRefused(table.source, problems)
    return given


def _given(line: _Line, identity: str, source: str, origin: str | None) -> GivenAnnotation:
    return GivenAnnotation(
        identity=identity,
        named=Path(line.sound),
        annotator=line.annotator,
        arousal=line.arousal,
        valence=line.valence,
        source=source,
        origin=origin,
    )


def _lines(table: AnnotationTable, problems: list[str]) -> Iterator[_Line]:
    """Yield what can be read, and note what cannot."""
    for number, cells in _rows(table):
        try:
            yield _line(number, cells, table)
        except ValueError as error:
            problems.append(f"line {number}: {error}")


def _rows(table: AnnotationTable) -> list[tuple[int, Mapping[str, str]]]:
    """Split a table into its lines, each with its number and the cells under their headings."""
    if len(table.content) > LARGEST_BYTES:
        raise AnnotationsRefused(table.source, [f"larger than {LARGEST_BYTES} bytes"])
    # A path may hold any bytes, so they are let through here as everywhere else.
    text = table.content.decode("utf-8-sig", "surrogateescape")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader if any(cells)]
    except csv.Error as error:
        problem = f"line {reader.line_num}: no CSV: {error}"
        raise AnnotationsRefused(table.source, [problem]) from error
    heading = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if not set(_SOUND) & set(heading) or not set(_VALUES) & set(heading):
        problem = f"line 1: a heading such as {_EXAMPLE} is needed"
        raise AnnotationsRefused(table.source, [problem])
    if len(set(heading)) < len(heading):
        raise AnnotationsRefused(table.source, ["line 1: two columns bear the same name"])
    wrong = [
        f"line {number}: {len(cells)} cells, not {len(heading)}"
        for number, cells in rows
        if len(cells) != len(heading)
    ]
    if wrong or len(rows) == 1:
        raise AnnotationsRefused(table.source, wrong or ["no line below the heading"])
    comma = delimiter != ","
    return [(n, _cells(heading, cells, decimal_comma=comma)) for n, cells in rows[1:]]


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
    person = next((cells[name].strip() for name in _PERSON if cells.get(name, "").strip()), "")
    return _Line(number, sound, person or table.annotator, arousal, valence)


def _value(text: str, name: str, scale: RatingScale) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is not a number") from None
    if not scale.low <= value <= scale.high:
        raise ValueError(
            f"{name} {text.strip()} is not on the scale {scale}; a column scale says which it is"
        )
    return scale.affect(value)


def _identities(names: Sequence[str], known: AnnotationStore) -> dict[str, str | tuple[str]]:
    """Find the sound that each name means: its identity, or in a tuple why there is none."""
    whole = {name: canonical_path(Path(name)) for name in names if name.startswith("/")}
    at = known.sounds_at(whole.values())
    ends = {name: Path(name) for name in names if name not in whole}
    named = known.sounds_named({end.name for end in ends.values()})
    found: dict[str, str | tuple[str]] = {
        name: at.get(path, ("not in the catalogue; hear it first",)) for name, path in whole.items()
    }
    for name, end in ends.items():
        parts = end.parts
        fitting = {
            identity for path, identity in named[end.name] if path.parts[-len(parts) :] == parts
        }
        if len(fitting) == 1:
            found[name] = fitting.pop()
        elif fitting:
            found[name] = (f"{len(fitting)} different sounds bear this name; give the whole path",)
        else:
            found[name] = ("no such file in the catalogue; hear it first",)
    return found
