"""A restore that is killed before each single change that it makes to the disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.backup.restore_archive import exclusive_access, is_restore_interrupted
from daemon.service_errors import BackupError
from tests.daemon.backup.test_archive import everything, known
from tests.driving import Valenced
from trainer.bundles.bundle import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Python tells a hook of each call that changes something on the disk, before it is made.
KILLED = """
import os, shutil, signal, sys
from itertools import count
from pathlib import Path
from daemon.backup.restore_archive import restore

CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "open"}

def restore_until(left, state, archive):
    def hook(event, arguments):
        nonlocal left
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES and not reads and str(state) in os.fsdecode(str(arguments[0])):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    restore(f"sqlite:///{state / 'catalogue.db'}", state / "bundles", archive, "then")

stock, archive, folder = map(Path, sys.argv[1:])
for point in count():
    state = folder / f"{point}"
    shutil.copytree(stock, state, symlinks=True)
    child = os.fork()
    if not child:
        restore_until(point, state, archive)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        assert status == 0
        break
"""
OLD, NEW = (["/m/a.mp3", "/m/b.mp3"], True), (["/m/a.mp3"], False)


class Stock:
    """A state with its bundles, and copies of it in which a restore was killed.

    Args:
        folder: of its own.
    """

    def __init__(self, folder: Path) -> None:
        state, self.archive, self.empty = (folder / name for name in ("stock", "a.tar", "empty"))
        self.empty.mkdir()
        valenced = Valenced(state)
        valenced("scan", self.empty)
        known(valenced, "a.mp3")
        valenced("backup", self.archive)
        known(valenced, "b.mp3")
        (state / "bundles" / "learned-since").mkdir()
        (folder / "killed").mkdir()
        line: list[str | Path] = [
            sys.executable,
            "-c",
            KILLED,
            state,
            self.archive,
            folder / "killed",
        ]
        subprocess.run(line, check=True)
        names = sorted((folder / "killed").iterdir(), key=lambda path: int(path.name))
        self.killed = [Valenced(name) for name in names]

    def interrupted(self, folder: Path) -> Iterator[Valenced]:
        """Yield copies of those in which the catalogue came and the bundles did not."""
        for valenced in self.killed:
            if held(valenced) == (NEW[0], OLD[1]):
                copy = folder / valenced.catalogue.parent.name
                yield copied(valenced, copy)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    return Stock(tmp_path_factory.mktemp("restore"))


def copied(valenced: Valenced, state: Path) -> Valenced:
    """Copy a state as it is, files of two names included."""
    subprocess.run(["cp", "-a", valenced.catalogue.parent, state], check=True)
    return Valenced(state)


def held(valenced: Valenced) -> tuple[list[str], bool]:
    """Return what the catalogue holds, read as by anybody, and whether the bundles are the old."""
    with closing(sqlite3.connect(valenced.catalogue)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = plain.execute("SELECT path FROM sounds ORDER BY path").fetchall()
    bundles = valenced.catalogue.parent / "bundles"
    return [path for (path,) in rows], (bundles / "learned-since").exists()


def complete_restore(valenced: Valenced) -> None:
    state = valenced.catalogue.parent
    with exclusive_access(f"sqlite:///{valenced.catalogue}", state / "bundles"):
        pass


def test_a_kill_at_any_moment_leaves_the_old_state_or_the_restored(
    stock: Stock, tmp_path: Path
) -> None:
    outcomes = []
    for valenced in stock.killed:
        state = tmp_path / valenced.catalogue.parent.name
        found = copied(valenced, state)
        assert held(found)[0] in (OLD[0], NEW[0])
        complete_restore(found)
        outcomes.append(held(found))
        assert (state / "bundles" / "current").exists()
        assert not list(state.glob(".*"))
        assert found.catalogue.stat().st_nlink == 1
        before = everything(state)
        complete_restore(found)
        assert everything(state) == before
    first_new = outcomes.index(NEW)
    assert outcomes == [OLD] * first_new + [NEW] * (len(outcomes) - first_new)
    # The old bundles are moved, the new ones put there, the note is taken away.
    assert len(outcomes) - first_new > 3


def test_the_next_start_completes_an_interrupted_restore(stock: Stock, tmp_path: Path) -> None:
    valenced = next(stock.interrupted(tmp_path))
    assert is_restore_interrupted(f"sqlite:///{valenced.catalogue}")
    valenced("backup", tmp_path / "b.tar", exit_code=1)
    assert "a restore was interrupted" in valenced.stderr
    valenced("scan", stock.empty)
    assert held(valenced) == NEW
    assert (valenced.catalogue.parent / "bundles.before-then" / "learned-since").exists()
    assert valenced.read("status")["bundle"] == f"{SHIPPED.name}.refit-1"
    valenced("backup", tmp_path / "b.tar")


def test_the_next_restore_completes_an_interrupted_one_first(stock: Stock, tmp_path: Path) -> None:
    valenced = next(stock.interrupted(tmp_path))
    valenced("restore", stock.archive)
    assert held(valenced) == NEW
    assert len(list(valenced.catalogue.parent.glob("bundles.before-*"))) == 2


@pytest.mark.parametrize("note", [b"", b"{}", b"[" * 9999, b"\xff\x00", b'{"mark": []}'])
def test_an_invalid_journal_stops_the_start_and_changes_nothing(
    stock: Stock, tmp_path: Path, note: bytes
) -> None:
    valenced = next(stock.interrupted(tmp_path))
    state = valenced.catalogue.parent
    (state / ".catalogue.db.restoring").write_bytes(note)
    before = everything(state)
    with pytest.raises(BackupError, match="not the journal of an interrupted restore; remove it"):
        complete_restore(valenced)
    assert everything(state) == before
