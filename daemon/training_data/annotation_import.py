"""Imports annotation tables, each as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple
from unicodedata import normalize

from config.errors import ValencedError
from daemon.paths import canonical_path, printable
from daemon.training_data.annotation_csv import WrongLine, annotation_lines
from storage.annotations import GivenAnnotation
from trainer.corpora.tables.bounded_csv import LIMITS, NotATable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from daemon.training_data.annotation_csv import AnnotationLine, AnnotationTable
    from storage.annotation_staging import AnnotationStaging
    from storage.annotations import AnnotationStore

MOST_PROBLEMS: Final = 20
LONGEST_PROBLEM: Final = 300
MOST_ANNOTATORS: Final = 1000

# To find sounds by name, every path of the catalogue is read once for so many lines.
_BATCH: Final = 10_000


class ImportPostponed(Exception):
    """A table changed while it was read, or reading it was stopped; nothing was imported."""


class AnnotationsRefused(ValencedError):
    """A table of annotations was refused as a whole; nothing of it was imported.

    Args:
        source: name of the table.
        problems: the first of them.
        count: of all problems.
    """

    def __init__(self, source: str, problems: Sequence[WrongLine], count: int = 1) -> None:
        listed = [_told(wrong) for wrong in problems[:MOST_PROBLEMS]]
        if count > len(listed):
            listed.append(f"and {count - len(listed)} more like these")
        self._lines = tuple(printable(f"{source}: {problem}") for problem in listed)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each of the first problems."""
        return self._lines


class ImportedTable(NamedTuple):
    """How many annotations a table has, and how many of them were new."""

    given: int
    new: int


class _Problems:
    """The first problems of a table, and their number."""

    def __init__(self) -> None:
        self.first: list[WrongLine] = []
        self.count = 0

    def add(self, problem: WrongLine) -> None:
        """Count a problem, and keep it if it is one of the first."""
        self.count += 1
        if len(self.first) < MOST_PROBLEMS:
            self.first.append(problem)


def import_table(table: AnnotationTable, known: AnnotationStore, now: datetime) -> ImportedTable:
    """Import a table of annotations.

    It is read row by row, and kept on disk until the last row is read; then everything is added
    in one transaction.

    Args:
        table: what to read.
        known: finds the sounds, and takes the annotations.
        now: the time, aware of its zone.

    Raises:
        AnnotationsRefused: with the problems of its lines.
        ImportPostponed: it changed meanwhile, or reading it was stopped.
        CatalogueError: the catalogue cannot be read or written.
        OSError: the table cannot be read.
    """
    origin = _digest(table.stream) if table.may_repeat else None
    if origin is not None and known.was_imported(origin):
        # The process was killed before it moved the table; its sounds may be renamed by now.
        return ImportedTable(0, 0)
    before = os.fstat(table.stream.fileno()) if table.may_repeat else None
    with known.staging() as staging:
        given = _stage(table, known, staging)
        if before is not None and _changed(before, os.fstat(table.stream.fileno())):
            raise ImportPostponed
        return ImportedTable(given, staging.add(origin, now))


def _digest(stream: BinaryIO) -> str:
    """Return the start of the origin of a table's lines, and rewind the table."""
    digest, left = hashlib.sha256(), LIMITS.mebibytes + 1
    while left and (block := stream.read(1 << 20)):
        digest.update(block)
        left -= 1
    stream.seek(0)
    return digest.hexdigest()[:32]


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _stage(table: AnnotationTable, known: AnnotationStore, staging: AnnotationStaging) -> int:
    """Put the rows of a table aside, and return their number; raises as `import_table`."""
    problems, annotators, given = _Problems(), set[str](), 0
    lines = annotation_lines(table)
    while batch := _next_lines(table, lines):
        rows = list(_rows(batch, table.source, known, problems))
        annotators |= {row.annotator for _, row in rows}
        if len(annotators) > MOST_ANNOTATORS:
            wrong = WrongLine(0, f"more than {MOST_ANNOTATORS} annotators")
            raise AnnotationsRefused(table.source, [wrong])
        if rows:
            staging.put(rows)
        given += len(rows)
    count, repeated = staging.repeated(MOST_PROBLEMS)
    again = [WrongLine(line, f"same audio as in line {earlier}") for line, earlier in repeated]
    if problems.count + count:
        first = sorted(problems.first + again)
        raise AnnotationsRefused(table.source, first, problems.count + count)
    return given


def _next_lines(
    table: AnnotationTable, lines: Iterator[AnnotationLine | WrongLine]
) -> list[AnnotationLine | WrongLine]:
    if table.stopped():
        raise ImportPostponed
    try:
        return list(islice(lines, _BATCH))
    except NotATable as error:
        raise AnnotationsRefused(table.source, [WrongLine(0, str(error))]) from error


def _rows(
    batch: Sequence[AnnotationLine | WrongLine],
    source: str,
    known: AnnotationStore,
    problems: _Problems,
) -> Iterator[tuple[int, GivenAnnotation]]:
    """Yield the annotations of some lines by line number, and count the problems of the others."""
    named = {line.sound for line in batch if not isinstance(line, WrongLine)}
    identities = _identities(named, known)
    for line in batch:
        if isinstance(line, WrongLine):
            problems.add(line)
            continue
        identity, problem = identities[line.sound]
        if problem:
            problems.add(WrongLine(line.number, f"{line.sound}: {problem}"))
        else:
            yield line.number, GivenAnnotation(identity, Path(line.sound), *line[2:], source)


def _identities(names: set[str], known: AnnotationStore) -> dict[str, tuple[str, str]]:
    """Return identity and problem of the sound that each name means; one of the two is empty."""
    absolute = {name: canonical_path(Path(name)) for name in names if name.startswith("/")}
    by_path = known.sounds_at(absolute.values())
    found = {name: {by_path[path]} for name, path in absolute.items() if path in by_path}
    ends = {name: absolute.get(name, Path(name)) for name in names if name not in found}
    by_name = known.sounds_named({end.name for end in ends.values()}) if ends else {}
    for name, end in ends.items():
        candidates = by_name[end.name]
        exact = {identity for path, identity in candidates if _ends_in(path, end)}
        # Two files may differ in the Unicode form of their names alone.
        alike = {
            identity for path, identity in candidates if _ends_in(_composed(path), _composed(end))
        }
        found[name] = exact or alike
    return {name: _only(identities) for name, identities in found.items()}


def _ends_in(path: Path, end: Path) -> bool:
    return path.parts[-len(end.parts) :] == end.parts


def _composed(path: Path) -> Path:
    return Path(normalize("NFC", str(path)))


def _only(identities: set[str]) -> tuple[str, str]:
    if not identities:
        return "", "not in the catalogue; analyse it first: valenced scan"
    if len(identities) > 1:
        return "", f"{len(identities)} different sounds have this name; give the absolute path"
    return identities.pop(), ""


def _told(wrong: WrongLine) -> str:
    text = f"line {wrong.number}: {wrong.problem}" if wrong.number else wrong.problem
    return text if len(text) <= LONGEST_PROBLEM else f"{text[:LONGEST_PROBLEM]} …"
