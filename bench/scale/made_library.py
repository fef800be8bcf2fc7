"""Makes a library of many invented files, and a catalogue that knows all of them.

    python -m bench.scale.made_library DIR [--sounds 1000000] [--catalogue FILE]

`DIR/library` has tens of thousands of folders; its files are empty of bytes, but not of size: they
are sparse. `DIR/state/catalogue.db` has a clip with the stamp of each. It is made by
`bench.search.made_catalogue`, or is a copy of one that it has made.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bench.search import made_catalogue
from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileStamp

SIZE = 4_000_000
_STAMP = "UPDATE clips SET size = ?, mtime_ns = ?, inode = ?, ctime_ns = ? WHERE id = ?"


def make(folder: Path, sounds: int, catalogue: Path | None) -> None:
    """Makes both; files of an earlier attempt are used again."""
    state = folder / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = state / "catalogue.db"
    if catalogue is None:
        made_catalogue.make(file, sounds, seed=1)
    else:
        shutil.copy(catalogue, file)
    Catalogue(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file, isolation_level=None)) as plain:
        plain.execute("PRAGMA synchronous = OFF")
        plain.execute("PRAGMA cache_size = -400000")
        plain.execute("BEGIN")
        plain.execute("DELETE FROM queue")
        plain.execute("UPDATE clips SET missing_since = NULL WHERE missing_since IS NOT NULL")
        # Filled anew, an index costs a tenth of what each change of it would.
        plain.execute("DROP INDEX clips_by_inode")
        plain.execute(
            "UPDATE directories SET path = ? || substr(path, 13)", (str(folder / "library"),)
        )
        for number, directory in plain.execute("SELECT id, path FROM directories").fetchall():
            named = plain.execute("SELECT id, name FROM clips WHERE directory_id = ?", (number,))
            Path(directory).mkdir(parents=True, exist_ok=True)
            stamps = [(*_written(directory + name), clip) for clip, name in named.fetchall()]
            plain.executemany(_STAMP, stamps)
        plain.execute("CREATE INDEX clips_by_inode ON clips (inode)")
        plain.execute("COMMIT")
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _written(path: str) -> tuple[int, int, int, int | None]:
    try:
        stamp = FileStamp.of(os.stat(path))  # noqa: PTH116 - a million path objects cost more
    except FileNotFoundError:
        with open(path, "xb") as file:  # noqa: PTH123
            file.truncate(SIZE)
            stamp = FileStamp.of(os.fstat(file.fileno()))
    return stamp.size, stamp.mtime_ns, stamp.inode, stamp.ctime_ns


def main() -> None:
    """Makes a library."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sounds", type=int, default=1_000_000)
    parser.add_argument("--catalogue", type=Path, help="of as many sounds, to copy")
    chosen = parser.parse_args()
    make(chosen.folder.absolute(), chosen.sounds, chosen.catalogue)


if __name__ == "__main__":
    main()
