"""Listens to the file system. What it reports is a hint; `daemon.scanning` knows the truth."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    EVENT_TYPE_CLOSED_NO_WRITE,
    EVENT_TYPE_OPENED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

from daemon.filesystems import mount_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watchdog.observers.api import BaseObserver

    from config.settings import WatchedFolder

log = logging.getLogger(__name__)

POLL_S = 10.0
_READING = frozenset({EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE})


class _Reporter(FileSystemEventHandler):
    """Passes on the paths of everything but reading."""

    def __init__(self, report: Callable[[Path], None]) -> None:
        self._report = report

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _READING:
            return
        for path in (event.src_path, event.dest_path):
            if path:
                self._report(Path(os.fsdecode(path)))


class Watcher:
    """Watches folders, by kernel events or by polling, as each folder asks.

    Args:
        report: called from the observers' threads with every path that something happened to.
    """

    def __init__(self, report: Callable[[Path], None]) -> None:
        self._handler = _Reporter(report)
        self._observers: dict[bool, BaseObserver] = {}

    def watch(self, folders: Iterable[WatchedFolder]) -> None:
        """Start watching; a folder that cannot be watched is left to the reconcile, and logged."""
        for folder in folders:
            polled = _is_polled(folder)
            observer = self._observers.get(polled) or self._start(polled=polled)
            try:
                observer.schedule(self._handler, str(folder.path), recursive=True)
            except OSError as error:
                log.warning(
                    "%s: cannot be watched (%s); it is looked at every watch.reconcile_s only",
                    folder.path,
                    error.strerror or error,
                )

    def stop(self) -> None:
        """Stop watching."""
        for observer in self._observers.values():
            observer.stop()
        for observer in self._observers.values():
            observer.join()

    def _start(self, *, polled: bool) -> BaseObserver:
        observer: BaseObserver = PollingObserver(timeout=POLL_S) if polled else Observer()
        observer.start()
        self._observers[polled] = observer
        return observer


def _is_polled(folder: WatchedFolder) -> bool:
    if folder.mode != "auto":
        return folder.mode == "poll"
    mount = mount_of(folder.path)
    if mount is None or not mount.is_silent:
        return False
    log.info("%s: on %s, which tells nobody of changes; polled", folder.path, mount.kind)
    return True
