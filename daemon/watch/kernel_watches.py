"""Watches of the kernel, by watchdog: set folder by folder, and kept when events are lost.

watchdog itself walks a whole tree before it returns. After an overflow it removes every watch and
sets it again; as each removal is an event, those of more than 16,384 folders overflow the queue
again, and so on for ever.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from watchdog.observers.api import DEFAULT_OBSERVER_TIMEOUT, BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import CallbackId, InotifyFD, Mask, WatchCallback, WatchDescriptor

if TYPE_CHECKING:
    from pathlib import Path


class _Watches(InotifyFD):
    def _add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        """Set a watch, or give one that is set already the present path without a warning."""
        watch = self._get_or_create_watch(path, mask)
        watch.callbacks[id_] = callback
        return watch.wd


class _WatchGroup(InotifyWatchGroup):
    def _activate(self) -> None:
        """Watch the topmost folder alone; it raises OSError if that is refused."""
        with self._lock:
            self._add_callback(self.path)
            self._is_active = True

    def add(self, folder: bytes) -> None:
        """Watch one folder, under its present path; the topmost may have gone, too."""
        with self._lock, suppress(OSError):
            if self._is_active:
                self._add_callback(folder)

    def _add_callback(self, path: bytes) -> None:
        """Watch one folder, whose watch has no other path any more."""
        watch = self._inotify_fd.add_callback(path, self.event_mask, self._callback, self._id)
        earlier = self._active_callbacks_by_watch.get(watch)
        if earlier is not None and self._active_callbacks_by_path.get(earlier) == watch:
            del self._active_callbacks_by_path[earlier]
        self._active_callbacks_by_watch[watch] = path
        self._active_callbacks_by_path[path] = watch

    def _remove_watch_internally(self, wd: WatchDescriptor) -> None:
        """Forget a watch, and its path unless another has it.

        watchdog's own expects the path to be known, and ends the thread that reads all events if it
        is not: after a folder was moved away, and another of its name was made and removed.
        """
        path = self._active_callbacks_by_watch.pop(wd, None)
        if path is not None and self._active_callbacks_by_path.get(path) == wd:
            del self._active_callbacks_by_path[path]

    def on_queue_overflow(self) -> None:
        """Keep the watches; the comparison that follows sets those that are missing."""
        with self._lock:
            self._move_event_grouper.discard_pending_events()


class _Emitter(InotifyEmitter):
    def on_thread_start(self) -> None:
        """Watch the topmost folder."""
        self._inotify = _WatchGroup(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=self.watch.is_recursive,
            event_mask=self.get_event_mask_from_filter(),
            follow_symlink=self.watch.follow_symlink,
        )

    def add(self, folder: bytes) -> None:
        """Watch a folder that lies at or below the topmost one."""
        group, top = self._inotify, os.fsencode(self.watch.path).rstrip(b"/")
        if isinstance(group, _WatchGroup) and (folder + b"/").startswith(top + b"/"):
            group.add(folder)

    def on_thread_stop(self) -> None:
        """Wake the thread, which then sees that it must end.

        watchdog's own drops its watches first; its thread then reports their absence as an error.
        """
        if self._inotify is not None:
            self._inotify.deactivate()


class KernelObserver(BaseObserver):
    """Watches folders, of each only the topmost until `add` is called with those below."""

    def __init__(self) -> None:
        self._kernel = _Watches()
        self._kernel.start()
        super().__init__(_Emitter, timeout=DEFAULT_OBSERVER_TIMEOUT, inotify_fd=self._kernel)

    def add(self, folder: Path | str) -> None:
        """Watch one folder as well, for every watched folder that it lies in.

        One that is watched already costs a system call. What is refused is found by
        `Watcher.check_watches`.
        """
        path = os.fsencode(folder).rstrip(b"/")
        for emitter in list(self.emitters):
            if isinstance(emitter, _Emitter):
                emitter.add(path)

    def on_thread_stop(self) -> None:
        """End the thread that reads events."""
        # Closed first, so that no watch is removed by itself, which costs an event each.
        self._kernel.stop()
        super().on_thread_stop()
        self._kernel.join()
