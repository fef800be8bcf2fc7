"""Reports changes in watched folders, by inotify or by polling.

Reports are hints only; what is true is found by `daemon.watch.scanner`.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog import events
from watchdog.events import FileSystemEvent, FileSystemEventHandler

from daemon.system.mounts import mount_of
from daemon.watch.kernel_watches import KernelObserver
from daemon.watch.paced_polling import PollingObserver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watchdog.observers.api import BaseObserver, ObservedWatch

    from config.settings import FolderSettings

log = logging.getLogger(__name__)

POLLED_INSTEAD = "polled instead of watched"
LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")
CHANGES: list[type[FileSystemEvent]] = [
    events.DirAttribEvent,
    events.DirCreatedEvent,
    events.DirDeletedEvent,
    events.DirMovedEvent,
    events.FileAttribEvent,
    events.FileClosedEvent,
    events.FileCreatedEvent,
    events.FileDeletedEvent,
    events.FileModifiedEvent,
    events.FileMovedEvent,
]
"""What the kernel is asked to report. Reading is left out: a comparison of a large folder with the
catalogue, which opens each directory, would overflow the queue of events and so start the next.
What modifies a directory happens to an entry of it, which has an event of its own.
"""


class _Reporter(FileSystemEventHandler):
    """Passes on the paths of all events."""

    def __init__(self, report: Callable[[Path], None]) -> None:
        self._report = report

    def on_any_event(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                self._report(Path(os.fsdecode(path)))


class _OverflowHandler(logging.Handler):
    """Detects lost events, which watchdog reports nowhere but in its log."""

    def __init__(self, overflowed: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._overflowed = overflowed

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            self._overflowed()


class Watcher:
    """Watches folders by kernel events or by polling, as the mode of each folder says.

    A folder for which the kernel grants too few watches is polled instead.

    Args:
        report: called from the observers' threads with the path of every event.
        overflowed: called when the kernel has dropped events.
    """

    def __init__(self, report: Callable[[Path], None], overflowed: Callable[[], None]) -> None:
        self._reporter = _Reporter(report)
        self._overflow_handler = _OverflowHandler(overflowed)
        logging.getLogger("watchdog").addHandler(self._overflow_handler)
        self._observers: dict[bool, BaseObserver] = {}
        self._watches: dict[Path, tuple[bool, ObservedWatch]] = {}
        self._degraded: dict[Path, str] = {}
        self._unwatched: dict[Path, set[int]] = {}

    @property
    def degraded(self) -> Mapping[Path, str]:
        """Folders that are polled although their mode says otherwise, each with the reason."""
        return dict(self._degraded)

    def watch(self, folders: Iterable[FolderSettings]) -> None:
        """Start watching; with kernel events, the folders inside are watched once they are added.

        A folder that does not exist is left to `watch_again`.
        """
        for folder in folders:
            self._schedule(folder.path, polled=_is_polled(folder))

    def add(self, folder: str) -> None:
        """Watch a folder inside a watched one; a comparison does so before it lists each.

        So none stays unwatched for longer than to the next comparison, whatever was lost.
        """
        observer = self._observers.get(False)
        if isinstance(observer, KernelObserver):
            observer.add(folder)

    def watch_again(self, folder: FolderSettings) -> None:
        """Replace the watch of a folder that came back, perhaps on another disk."""
        self._unschedule(folder.path)
        # A comparison under way finds directories whose watches were set before, and are gone now.
        self._unwatched.pop(folder.path, None)
        # Too few watches would be noticed again only after two comparisons.
        is_polled = folder.path in self._degraded or _is_polled(folder)
        self._schedule(folder.path, polled=is_polled)

    def unwatch(self, folder: Path) -> None:
        """Stop watching a folder."""
        self._unschedule(folder)
        self._degraded.pop(folder, None)
        self._unwatched.pop(folder, None)

    def watched_by(self, folder: Path) -> str:
        """Return `events`, `polling` or `nothing`."""
        if folder not in self._watches:
            return "nothing"
        return "polling" if self._watches[folder][0] else "events"

    def check_watches(self, directories: Mapping[Path, set[int]]) -> bool:
        """Poll the folders of which the kernel does not watch every directory.

        watchdog ignores it when a directory below the topmost gets no watch. A new directory may
        get its watch a moment later, so only one that lacks it twice counts.

        Args:
            directories: inode numbers of every directory of a watched folder, itself included.

        Returns:
            Whether any lacks a watch for the first time, so that all should be checked again.
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
        logging.getLogger("watchdog").removeHandler(self._overflow_handler)
        for observer in self._observers.values():
            observer.stop()
        for observer in self._observers.values():
            observer.join()

    def _schedule(self, folder: Path, *, polled: bool) -> None:
        try:
            watch = self._observer(polled).schedule(
                self._reporter, str(folder), recursive=True, event_filter=CHANGES
            )
            self._watches[folder] = (polled, watch)
        except FileNotFoundError:
            text = "%s: does not exist; watched as soon as it does"
            log.warning(text, folder, extra={"folder": folder})
        except OSError as error:
            reason = error.strerror or str(error)
            if not polled:
                self._fall_back(folder, reason)
                return
            fields = {"folder": folder, "reason": reason}
            log.warning("%s: cannot be polled: %s", folder, reason, extra=fields)

    def _unschedule(self, folder: Path) -> None:
        polled, watch = self._watches.pop(folder, (False, None))
        if watch is not None:
            # The emitter of a folder that disappeared may have ended by itself.
            with suppress(KeyError, OSError):
                self._observers[polled].unschedule(watch)

    def _fall_back(self, folder: Path, reason: str) -> None:
        """Poll a folder that cannot be watched by events."""
        limit = watch_limit()
        # The systemd unit hides the limit (ProcSubset=pid).
        value = f"={2 * limit}" if limit else ""
        advice = f"; sysctl fs.inotify.max_user_watches{value} raises the limit"
        self._degraded[folder] = f"{POLLED_INSTEAD}: {reason}{advice}"
        log.warning("%s: %s", folder, self._degraded[folder], extra={"folder": folder})
        self._unschedule(folder)
        self._schedule(folder, polled=True)

    def _observer(self, polled: bool) -> BaseObserver:  # noqa: FBT001 - the key of a dictionary
        if polled not in self._observers:
            observer: BaseObserver = PollingObserver() if polled else KernelObserver()
            observer.start()
            self._observers[polled] = observer
        return self._observers[polled]


def granted_watches() -> frozenset[int]:
    """Return the inode numbers of everything the kernel watches for this process."""
    inodes: set[int] = set()
    for entry in Path("/proc/self/fdinfo").iterdir():
        with suppress(OSError), entry.open(encoding="ascii") as lines:
            # Such as "inotify wd:1 ino:9e7e sdev:800013 mask:800afce"; there may be many.
            watches = (line.split(None, 3)[2] for line in lines if line.startswith("inotify "))
            inodes.update(int(inode.removeprefix("ino:"), 16) for inode in watches)
    return frozenset(inodes)


def watch_limit() -> int | None:
    """Return how many watches the kernel grants one user, None where that is unknown."""
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
    log.info("%s: on %s, which reports no changes; polled", folder.path, mount.kind)
    return True
