"""A thread that writes the kept playlists again when the catalogue has changed."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from config.errors import ValencedError
from daemon.querying.kept_playlists import write_playlist
from storage.search.reader import open_finder
from storage.search.revision import CatalogueRevision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daemon.querying.kept_playlists import KeptPlaylist
    from daemon.tagging.disk.syscalls import DiskCalls

log = logging.getLogger(__name__)

PAUSE_S: Final = 5.0
_SHARE: Final = 10
"""While the catalogue changes all the time, at most a tenth of the time goes into playlists."""


class PlaylistKeeper:
    """Keeps playlists up to date between `start` and `stop`.

    Args:
        url: of the catalogue.
        playlists: to be kept.
        disk: makes the system calls.
        pause_s: between two looks at the catalogue.
    """

    def __init__(
        self, url: str, playlists: Sequence[KeptPlaylist], disk: DiskCalls, pause_s: float = PAUSE_S
    ) -> None:
        self._url, self._playlists, self._disk, self._pause_s = url, playlists, disk, pause_s
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="playlists", daemon=True)
        self._told: dict[Path, str] = {}

    def start(self) -> None:
        """Start the thread, if there is anything to keep."""
        if self._playlists:
            self._thread.start()

    def stop(self) -> None:
        """End the thread; a playlist that is being written is finished."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> int:
        """Write the playlists that differ from what the catalogue says; return their number.

        What cannot be written is logged once, and tried again the next time.

        Raises:
            CatalogueError: the catalogue cannot be read.
        """
        with open_finder(self._url) as finder:
            return sum(
                self._write(playlist, playlist.content(finder)) for playlist in self._playlists
            )

    def _write(self, playlist: KeptPlaylist, content: bytes) -> bool:
        try:
            is_new = write_playlist(playlist.file, content, self._disk)
        except (OSError, ValencedError) as error:
            told = error.strerror if isinstance(error, OSError) else str(error)
            line = f"{playlist.file}: the playlist is not written: {told}"
            if self._told.get(playlist.file) != line:
                log.warning("%s", line)
                self._told[playlist.file] = line
            return False
        self._told.pop(playlist.file, None)
        if is_new:
            log.info("%s: playlist written", playlist.file)
        return is_new

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with closing(CatalogueRevision(self._url)) as revision:
                    self._follow(revision)
            except ValencedError as error:
                log.debug("playlists wait: %s", error)
                self._stopped.wait(self._pause_s)

    def _follow(self, revision: CatalogueRevision) -> None:
        """Refresh whenever the catalogue has changed, until an error or the end."""
        seen, pause_s = None, 0.0
        while not self._stopped.wait(pause_s):
            version = revision.current()
            began_s = time.monotonic()
            if version != seen:
                self.refresh()
                seen = version
            pause_s = max(self._pause_s, _SHARE * (time.monotonic() - began_s))
