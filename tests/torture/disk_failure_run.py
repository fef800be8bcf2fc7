"""The service lives on while something happens to a disk, again and again, and then is mended."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import ExitStack, suppress
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

from tests.driving import Valenced
from tests.torture.disks import Disk, Full, PowerCut, ReadOnly, journalling_disk, memory_disk
from tests.torture.file_activity import Others, planned
from tests.torture.file_checks import faults
from tests.torture.kill_run import SETTINGS, Report
from tests.torture.observed_service import State, Victim
from tests.torture.remaining_work import LEFT, OWED, caught_up, settle
from tests.torture.sound_factory import Stock

if TYPE_CHECKING:
    from pathlib import Path

ROOM = 64 << 20
PATIENCE_S = 4.0
LONGEST_S = 4.0
PATIENCE_AFTER_S = 90.0
TRIES = 50
LOOK_S = 0.1
_AIMS = (State.QUEUED, State.RUNNING, State.PENDING, State.COPYING)
_REASONS = "SELECT tag_reason, count(*) FROM clips WHERE tag_reason IS NOT NULL GROUP BY 1"
_TROUBLE = (b"work stands still", b"for the catalogue")


class Blow(StrEnum):
    """What happens to which disk."""

    MEDIA_FULL = "media full"
    STATE_FULL = "state full"
    MEDIA_READ_ONLY = "media read-only"
    MEDIA_POWER_CUT = "media power cut"


class Trial:
    """One run: files arrive, the disk is struck while the service is at them, and is mended.

    Args:
        folder: an empty one; the disks are mounted in it.
        blow: what happens.
        files: how many arrive.
        rounds: how often it happens.
        seed: of everything that is left to chance.
    """

    def __init__(self, folder: Path, blow: Blow, files: int, rounds: int, seed: int) -> None:
        self._folder, self._blow, self._seed = folder, blow, seed
        self._media, self._state = folder / "media", folder / "state"
        self._rounds = rounds
        self._rng = Random(f"{blow} {seed}")
        self._acts = planned(files, Random(f"order {seed}"))
        self._log = folder / "stderr.log"
        self._report = Report()

    def run(self) -> Report:
        """Do it.

        Raises:
            NoDisk: nothing can be mounted here.
        """
        began_s = time.monotonic()
        with ExitStack() as stack:
            self._undergo(self._disk(stack))
        self._report.lasted_s = time.monotonic() - began_s
        return self._report

    def _disk(self, stack: ExitStack) -> Disk:
        match self._blow:
            case Blow.MEDIA_POWER_CUT:
                stack.enter_context(journalling_disk(self._media, 2 * ROOM))
                return PowerCut(self._media)
            case Blow.MEDIA_READ_ONLY:
                stack.enter_context(memory_disk(self._media, f"size={ROOM}"))
                return ReadOnly(self._media)
            case Blow.STATE_FULL:
                stack.enter_context(memory_disk(self._state, f"size={ROOM},mode=700"))
                return Full(self._state)
            case Blow.MEDIA_FULL:
                stack.enter_context(memory_disk(self._media, f"size={ROOM}"))
                return Full(self._media)

    def _undergo(self, disk: Disk) -> None:
        report, watched = self._report, [self._media]
        others = Others(watched, Stock(self._folder, self._seed), Random(f"acts {self._seed}"))
        valenced = Valenced(self._state, *SETTINGS)
        victim = Victim(valenced, watched, self._log)
        try:
            victim.start()
            victim.wait_until_started()
            for number in range(self._rounds):
                self._act(others, number)
                self._strike(disk, victim)
                self._hold(disk, valenced)
                disk.mend()
            if self._blow is Blow.MEDIA_POWER_CUT:
                # What could not even be read is tried again after a minute, or when asked for.
                victim.stop()
                settle(valenced, watched, self._log)
            else:
                if not caught_up(valenced, LEFT, PATIENCE_AFTER_S):
                    report.faults.append("it does not catch up by itself")
                victim.stop()
        finally:
            victim.thaw()
            victim.kill()
            disk.mend()
        report.acts, report.files = others.done, len(others.truths)
        report.starts, report.died = victim.starts, victim.died
        said = self._log.read_bytes()
        report.stood_still = sum(said.count(trouble) for trouble in _TROUBLE)
        report.faults += list(faults(valenced.catalogue, watched, others.truths))

    def _act(self, others: Others, number: int) -> None:
        first = number * len(self._acts) // self._rounds
        for act in self._acts[first : (number + 1) * len(self._acts) // self._rounds]:
            others.act(act)
        # What others have open keeps a disk from becoming read-only; what they did not sync is
        # theirs to lose.
        others.leave()
        os.sync()

    def _strike(self, disk: Disk, victim: Victim) -> None:
        """Strike in a state that was hit seldom, the service frozen."""
        aim = min(_AIMS, key=lambda state: (self._report.states[state], self._rng.random()))
        for _ in range(TRIES):
            if not victim.wait_for(aim, PATIENCE_S):
                victim.freeze()
            states = victim.states()
            struck = disk.strike()
            victim.thaw()
            if struck:
                self._report.states.update(states)
                return
            aim = self._rng.choice(_AIMS)
        self._report.faults.append("the disk could not be struck")

    def _hold(self, disk: Disk, valenced: Valenced) -> None:
        until = time.monotonic() + self._rng.uniform(LONGEST_S / 2, LONGEST_S)
        while time.monotonic() < until:
            disk.hold()
            time.sleep(LOOK_S)
        with suppress(sqlite3.Error):
            for reason, count in valenced.select(_REASONS):
                self._report.reasons[os.fsdecode(reason)] += count
            self._report.owed = max(self._report.owed, valenced.select(OWED)[0][0])
