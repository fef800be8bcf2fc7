"""Checks of the folders and the catalogue once all work is done."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from storage.schema.file_stamps import FileStamp
from tests.catalogue_rows import CLIPS
from tests.daemon.tagging.readers import read
from tests.torture.file_activity import title_of
from tests.torture.observed_service import temporaries
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from tests.torture.file_activity import ExpectedFile

# Joined here: no index serves paths, which both put together from folder and name.
_SOUNDS = "SELECT path, arousal, valence, tag_state FROM sounds"
_IDENTITIES = f"SELECT path, identity FROM {CLIPS}"


class Row(NamedTuple):
    """A file in the view `sounds`, with its identity."""

    path: Path
    identity: str
    arousal: float
    valence: float
    tag_state: str


def file_faults(
    catalogue: Path,
    folders: Sequence[Path],
    expected: Mapping[Path, ExpectedFile],
    untouched: Mapping[Path, FileStamp] = MappingProxyType({}),
) -> Iterator[str]:
    """Yield each broken promise in a line.

    Args:
        catalogue: its file.
        folders: the watched ones.
        expected: what each file must hold.
        untouched: the stamps of files that nobody has changed, which are not read then.
    """
    with closing(sqlite3.connect(catalogue)) as opened:
        opened.text_factory = os.fsdecode
        identities: dict[str, str] = dict(opened.execute(_IDENTITIES).fetchall())
        rows = [
            Row(Path(path), identities[path], *rest)
            for path, *rest in opened.execute(_SOUNDS).fetchall()
        ]
        failures = {Path(path): reason for path, reason in opened.execute(_FAILURES)}
        yield from _catalogue_faults(opened)
        noted = {Path(path).with_name(name) for name, path in opened.execute(_KEPT)}
    yield from _wrong_folders(folders, expected, noted)
    yield from _wrong_rows(rows, failures, expected)
    for row in rows:
        file = expected.get(row.path)
        if file is None or file.identity is None or not row.path.exists():
            continue
        if row.path in untouched:
            yield from _wrong_stamp(row, file, untouched[row.path])
        else:
            yield from _wrong_file(row, file)


_FAILURES = "SELECT path, reason FROM failures"

_KEPT = "SELECT rescue, path FROM begun_writes WHERE trouble LIKE 'it is gone since %'"
"""Originals of files that somebody deleted or moved between a kill and the next start."""


def _catalogue_faults(catalogue: sqlite3.Connection) -> Iterator[str]:
    answer: list[tuple[Any, ...]] = catalogue.execute("PRAGMA integrity_check").fetchall()
    if answer != [("ok",)]:
        yield f"integrity_check: {answer}"
    for row in catalogue.execute("PRAGMA foreign_key_check"):
        yield f"foreign_key_check: {row}"
    for path, state in catalogue.execute("SELECT path, state FROM queue WHERE reason IS NULL"):
        yield f"{path}: still in the queue ({state})"


def _wrong_folders(
    folders: Sequence[Path], expected: Mapping[Path, ExpectedFile], noted: AbstractSet[Path]
) -> Iterator[str]:
    existing = {
        Path(base, name) for top in folders for base, _, names in os.walk(top) for name in names
    }
    for path in sorted(existing - set(expected) - noted):
        yield f"{path}: nobody wrote it"
    for path in sorted(set(expected) - existing):
        yield f"{path}: it is gone, though nobody deleted it"
    for folder in folders:
        for path in set(temporaries(folder)) - noted:
            yield f"{path}: a temporary file is left"


def _wrong_rows(
    rows: Sequence[Row], failures: Mapping[Path, str], expected: Mapping[Path, ExpectedFile]
) -> Iterator[str]:
    good = {path for path, file in expected.items() if file.identity}
    known = {row.path for row in rows}
    if len(known) < len(rows):
        yield f"{len(rows) - len(known)} files are more than once in the view"
    for path in sorted(good - known):
        yield f"{path}: missed ({failures.get(path, 'no reason given')})"
    for path in sorted(known - good):
        yield f"{path}: in the view, and should not be"
    for path in sorted(set(failures) ^ (set(expected) - good)):
        yield f"{path}: a failure of a sound, or no failure of what is none"


def _wrong_stamp(row: Row, file: ExpectedFile, stamp: FileStamp) -> Iterator[str]:
    if FileStamp.of(row.path.stat()) != stamp:
        yield f"{row.path}: written to, though nobody had changed it"
    if (row.identity, row.tag_state) != (file.identity, "written"):
        yield f"{row.path}: recorded anew, though nobody had changed it"


def _wrong_file(row: Row, file: ExpectedFile) -> Iterator[str]:
    if identify(row.path, every_packet=True) != file.identity:
        yield f"{row.path}: its audio is not what was written there"
    if identify(row.path) != row.identity:
        yield f"{row.path}: the catalogue has it as another sound"
    if title_of(row.path) != file.title:
        yield f"{row.path}: the title is {title_of(row.path)!r}, not {file.title!r}"
    if row.tag_state != "written":
        yield f"{row.path}: tags {row.tag_state}"
        return
    tags = read(row.path)
    for key, value in (("MOOD_AROUSAL", row.arousal), ("MOOD_VALENCE", row.valence)):
        if tags.get(key) != [str(round(value * 100))]:
            yield f"{row.path}: {key} is {tags.get(key)}, the catalogue says {value}"
