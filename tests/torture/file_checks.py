"""What must be true of the folders and the catalogue once everything has settled."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.tagging import api
from tests.torture.file_activity import title_of
from tests.torture.observed_service import temporaries
from trainer.audio.fingerprint import identify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.torture.file_activity import Truth

_ROWS = """
SELECT sounds.path, identity, arousal, valence, sounds.tag_state
FROM sounds JOIN clips USING (path)
"""


class Row(NamedTuple):
    """A file in the view `sounds`, with its identity."""

    path: Path
    identity: str
    arousal: float
    valence: float
    tag_state: str


def faults(catalogue: Path, folders: Sequence[Path], truths: Mapping[Path, Truth]) -> Iterator[str]:
    """Yield whatever is not as it must be, in a line each."""
    with closing(sqlite3.connect(catalogue)) as opened:
        opened.text_factory = os.fsdecode
        rows = [Row(Path(path), *rest) for path, *rest in opened.execute(_ROWS)]
        failures = {Path(path): reason for path, reason in opened.execute(_FAILURES)}
        yield from _unsound(opened)
    yield from _misplaced(folders, truths)
    yield from _uncounted(rows, failures, truths)
    for row in rows:
        truth = truths.get(row.path)
        if truth is not None and truth.identity is not None and row.path.exists():
            yield from _wrong(row, truth)


_FAILURES = "SELECT path, reason FROM failures"


def _unsound(catalogue: sqlite3.Connection) -> Iterator[str]:
    answer: list[tuple[Any, ...]] = catalogue.execute("PRAGMA integrity_check").fetchall()
    if answer != [("ok",)]:
        yield f"integrity_check: {answer}"
    for row in catalogue.execute("PRAGMA foreign_key_check"):
        yield f"foreign_key_check: {row}"
    for path, state in catalogue.execute("SELECT path, state FROM queue WHERE reason IS NULL"):
        yield f"{path}: still in the queue ({state})"


def _misplaced(folders: Sequence[Path], truths: Mapping[Path, Truth]) -> Iterator[str]:
    there = {
        Path(base, name) for top in folders for base, _, names in os.walk(top) for name in names
    }
    for path in sorted(there - set(truths)):
        yield f"{path}: nobody has left it there"
    for path in sorted(set(truths) - there):
        yield f"{path}: it is gone, though nobody took it away"
    for folder in folders:
        for path in temporaries(folder):
            yield f"{path}: a temporary file is left"


def _uncounted(
    rows: Sequence[Row], failures: Mapping[Path, str], truths: Mapping[Path, Truth]
) -> Iterator[str]:
    good = {path for path, truth in truths.items() if truth.identity}
    known = {row.path for row in rows}
    if len(known) < len(rows):
        yield f"{len(rows) - len(known)} files are more than once in the view"
    for path in sorted(good - known):
        yield f"{path}: missed ({failures.get(path, 'no reason given')})"
    for path in sorted(known - good):
        yield f"{path}: in the view, and should not be"
    for path in sorted(set(failures) ^ (set(truths) - good)):
        yield f"{path}: a failure and no letter, or a letter and no failure"


def _wrong(row: Row, truth: Truth) -> Iterator[str]:
    if identify(row.path, whole=True) != truth.identity:
        yield f"{row.path}: its audio is not what was put there"
    if identify(row.path) != row.identity:
        yield f"{row.path}: the catalogue takes it for another sound"
    if title_of(row.path) != truth.title:
        yield f"{row.path}: the title is {title_of(row.path)!r}, not {truth.title!r}"
    if row.tag_state != "written":
        yield f"{row.path}: tags {row.tag_state}"
        return
    tags = api.read(row.path)
    for key, value in (("MOOD_AROUSAL", row.arousal), ("MOOD_VALENCE", row.valence)):
        if tags.get(key) != [str(round(value * 100))]:
            yield f"{row.path}: {key} is {tags.get(key)}, the catalogue says {value}"
