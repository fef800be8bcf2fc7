"""Tens of thousands of files at once: more events than the kernel keeps, and nothing missed."""

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
from tests.torture.observed_service import Victim

if TYPE_CHECKING:
    from collections.abc import Iterator

SOUNDS = 50
FOLDERS = 100
RATE_HZ = 8000
LASTS_S = 0.5
PATIENCE_S = 120.0
LOOK_S = 0.5
KEPT_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")
_HEARD = "SELECT count(*) FROM sounds"
_WAITING = "SELECT count(*) FROM queue"


@dataclass
class FloodReport:
    """What came, and what became of it.

    Attributes:
        files: how many were written.
        written_s: how long their writing took.
        kept_events: how many events the kernel keeps for one listener before it drops them.
        overflows: how often the service was told that events were dropped.
        known_s: from the last file written until each was in the queue or the catalogue.
        heard_s: from the last file written until each was in the catalogue.
        peak_mib: most memory of the service's main process.
        faults: what is not as it must be.
    """

    files: int
    written_s: float = 0.0
    kept_events: int = 0
    overflows: int = 0
    known_s: float = 0.0
    heard_s: float = 0.0
    peak_mib: float = 0.0
    faults: list[str] = field(default_factory=list)


class Flood:
    """One run. Half of the sounds arrive in folders that are made on the way.

    The service is frozen while the first half is written, as on a machine that was asleep or
    overwhelmed, and awake while the second half is.

    Args:
        folder: an empty one.
        files: how many arrive.
        seed: of the sounds.
        settings: further ones, as for `--set`.
    """

    def __init__(self, folder: Path, files: int, seed: int, *settings: str) -> None:
        self._watched = folder / "music"
        self._watched.mkdir()
        self._sounds = [
            write_audio(folder / f"{n}.wav", music_like(LASTS_S, seed=seed + n), RATE_HZ)
            for n in range(SOUNDS)
        ]
        self._valenced = Valenced(folder / "state", "watch.settle_s=1", *settings)
        self._log = folder / "stderr.log"
        self._victim = Victim(self._valenced, [self._watched], self._log)
        self._report = FloodReport(files, kept_events=int(KEPT_EVENTS.read_text()))

    def run(self) -> FloodReport:
        """Do it."""
        report = self._report
        self._victim.start()
        try:
            self._victim.wait_until_started()
            began_s = time.monotonic()
            paths = set(self._pour())
            report.written_s = time.monotonic() - began_s
            known_s = self._comes_to(f"SELECT ({_HEARD}) + ({_WAITING})", len(paths))
            heard_s = self._comes_to(_HEARD, len(paths))
            report.known_s, report.heard_s = known_s or 0.0, (known_s or 0.0) + (heard_s or 0.0)
            report.peak_mib = self._victim.peak_mib()
            self._victim.stop()
        finally:
            self._victim.kill()
        report.overflows = self._log.read_bytes().count(b"events were lost")
        report.faults += [*self._missed(paths), *self._victim.died]
        return report

    def _pour(self) -> Iterator[Path]:
        contents = [sound.read_bytes() for sound in self._sounds]
        self._victim.freeze()
        for number in range(self._report.files):
            if number == self._report.files // 2:
                self._victim.thaw()
            folder = self._watched
            if number % 2:
                folder /= f"album {number % FOLDERS}"
                folder.mkdir(exist_ok=True)
            path = folder / f"{number}.wav"
            path.write_bytes(contents[number % SOUNDS])
            yield path

    def _comes_to(self, count: str, wanted: int) -> float | None:
        """Wait until a count is what it shall be; return how long, None if it stands still."""
        began_s = changed_s = time.monotonic()
        last = -1
        while (now_s := time.monotonic()) - changed_s < PATIENCE_S:
            with suppress(sqlite3.Error):
                ((found,),) = self._valenced.select(count)
                if found == wanted:
                    return now_s - began_s
                if found != last:
                    last, changed_s = found, now_s
            time.sleep(LOOK_S)
        return None

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
