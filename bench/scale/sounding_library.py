"""Makes a library of very many real short sounds, with our tags, that a catalogue knows.

A few sounds are analysed and tagged by the real command. Each other file is one of them with
another last sample, which makes it another sound, and gets the same values: writing a hundred
thousand files takes minutes, analysing them would take hours. The copies have no undo records.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

from daemon.pipeline.recognition import look_of
from storage.schema.file_stamps import FileStamp
from tests.catalogue_rows import CLIPS
from tests.sounds import music_like, write_audio
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.driving import Valenced

ANALYSED: Final = 50
FILES_PER_FOLDER: Final = 8
FOLDERS_PER_ARTIST: Final = 12
DURATION_S: Final = 0.5
RATE_HZ: Final = 8000

_FIRST = f"SELECT path, sound_id, id FROM {CLIPS} ORDER BY path"
_COPIED: Final = {
    "hearings": "sound_id, settings, heard_at, vector",
    "predictions": "sound_id, bundle, arousal, arousal_low, arousal_high, valence, valence_low,"
    " valence_high, novelty, kind, kind_probability, analysed_at, duration_ms, curve",
}
_CLIP = """
INSERT INTO clips (directory_id, name, sound_id, size, mtime_ns, inode, ctime_ns, sample,
    found_at, tag_state, tagged_arousal, tagged_valence, tagged_bundle, tag_tries, attributes)
SELECT ?, ?, ?, ?, ?, ?, ?, ?,
    found_at, tag_state, tagged_arousal, tagged_valence, tagged_bundle, tag_tries, attributes
FROM clips WHERE id = ?
"""


class MadeFile(NamedTuple):
    """A file, the hash of its audio, its stamp, and the hash of some pieces of its bytes."""

    path: Path
    identity: str
    stamp: FileStamp
    sample: str


class _Analysed(NamedTuple):
    """A sound that the real command has analysed, with its numbers in the catalogue."""

    content: bytes
    last_sample: int
    sound: int
    clip: int


def make(library: Path, valenced: Valenced, files: int) -> list[MadeFile]:
    """Make a library and its catalogue; return its files.

    Args:
        library: a folder that does not exist.
        valenced: an installation without a catalogue.
        files: how many to make; at least `ANALYSED`.
    """
    first = library / "first"
    first.mkdir(parents=True)
    for number in range(ANALYSED):
        sound = music_like(DURATION_S, RATE_HZ, seed=number)
        write_audio(first / f"{number}.wav", sound, RATE_HZ)
    valenced("scan", library)
    with closing(sqlite3.connect(valenced.catalogue, isolation_level=None)) as plain:
        plain.execute("PRAGMA synchronous = OFF")
        plain.execute("BEGIN")
        made = list(_known(plain, library, files - ANALYSED))
        plain.execute("COMMIT")
    return [*map(_described, first.iterdir()), *made]


def _known(plain: sqlite3.Connection, library: Path, files: int) -> Iterator[MadeFile]:
    """Write files and their rows."""
    analysed = []
    for path, sound, clip in plain.execute(_FIRST).fetchall():
        with open(path, "rb") as file:  # noqa: PTH123 - as the catalogue names it
            content = file.read()
        start = content.index(b"data") + 8
        size = int.from_bytes(content[start - 4 : start], "little")
        analysed.append(_Analysed(content, start + size - 4, sound, clip))
    for start in range(0, files, FILES_PER_FOLDER):
        number = start // FILES_PER_FOLDER
        artist, album = divmod(number, FOLDERS_PER_ARTIST)
        folder = library / f"artist {artist}" / f"album {album}"
        folder.mkdir(parents=True)
        row = plain.execute("INSERT INTO directories (path) VALUES (?)", (f"{folder}/",))
        for at in range(start, min(start + FILES_PER_FOLDER, files)):
            one = analysed[at % len(analysed)]
            made = _written(folder / f"{at}.wav", one, at)
            _add(plain, made, one, row.lastrowid)
            yield made


def _written(path: Path, one: _Analysed, number: int) -> MadeFile:
    content = bytearray(one.content)
    content[one.last_sample : one.last_sample + 4] = number.to_bytes(4, "little")
    path.write_bytes(content)
    return _described(path)


def _described(path: Path) -> MadeFile:
    with path.open("rb") as file:
        look = look_of(file.fileno())
        assert look is not None
        stamp = FileStamp.of(os.fstat(file.fileno()))
    return MadeFile(path, identify(path), stamp, look.sample)


def _add(plain: sqlite3.Connection, made: MadeFile, one: _Analysed, directory: int | None) -> None:
    inserted = plain.execute("INSERT INTO identities (identity) VALUES (?)", (made.identity,))
    for table, columns in _COPIED.items():
        others = columns.removeprefix("sound_id, ")
        plain.execute(
            f"INSERT INTO {table} ({columns}) SELECT ?, {others} FROM {table} WHERE sound_id = ?",
            (inserted.lastrowid, one.sound),
        )
    stamp = made.stamp
    numbers = stamp.size, stamp.mtime_ns, stamp.inode, stamp.ctime_ns, bytes.fromhex(made.sample)
    plain.execute(_CLIP, (directory, made.path.name, inserted.lastrowid, *numbers, one.clip))
