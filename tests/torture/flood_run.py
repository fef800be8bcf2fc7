"""Writes tens of thousands of files at once: more than inotify queues, and none is missed."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.driving import Valenced
from tests.sounds import music_like, write_audio
from tests.torture.observed_service import ObservedService

if TYPE_CHECKING:
    from collections.abc import Iterator

SOUNDS = 50
FOLDERS = 100
RATE_HZ = 8000
DURATION_S = 0.5
STALLED_AFTER_S = 300.0
POLL_S = 0.5
QUEUE_LIMIT = Path("/proc/sys/fs/inotify/max_queued_events")
_PROCESSED = "SELECT count(*) FROM sounds"
_QUEUED = "SELECT count(*) FROM queue"


@dataclass
class FloodReport:
    """Figures of a flood.

    Attributes:
        files: how many were written.
        written_s: how long writing them took.
        queue_limit: how many events inotify queues before it drops them.
        overflows: how often the log says that events were dropped.
        known_s: from the last file written until each was in the queue or the catalogue.
        processed_s: from the last file written until each was in the catalogue.
        peak_mib: peak memory of the service's main process.
        faults: broken promises, in a line each.
    """

    files: int
    written_s: float = 0.0
    queue_limit: int = 0
    overflows: int = 0
    known_s: float = 0.0
    processed_s: float = 0.0
    peak_mib: float = 0.0
    faults: list[str] = field(default_factory=list)


class FloodRun:
    """One run. Half of the sounds arrive in folders that are made meanwhile.

    The service is frozen while the first half is written, as on a machine that sleeps or is
    overloaded, and runs while the second half is.

    Args:
        folder: an empty one.
        files: how many are written.
        seed: of the sounds.
        settings: more settings, as for `--set`.
    """

    def __init__(self, folder: Path, files: int, seed: int, *settings: str) -> None:
        self._watched = folder / "music"
        self._watched.mkdir()
        self._sounds = [
            write_audio(folder / f"{n}.wav", music_like(DURATION_S, seed=seed + n), RATE_HZ)
            for n in range(SOUNDS)
        ]
        self._valenced = Valenced(folder / "state", "watch.settle_s=1", *settings)
        self._log = folder / "stderr.log"
        self._service = ObservedService(self._valenced, [self._watched], self._log)
        self._report = FloodReport(files, queue_limit=int(QUEUE_LIMIT.read_text()))

    def run(self) -> FloodReport:
        """Run the flood and return its figures."""
        report = self._report
        self._service.start()
        try:
            self._service.wait_until_started()
            began_s = time.monotonic()
            paths = set(self._write())
            report.written_s = time.monotonic() - began_s
            written_at_s = time.monotonic()
            self._wait_for_count(f"SELECT ({_PROCESSED}) + ({_QUEUED})", len(paths))
            report.known_s = time.monotonic() - written_at_s
            self._wait_for_count(_PROCESSED, len(paths))
            report.processed_s = time.monotonic() - written_at_s
            report.peak_mib = self._service.peak_mib()
            self._service.stop()
        finally:
            self._service.kill()
        report.overflows = self._log.read_bytes().count(b"overflow")
        report.faults += [*self._missed(paths), *self._service.crashes]
        return report

    def _write(self) -> Iterator[Path]:
        contents = [sound.read_bytes() for sound in self._sounds]
        self._service.freeze()
        for number in range(self._report.files):
            if number == self._report.files // 2:
                self._service.thaw()
            folder = self._watched
            if number % 2:
                folder /= f"album {number % FOLDERS}"
                folder.mkdir(exist_ok=True)
            path = folder / f"{number}.wav"
            path.write_bytes(contents[number % SOUNDS])
            yield path

    def _wait_for_count(self, count: str, wanted: int) -> None:
        """Wait until a count has a value, or does not change any more."""
        changed_s, last = time.monotonic(), -1
        while (now_s := time.monotonic()) - changed_s < STALLED_AFTER_S:
            with suppress(sqlite3.Error):
                ((found,),) = self._valenced.select(count)
                if found == wanted:
                    return
                if found != last:
                    last, changed_s = found, now_s
            time.sleep(POLL_S)

    def _missed(self, paths: set[Path]) -> Iterator[str]:
        rows = self._valenced.select("SELECT path, tag_state FROM sounds")
        known = {Path(os.fsdecode(path)): state for path, state in rows}
        if len(rows) > len(known):
            yield f"{len(rows) - len(known)} files are more than once in the view"
        for path in sorted(paths - set(known)):
            yield f"{path}: missed"
        for path in sorted(set(known) - paths):
            yield f"{path}: in the view, and should not be"
        for path, state in known.items():
            if state not in {b"written", b"off"}:
                yield f"{path}: tags {os.fsdecode(state)}"
