"""A kill between the exchange of a file with its copy and the removal of the original."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from daemon.tagging.api import WriteOptions, write
from daemon.tagging.disk.syscalls import DiskCalls
from daemon.tagging.recovery import clean_up
from daemon.tagging.rescue import problem_with
from tests.daemon.tagging.readers import PARSER, read
from tests.daemon.tagging.sounds import sound, sound_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from storage.begun_writes import BegunWrites

OTHER = b"what another program saved"


class Killed(BaseException):
    """The process ends here."""


class Dying(DiskCalls):
    """Ends at the exchange, after which no step is taken any more.

    Args:
        act: what another program does just before it.
        is_late: whether the exchange is still made.
    """

    def __init__(self, act: Callable[[], object], *, is_late: bool) -> None:
        self.act, self.is_late = act, is_late
        self.is_dead = False

    def exchange(self, folder: int, one: str, other: str) -> bool:
        if not self.is_dead:
            self.is_dead = True
            self.act()
            if self.is_late:
                super().exchange(folder, one, other)
        raise Killed

    def remove(self, folder: int, name: str) -> None:
        if self.is_dead:
            raise Killed
        super().remove(folder, name)


def saved(path: Path, content: bytes = OTHER) -> None:
    new = path.with_name("new")
    new.write_bytes(content)
    new.rename(path)


def killed(
    path: Path, affect: Items, begun: BegunWrites, *, is_saved: bool, is_late: bool = True
) -> Path:
    """Return the path of what the kill left under a temporary name."""
    disk = Dying(lambda: saved(path) if is_saved else None, is_late=is_late)
    with pytest.raises(Killed):
        write(path, affect, WriteOptions(PARSER, begun=begun, disk=disk))
    (note,) = begun.all()
    # What a kill leaves is no trouble until clean-up has looked at it.
    assert problem_with(note, is_running=False) is None
    assert note.rescue_path.exists()
    return note.rescue_path


def cleaned(folder: Path, begun: BegunWrites) -> list[str]:
    def no_hash(_: object) -> str:
        raise AssertionError("no sound needs to be read")

    return [found.outcome for found in clean_up([folder], begun, no_hash)]


@pytest.mark.parametrize("is_late", [True, False])
def test_where_nobody_else_was_at_work_the_copy_or_the_original_is_removed(
    tmp_path: Path, affect: Items, begun: BegunWrites, *, is_late: bool
) -> None:
    path = sound_file(tmp_path, "flac")
    killed(path, affect, begun, is_saved=False, is_late=is_late)
    assert cleaned(tmp_path, begun) == ["removed"]
    assert bool(read(path)) == is_late
    assert list(tmp_path.iterdir()) == [path]
    assert begun.all() == []


@pytest.mark.parametrize("is_late", [True, False])
def test_on_a_disk_with_other_inode_numbers_the_bytes_tell(
    tmp_path: Path, affect: Items, begun: BegunWrites, *, is_late: bool
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    path = sound_file(library, "mp3")
    killed(path, affect, begun, is_saved=False, is_late=is_late)
    shutil.move(shutil.copytree(library, tmp_path / "copied"), tmp_path / "new")
    shutil.rmtree(library)
    (tmp_path / "new").rename(library)
    assert cleaned(library, begun) == ["removed"]
    assert bool(read(path)) == is_late
    assert list(library.iterdir()) == [path]


def test_what_another_program_saved_is_put_back(
    tmp_path: Path, affect: Items, begun: BegunWrites
) -> None:
    path = sound_file(tmp_path, "mp3")
    killed(path, affect, begun, is_saved=True)
    (outcome,) = cleaned(tmp_path, begun)
    assert outcome.startswith(f"put back as {path.name}")
    assert path.read_bytes() == OTHER
    assert list(tmp_path.iterdir()) == [path]
    assert begun.all() == []


def test_what_is_appended_to_the_original_after_the_kill_is_put_back(
    tmp_path: Path, affect: Items, begun: BegunWrites
) -> None:
    path = sound_file(tmp_path, "mp3")
    left = killed(path, affect, begun, is_saved=False)
    with left.open("ab") as editor:
        editor.write(b"mo")
        editor.flush()
        (outcome,) = cleaned(tmp_path, begun)
        assert outcome.startswith("kept: a program has")
        editor.write(b"re")
    (outcome,) = cleaned(tmp_path, begun)
    assert outcome.startswith("put back")
    assert path.read_bytes() == sound("mp3") + b"more"
    assert begun.all() == []


@pytest.mark.parametrize("is_deleted", [True, False])
def test_of_two_that_were_saved_both_are_kept_and_status_says_where(
    tmp_path: Path, affect: Items, begun: BegunWrites, *, is_deleted: bool
) -> None:
    path = sound_file(tmp_path, "mp3")
    left = killed(path, affect, begun, is_saved=True)
    if is_deleted:
        path.unlink()
    else:
        saved(path, b"saved once more")
    before = sorted((entry.name, entry.read_bytes()) for entry in tmp_path.iterdir())
    for _ in range(2):
        (outcome,) = cleaned(tmp_path, begun)
        assert outcome.startswith("kept: another program saved it")
        assert sorted((entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()) == before
        (note,) = begun.all()
        problem = problem_with(note, is_running=True)
        assert problem is not None
        assert problem.startswith(f"{path}: another program saved it")
        assert left.name in problem
    left.unlink()
    assert cleaned(tmp_path, begun) == []
    assert begun.all() == []


def test_a_file_that_was_saved_after_the_kill_stays_and_the_original_is_removed(
    tmp_path: Path, affect: Items, begun: BegunWrites
) -> None:
    path = sound_file(tmp_path, "mp3")
    killed(path, affect, begun, is_saved=False)
    with path.open("ab") as editor:
        editor.write(b"more")
    edited = path.read_bytes()
    assert cleaned(tmp_path, begun) == ["removed"]
    assert path.read_bytes() == edited
    assert list(tmp_path.iterdir()) == [path]
    assert begun.all() == []


def test_the_original_of_a_file_that_is_gone_is_kept_and_status_says_where(
    tmp_path: Path, affect: Items, begun: BegunWrites
) -> None:
    path = sound_file(tmp_path, "mp3")
    left = killed(path, affect, begun, is_saved=False)
    path.unlink()
    (outcome,) = cleaned(tmp_path, begun)
    assert outcome.startswith("kept: it is gone since")
    assert left.read_bytes() == sound("mp3")
    (note,) = begun.all()
    problem = problem_with(note, is_running=True)
    assert problem is not None
    assert problem.startswith(f"{path}: it is gone since its tags were written; {left.name}")
    left.rename(path)
    assert cleaned(tmp_path, begun) == []
    assert begun.all() == []
