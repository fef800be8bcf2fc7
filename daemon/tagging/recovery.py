"""Clean-up after interrupted writes: temporary files removed, files written in place restored.

A name proves nothing, as others may create files in a watched folder. So only what this user owns
or the catalogue notes is touched, and a rescue copy is used only as the catalogue says
(`daemon.tagging.rescue`).
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.disk import temp_names
from daemon.tagging.disk.syscalls import DISK, DiskCalls
from daemon.tagging.rescue import (
    ANOTHER,
    AWAY,
    Rescue,
    RescueKept,
    is_noted,
    left_by_earlier_release,
    restored,
)
from daemon.tagging.unfinished_exchange import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from daemon.tagging.rescue import AudioHash
    from storage.begun_writes import BegunWrites
    from storage.schema.records import BegunWrite


class RecoveredFile(NamedTuple):
    """One temporary file that was found.

    Attributes:
        path: of the temporary file.
        outcome: what was done with it, for the log.
    """

    path: Path
    outcome: str


def clean_up(
    folders: Iterable[Path],
    begun: BegunWrites,
    audio_hash: AudioHash,
    disk: DiskCalls = DISK,
    *,
    is_own: Callable[[Path], bool] = lambda _: True,
) -> Iterator[RecoveredFile]:
    """Remove our temporary files that no running write uses, and restore from rescue copies.

    Args:
        folders: where temporary files were seen (not below them); those of the noted writes are
            looked at in any case.
        begun: the noted writes.
        audio_hash: hashes every audio packet of a file; raises ClipError.
        disk: does the system calls.
        is_own: whether the file at a path is for this service to write to.

    Yields:
        What was done with each temporary file.
    """
    notes = {note.rescue: note for note in begun.all() if is_own(note.path)}
    for path in sorted({*folders, *(note.path.parent for note in notes.values())}):
        try:
            with _handle(path, disk) as folder:
                cleaner = _Cleaner(path, folder, notes, begun, audio_hash, disk)
                yield from cleaner.clean()
        except OSError as error:
            yield RecoveredFile(path, f"could not be cleaned up: {error.strerror}")
    for note in notes.values():
        _settle_missing(note, begun, disk)


@dataclass(frozen=True)
class _Cleaner:
    path: Path
    folder: int
    notes: dict[str, BegunWrite]
    begun: BegunWrites
    audio_hash: AudioHash
    disk: DiskCalls

    def clean(self) -> Iterator[RecoveredFile]:
        names = self.disk.names_in(self.folder)
        for name in sorted(filter(temp_names.is_temporary, names)):
            try:
                outcome = self._cleaned(name)
            except OSError as error:
                outcome = f"could not be cleaned up: {error.strerror}"
            if outcome:
                yield RecoveredFile(self.path / name, outcome)

    def _cleaned(self, name: str) -> str | None:
        descriptor = self.disk.open_to_read(self.folder, name)
        try:
            status = os.fstat(descriptor)
            is_ours = status.st_uid == os.geteuid() or name in self.notes
            if not stat.S_ISREG(status.st_mode) or not is_ours:
                return "left alone: not a file of this user, so not ours"
            if not self.disk.try_lock(descriptor):
                # Another process of ours is writing just now.
                self.notes.pop(name, None)
                return None
            found = Rescue(self.path, self.folder, name, descriptor)
            return self._rescued(found) if temp_names.is_rescue(name) else self._removed(found)
        finally:
            os.close(descriptor)

    def _removed(self, found: Rescue) -> str:
        note = self.notes.pop(found.name, None)
        outcome = "removed"
        if note is not None:
            note = replace(note, path=self.path / note.path.name)
            try:
                outcome = settled(found, note, self.disk)
            except RescueKept as kept:
                self.begun.keep(replace(note, trouble=kept.reason))
                return f"kept: {kept.reason}"
        self.disk.remove(self.folder, found.name)
        if note is not None:
            self.begun.finish(found.name)
        return outcome

    def _rescued(self, rescue: Rescue) -> str:
        note = self.notes.get(rescue.name)
        if note is None or not note.audio_hash:
            self.notes.pop(rescue.name, None)
            note = left_by_earlier_release(rescue)
            self.begun.keep(note)
            return f"kept: {note.trouble}"
        if not is_noted(rescue, note):
            return "kept: not the file that the catalogue knows by this name"
        del self.notes[rescue.name]
        # The folder may have another name now.
        note = replace(note, path=self.path / note.path.name)
        try:
            outcome = restored(rescue, note, self.audio_hash, self.disk)
        except RescueKept as kept:
            self.begun.keep(replace(note, trouble=kept.reason))
            return f"kept: {kept.reason}"
        self.disk.remove(self.folder, rescue.name)
        self.disk.sync_folder(self.folder)
        self.begun.finish(rescue.name)
        return outcome


def _settle_missing(note: BegunWrite, begun: BegunWrites, disk: DiskCalls) -> None:
    """Forget a write whose rescue copy was taken away; say so if that may come back."""
    trouble = AWAY if temp_names.is_rescue(note.rescue) else None
    try:
        with _handle(note.path.parent, disk) as folder:
            names = set(disk.names_in(folder))
            if note.rescue in names:
                trouble = trouble and ANOTHER
            elif temp_names.temporary_of(note.rescue) in names:
                # Another process of ours has just noted it.
                return
            elif os.fstat(folder).st_dev == note.device:
                begun.finish(note.rescue)
                return
    except OSError:
        pass
    if trouble is not None:
        begun.keep(replace(note, trouble=trouble.format(note.rescue)))


@contextmanager
def _handle(path: Path, disk: DiskCalls) -> Iterator[int]:
    folder = disk.open_folder(path)
    try:
        yield folder
    finally:
        os.close(folder)
