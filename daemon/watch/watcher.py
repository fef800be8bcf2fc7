"""Listens to the file system. What it reports is a hint; `daemon.watch.scanner` knows the truth."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    EVENT_TYPE_CLOSED_NO_WRITE,
    EVENT_TYPE_MODIFIED,
    EVENT_TYPE_OPENED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver
from watchdog.observers.polling import PollingObserverVFS

from daemon.system.mounts import mount_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watchdog.observers.api import BaseObserver, ObservedWatch

    from config.settings import FolderSettings

log = logging.getLogger(__name__)

POLL_S = 10.0
POLLED_INSTEAD = "polled instead of watched"
LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")
_READING = frozenset({EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE})


class _Reporter(FileSystemEventHandler):
    """Passes on the paths of everything but reading."""

    def __init__(self, report: Callable[[Path], None]) -> None:
        self._report = report

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _READING or (
            event.is_directory and event.event_type == EVENT_TYPE_MODIFIED
        ):
            # A folder is modified by what happens in it, which is reported by itself.
            return
        for path in (event.src_path, event.dest_path):
            if path:
                self._report(Path(os.fsdecode(path)))


class _OverflowListener(logging.Handler):
    """Hears of lost events in the only place where watchdog tells of them, its log."""

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._lost = lost

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            self._lost()


class _Emitter(InotifyEmitter):
    """Ends without a word when it is stopped while events come in.

    watchdog's own takes its watches away first and then calls it an error, on stderr, that its
    thread finds none.
    """

    def on_thread_stop(self) -> None:
        """Wake the thread, which sees for itself that it is to end."""
        if self._inotify is not None:
            self._inotify.deactivate()


class _Listener(InotifyObserver):
    """Hears of events, by emitters that end quietly."""

    def __init__(self) -> None:
        super().__init__()
        self._emitter_class = _Emitter


class Watcher:
    """Watches folders, by kernel events or by polling, as each folder asks.

    A folder for which the kernel grants no (or too few) watches is polled instead.

    Args:
        report: called from the observers' threads with every path that something happened to.
        overflowed: called when the kernel has dropped events.
    """

    def __init__(self, report: Callable[[Path], None], overflowed: Callable[[], None]) -> None:
        self._handler = _Reporter(report)
        self._listener = _OverflowListener(overflowed)
        logging.getLogger("watchdog").addHandler(self._listener)
        self._observers: dict[bool, BaseObserver] = {}
        self._watches: dict[Path, tuple[bool, ObservedWatch]] = {}
        self._degraded: dict[Path, str] = {}
        self._unwatched: dict[Path, set[int]] = {}

    @property
    def degraded(self) -> Mapping[Path, str]:
        """Folders that are not watched as they were asked to be, and why; safe to iterate."""
        return dict(self._degraded)

    def watch(self, folders: Iterable[FolderSettings]) -> None:
        """Start watching. A folder that is not there is left to `renew`."""
        for folder in folders:
            if _is_polled(folder):
                self._poll(folder.path)
            else:
                self._listen(folder.path)

    def renew(self, folder: FolderSettings) -> None:
        """Watch a folder anew, because it went away and came back, perhaps on another disk."""
        self._taken_off(folder.path)
        # One for which watches were too few would be found out again only after two comparisons.
        if folder.path in self._degraded or _is_polled(folder):
            self._poll(folder.path)
        else:
            self._listen(folder.path)

    def unwatch(self, folder: Path) -> None:
        """Watch a folder no more."""
        self._taken_off(folder)
        self._degraded.pop(folder, None)
        self._unwatched.pop(folder, None)

    def watched_by(self, folder: Path) -> str:
        """Return `events`, `polling` or `nothing`."""
        polled, watch = self._watches.get(folder, (False, None))
        if watch is None:
            return "nothing"
        return "polling" if polled else "events"

    def check_watches(self, directories: Mapping[Path, set[int]]) -> bool:
        """Poll those folders of which the kernel watches less than all.

        watchdog passes over a directory, but the topmost, for which it gets no watch. One made a
        moment ago may get its watch a moment later, so only what lacks one twice counts.

        Args:
            directories: inode numbers of every directory of a watched folder, itself included.

        Returns:
            Whether any lacks a watch for the first time, and all should be checked again.
        """
        granted = granted_watches()
        before, self._unwatched = self._unwatched, {}
        for folder, inodes in directories.items():
            if self.watched_by(folder) != "events" or not inodes & granted:
                continue
            missing = inodes - granted
            if missing & before.get(folder, set()):
                self._fall_back(folder, f"{len(missing)} of {len(inodes)} directories got no watch")
            elif missing:
                self._unwatched[folder] = missing
        return bool(self._unwatched)

    def stop(self) -> None:
        """Stop watching."""
        logging.getLogger("watchdog").removeHandler(self._listener)
        for observer in self._observers.values():
            observer.stop()
        for observer in self._observers.values():
            observer.join()

    def _taken_off(self, folder: Path) -> None:
        """Take away a folder's watch, if it has one."""
        polled, watch = self._watches.pop(folder, (False, None))
        if watch is not None:
            # The emitter of a folder that went away may have ended by itself.
            with suppress(KeyError, OSError):
                self._observers[polled].unschedule(watch)

    def _listen(self, folder: Path) -> None:
        try:
            self._schedule(folder, polled=False)
        except FileNotFoundError:
            self._say_away(folder)
        except OSError as error:
            self._fall_back(folder, error.strerror or str(error))

    def _poll(self, folder: Path) -> None:
        try:
            self._schedule(folder, polled=True)
        except FileNotFoundError:
            self._say_away(folder)
        except OSError as error:
            reason = error.strerror or str(error)
            told = {"folder": folder, "reason": reason}
            log.warning("%s: cannot be polled: %s", folder, reason, extra=told)

    def _say_away(self, folder: Path) -> None:
        log.warning("%s: not there; taken up when it is", folder, extra={"folder": folder})

    def _fall_back(self, folder: Path, reason: str) -> None:
        limit = watch_limit()
        advice = (
            f"; sysctl fs.inotify.max_user_watches={2 * limit} raises the limit" if limit else ""
        )
        self._degraded[folder] = f"{POLLED_INSTEAD}: {reason}{advice}"
        log.warning("%s: %s", folder, self._degraded[folder], extra={"folder": folder})
        _, watch = self._watches.pop(folder, (False, None))
        if watch is not None:
            self._observers[False].unschedule(watch)
        self._poll(folder)

    def _schedule(self, folder: Path, *, polled: bool) -> None:
        observer = self._observers.get(polled)
        if observer is None:
            observer = _poller() if polled else _Listener()
            observer.start()
            self._observers[polled] = observer
        watch = observer.schedule(self._handler, str(folder), recursive=True)
        self._watches[folder] = (polled, watch)


def _poller() -> BaseObserver:
    """Return an observer that polls, without following links out of the folder or in circles."""
    return PollingObserverVFS(os.lstat, os.scandir, polling_interval=POLL_S)


def granted_watches() -> frozenset[int]:
    """Return the inode numbers of everything the kernel watches for this process."""
    inodes: set[int] = set()
    for entry in Path("/proc/self/fdinfo").iterdir():
        with suppress(OSError):
            for line in entry.read_text(encoding="ascii").splitlines():
                if line.startswith("inotify "):
                    fields = dict(part.split(":", 1) for part in line.split()[1:])
                    inodes.add(int(fields["ino"], 16))
    return frozenset(inodes)


def watch_limit() -> int | None:
    """Return how many watches the kernel grants one user, None where it does not tell."""
    try:
        return int(LIMIT.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _is_polled(folder: FolderSettings) -> bool:
    if folder.mode != "auto":
        return folder.mode == "poll"
    mount = mount_of(folder.path)
    if mount is None or not mount.is_silent:
        return False
    log.info("%s: on %s, which tells nobody of changes; polled", folder.path, mount.kind)
    return True
