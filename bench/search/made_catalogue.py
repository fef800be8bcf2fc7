"""Makes a catalogue of many invented sounds, to measure searches, sizes and migrations.

    python -m bench.search.made_catalogue DIR [--sounds 1000000] [--seed 1]

`DIR/catalogue.db` is written in the schema of 0.2.0 by its own migration scripts, and is then
opened, which migrates it to the newest schema. Printed are the seconds of both. The sounds are
those of one large library: music by artist and album, voices, and effects by category, in tens of
thousands of folders; of every kind, format and duration, with intervals, novelty and a course over
time. Some files share a sound, some are missing, some failed; most have tags, some have undo
records, and some sounds are annotated. The feature vectors are empty.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bench.search.made_names import folders, names_in
from storage.catalogue import Catalogue
from storage.database.migrate import apply, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

SCHEMA: Final = 11
BATCH: Final = 20_000
SOUNDS_IN_A_FOLDER: Final = 25
WINDOWS: Final = 4
BUNDLE: Final = "starter-6"
SETTINGS: Final = "ComParE_2016+harmony+level/12800Hz/4x4s/2"
KINDS: Final = ("music", "voice", "sound")
_TIME: Final = "2024-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:03d}Z"

_FILES_OF_COPIES, _MISSING, _WITHOUT_TAGS, _WITH_UNDO = 0.05, 0.01, 0.1, 0.02
_FAILED, _ANNOTATED = 0.003, 0.001

_INSERT: Final = {
    "clips": "INSERT INTO clips (path, identity, size, mtime_ns, inode, found_at, missing_since,"
    " tag_state, tag_reason, tagged_arousal, tagged_valence, tagged_bundle, ctime_ns, attributes,"
    " sample) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "hearings": "INSERT INTO hearings VALUES (?,?,?,?,x'')",
    "predictions": "INSERT INTO predictions VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    "curve_points": "INSERT INTO curve_points VALUES (?,?,?,?)",
    "tag_journal": "INSERT INTO tag_journal (clip_id, identity, written_at, before, size)"
    " SELECT id, identity, found_at, ?, size FROM clips WHERE path = ?",
    "queue": "INSERT INTO queue (path, size, mtime_ns, inode, state, attempts, queued_at, due_at,"
    " reason) VALUES (?, 4096, 1, 1, 'given up', 6, ?, ?, 'no sound in it')",
    "given_annotations": "INSERT INTO given_annotations (identity, named, annotator, arousal,"
    " valence, made_at, source) VALUES (?, ?, ?, ?, ?, ?, 'command')",
}


def make(file: Path, sounds: int, seed: int) -> None:
    """Write a catalogue of schema 11; `file` must not exist."""
    rng = np.random.default_rng(seed)
    with closing(sqlite3.connect(file, isolation_level=None)) as plain:
        plain.execute("PRAGMA auto_vacuum = INCREMENTAL")
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute("PRAGMA synchronous = OFF")
        plain.execute("PRAGMA cache_size = -400000")
        plain.execute("BEGIN")
        apply(plain, schemas()[:SCHEMA], 0)
        plain.execute("INSERT INTO known_bundles VALUES (?, ?, '{}', 1)", (BUNDLE, _moment(0)))
        for rows in _batches(rng, sounds):
            for table, statement in _INSERT.items():
                plain.executemany(statement, rows[table])
        plain.execute("COMMIT")
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches(rng: Generator, sounds: int) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    places = folders(rng, sounds // SOUNDS_IN_A_FOLDER + 1)
    done = 0
    while done < sounds:
        count = min(BATCH, sounds - done)
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _INSERT}
        for start in range(0, count, SOUNDS_IN_A_FOLDER):
            number = done + start
            few = min(SOUNDS_IN_A_FOLDER, count - start)
            _fill(rows, rng, places[number // SOUNDS_IN_A_FOLDER], number, few)
        yield rows
        done += count


def _fill(
    rows: dict[str, list[tuple[Any, ...]]],
    rng: Generator,
    place: tuple[str, str],
    number: int,
    count: int,
) -> None:
    """Add the sounds of one folder."""
    folder, kind = place
    affect = _affect(rng, kind, count)
    chances = rng.random((count, 8)).tolist()
    lows = np.clip(affect - 0.28 + rng.random((count, 2)) / 8, -1, 1).tolist()
    highs = np.clip(affect + 0.31, -1, 1).tolist()
    novelties = rng.gamma(6.0, 0.09, count).tolist()
    durations_s = np.clip(rng.lognormal(*_LENGTHS[kind], count), 0.2, 40_000).tolist()
    wander = rng.normal(0, 0.12, (count, WINDOWS, 2))
    courses = np.clip(affect[:, None, :] + wander, -1, 1).tolist()
    identities = rng.bytes(16 * count).hex()
    stamps = _stamps(rng, 2 * count)
    for at, name in enumerate(names_in(rng, kind, count)):
        path, identity = f"{folder}/{name}", identities[32 * at : 32 * at + 32]
        own, lucky = affect[at].tolist(), chances[at]
        moment, duration_s = _moment(number + at), durations_s[at]
        numbers = [value for place in zip(own, lows[at], highs[at], strict=True) for value in place]
        rows["hearings"].append((identity, SETTINGS, duration_s, moment))
        rows["predictions"].append(
            (identity, BUNDLE, *numbers, novelties[at], moment, kind, 0.6 + 0.4 * lucky[2])
        )
        parts = WINDOWS if duration_s > 4 * WINDOWS else 1 + int(duration_s // 4)
        for part, point in enumerate(courses[at][:parts]):
            rows["curve_points"].append((identity, part * duration_s / parts, *point))
        _add_file(rows, path, identity, next(stamps), moment, own, lucky)
        if lucky[3] < _FILES_OF_COPIES:
            copy = f"/srv/library/to sort/{folder.rpartition('/')[2]}/{name}"
            _add_file(rows, copy, identity, next(stamps), moment, own, lucky[::-1])
        if lucky[6] < _FAILED:
            rows["queue"].append((f"{path}.part.wav", moment, moment))
        if lucky[7] < _ANNOTATED:
            for person in ("ann", "ben")[: 1 + (lucky[0] < 0.5)]:
                felt = np.clip(affect[at] + rng.normal(0, 0.2, 2), -1, 1).tolist()
                rows["given_annotations"].append((identity, path, person, *felt, moment))


_CENTRES: Final = {"music": (0.05, 0.15), "voice": (0.2, -0.1), "sound": (0.0, -0.25)}
_LENGTHS: Final = {"music": (5.4, 0.4), "voice": (3.0, 1.2), "sound": (1.8, 1.3)}


def _affect(rng: Generator, kind: str, count: int) -> Any:
    """Return arousal and valence, shape (count, 2): sounds of one folder are alike."""
    middle = rng.normal(_CENTRES[kind], 0.22)
    return np.clip(rng.normal(middle, 0.18, (count, 2)), -1, 1)


def _stamps(rng: Generator, count: int) -> Iterator[tuple[int, int, int, str]]:
    """Yield size, modification time in ns, inode and sample of as many files."""
    sizes = rng.integers(40_000, 40_000_000, count).tolist()
    times = (1_500_000_000_000_000_000 + rng.integers(0, 1 << 57, count)).tolist()
    inodes = rng.integers(1 << 20, 1 << 27, count).tolist()
    samples = rng.bytes(16 * count).hex()
    starts = range(0, 32 * count, 32)
    return zip(sizes, times, inodes, (samples[at : at + 32] for at in starts), strict=True)


def _add_file(
    rows: dict[str, list[tuple[Any, ...]]],
    path: str,
    identity: str,
    stamp: tuple[int, int, int, str],
    moment: str,
    affect: list[float],
    chances: list[float],
) -> None:
    size, mtime_ns, inode, sample = stamp
    missing = moment if chances[4] < _MISSING else None
    tags: tuple[Any, ...] = ("off", None, None, None, None)
    if chances[5] >= _WITHOUT_TAGS:
        tags = ("written", None, *(round(100 * value) for value in affect), BUNDLE)
        if chances[5] < _WITHOUT_TAGS + _WITH_UNDO:
            rows["tag_journal"].append((_UNDO, path))
    times = (mtime_ns, inode, moment, missing)
    look = (mtime_ns + 5_000_000_123, "100644 1000:1000 1", sample)
    rows["clips"].append((path, identity, size, *times, *tags, *look))


_UNDO: Final = json.dumps(
    {"format": 3, "kind": "mp3", "items": dict.fromkeys(("MOOD_AROUSAL", "MOOD_VALENCE"))}
    | {"block": True, "is_clean": True, "left": {"MOOD_AROUSAL": ["12"]}, "undo": "e" * 80}
    | {"size": 4_000_000, "digest": "886353b931d7334f7d96bec5d841b720", "is_whole": False}
)


def _moment(minute: int) -> str:
    """Return a moment of 2024; a million minutes are passed twice as fast."""
    hours, half = divmod(minute, 120)
    days, hour = divmod(hours, 24)
    month, day = divmod(days, 28)
    return _TIME.format(month % 12 + 1, day + 1, hour, half // 2, half % 2 * 30, minute % 1000)


def main() -> None:
    """Makes a catalogue, and migrates it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sounds", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--old", action="store_true", help="leave it in its old schema")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    file = chosen.folder / "catalogue.db"
    began_s = time.monotonic()
    make(file, chosen.sounds, chosen.seed)
    made_s = time.monotonic()
    print(f"made in {made_s - began_s:.0f} s, {file.stat().st_size / 1e6:.0f} MB")
    if not chosen.old:
        Catalogue(f"sqlite:///{file}").close()
        took_s = time.monotonic() - made_s
        print(f"migrated in {took_s:.0f} s, {file.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
