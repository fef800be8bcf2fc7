"""Lets disks fail again and again under a running service, which must catch up once they work."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from contextlib import ExitStack, suppress
from enum import StrEnum
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from tests.driving import Valenced
from tests.torture.disks import FailingDisk, Full, PowerCut, ReadOnly, journalling_disk, memory_disk
from tests.torture.file_activity import FileActivity, planned, share_of
from tests.torture.file_checks import file_faults
from tests.torture.kill_run import SETTINGS, Report
from tests.torture.observed_service import ObservedService, State
from tests.torture.remaining_work import UNFINISHED, UNTAGGED, falls_to_zero, finish_all
from tests.torture.sound_factory import SoundFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DISK_BYTES = 64 << 20
PATIENCE_S = 4.0
LASTS_S = (2.0, 4.0)
UNNOTICED_FOR_S = 60.0
CATCHES_UP_WITHIN_S = 300.0
ATTEMPTS = 50
POLL_S = 0.1
_AIMS = (State.QUEUED, State.CLAIMED, State.PENDING, State.COPYING)
_REASONS = "SELECT tag_reason, count(*) FROM clips WHERE tag_reason IS NOT NULL GROUP BY 1"
_STALLS = (b"processing stalled", b"for the catalogue")


class Failure(StrEnum):
    """Which disk fails, and how."""

    MEDIA_FULL = "media full"
    STATE_FULL = "state full"
    MEDIA_READ_ONLY = "media read-only"
    MEDIA_POWER_CUT = "media power cut"


class DiskFailureRun:
    """One run: files arrive, the disk fails while the service works on them, and works again.

    Args:
        folder: an empty one; the disks are mounted in it.
        failure: which disk fails, and how.
        files: how many new files arrive.
        rounds: how often the disk fails.
        seed: of all random choices.
    """

    def __init__(self, folder: Path, failure: Failure, files: int, rounds: int, seed: int) -> None:
        self._folder, self._failure, self._seed = folder, failure, seed
        self._media, self._state = folder / "media", folder / "state"
        self._rounds = rounds
        self._rng = Random(f"{failure} {seed}")
        self._actions = planned(files, Random(f"order {seed}"))
        self._log = folder / "stderr.log"
        self._report = Report()

    def run(self) -> Report:
        """Do the run and check what is left of it.

        Raises:
            NoDisk: nothing can be mounted here.
        """
        began_s = time.monotonic()
        with ExitStack() as stack:
            self._run_on(self._mounted(stack))
        self._report.duration_s = time.monotonic() - began_s
        return self._report

    def _mounted(self, stack: ExitStack) -> FailingDisk:
        match self._failure:
            case Failure.MEDIA_POWER_CUT:
                stack.enter_context(journalling_disk(self._media, 2 * DISK_BYTES))
                return PowerCut(self._media)
            case Failure.MEDIA_READ_ONLY:
                stack.enter_context(memory_disk(self._media, f"size={DISK_BYTES}"))
                return ReadOnly(self._media)
            case Failure.STATE_FULL:
                stack.enter_context(memory_disk(self._state, f"size={DISK_BYTES},mode=700"))
                return Full(self._state)
            case Failure.MEDIA_FULL:
                stack.enter_context(memory_disk(self._media, f"size={DISK_BYTES}"))
                return Full(self._media)

    def _run_on(self, disk: FailingDisk) -> None:
        report, watched = self._report, [self._media]
        factory = SoundFactory(self._folder, self._seed)
        activity = FileActivity(watched, factory, Random(f"acts {self._seed}"))
        valenced = Valenced(self._state, *SETTINGS)
        service = ObservedService(valenced, watched, self._log)
        try:
            service.start()
            service.wait_until_started()
            for number in range(self._rounds):
                # However fast it works, there is work left when the disk fails.
                service.freeze()
                self._act(activity, number)
                service.thaw()
                self._fail(disk, service, partial(self._act, activity, number))
                self._wait(disk, valenced)
                disk.repair()
            if self._failure is Failure.MEDIA_POWER_CUT:
                # What could not even be read is retried after a minute, or on request.
                service.stop()
                finish_all(valenced, watched, self._log)
            else:
                if not falls_to_zero(valenced, UNFINISHED, CATCHES_UP_WITHIN_S):
                    report.faults.append("it does not catch up by itself")
                service.stop()
        finally:
            service.thaw()
            service.kill()
            disk.repair()
        report.actions, report.files = activity.done, len(activity.expected)
        report.starts, report.crashes = service.starts, service.crashes
        report.stalls = self._stalls()
        report.faults += file_faults(valenced.catalogue, watched, activity.expected)

    def _act(self, activity: FileActivity, number: int) -> None:
        for action in share_of(self._actions, number, self._rounds):
            activity.act(action)
        # An open file keeps a disk from becoming read-only, and what other programs did not sync
        # is lost by their own fault.
        activity.finish()
        os.sync()

    def _fail(self, disk: FailingDisk, service: ObservedService, work: Callable[[], None]) -> None:
        """Let the disk fail while the service is frozen in the state that was hit least.

        One that was faster than its observer gets more `work` first.
        """
        aim = min(_AIMS, key=lambda state: (self._report.states[state], self._rng.random()))
        for _ in range(ATTEMPTS):
            if not service.wait_for(aim, PATIENCE_S):
                service.freeze()
            states = service.states()
            if states == {State.IDLE}:
                work()
            fails = disk.fail()
            service.thaw()
            if fails:
                self._report.states.update(states)
                return
            aim = self._rng.choice(_AIMS)
        self._report.faults.append("the disk could not be made to fail")

    def _wait(self, disk: FailingDisk, valenced: Valenced) -> None:
        """Keep the disk failing for some seconds, and until the service has noticed it."""
        began_s = time.monotonic()
        lasts_s = self._rng.uniform(*LASTS_S)
        while (waited_s := time.monotonic() - began_s) < lasts_s or (
            waited_s < UNNOTICED_FOR_S and not self._is_noticed(valenced)
        ):
            disk.keep_failing()
            time.sleep(POLL_S)
        self._report.reasons += _reasons(valenced)
        with suppress(sqlite3.Error):
            untagged = valenced.select(UNTAGGED)[0][0]
            self._report.untagged = max(self._report.untagged, untagged)

    def _is_noticed(self, valenced: Valenced) -> bool:
        # A power cut may come at a moment without a write, and then nothing fails.
        is_power_cut = self._failure is Failure.MEDIA_POWER_CUT
        return is_power_cut or bool(_reasons(valenced) or self._stalls())

    def _stalls(self) -> int:
        log = self._log.read_bytes()
        return sum(log.count(stall) for stall in _STALLS)


def _reasons(valenced: Valenced) -> Counter[str]:
    with suppress(sqlite3.Error):
        return Counter({os.fsdecode(why): count for why, count in valenced.select(_REASONS)})
    return Counter()
