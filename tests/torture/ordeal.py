"""One run of the torture: others at work, kills in between, and what is left of it."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from random import Random
from typing import TYPE_CHECKING

from tests.daemon.driving import Valenced
from tests.torture.faulty import Ledger, through
from tests.torture.killing import State, Victim, kill_worker
from tests.torture.others import Others, planned
from tests.torture.stock import Stock
from tests.torture.verdict import faults

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATIENCE_S = 6.0
LONGEST_LIFE_S = 3.0
AIMED_SHARE = 0.7
SETTLING_ROUNDS = 6
PREY = {"service": 4, "service and workers": 2, "one worker": 4}
SETTINGS = ("watch.settle_s=0.3", "watch.reconcile_s=10", "analysis.workers=2")
PATIENCE_WITH_DISK_S = 60.0
LOOK_S = 0.2
LEFT = """
SELECT count(*) FROM (
    SELECT path FROM queue WHERE reason IS NULL OR path IN (SELECT path FROM clips)
    UNION SELECT path FROM clips
    WHERE tag_state IN ('pending', 'not written') AND missing_since IS NULL
)
"""
OWED = """
SELECT count(*) FROM clips WHERE tag_state IN ('pending', 'not written') AND missing_since IS NULL
"""
_OWING = OWED.replace("count(*)", "path, tag_reason")
_UNTRIED = "SELECT count(*) FROM queue WHERE reason IS NULL"


@dataclass
class Report:
    """What happened, and what was wrong in the end.

    Attributes:
        acts: what others did.
        kills: how often each prey was killed.
        states: in how many kills each state was there; several can be at once.
        files: left in the end, good and bad.
        starts: how often the service was started.
        polled: how often it said that it polls, because the kernel granted too few watches.
        failures: how often which call of the disk failed on purpose.
        owed: tags that could not be written when the disk began to work again; the most, if often.
        reasons: why not, each counted in clips.
        stood_still: how often it said that it waits for the catalogue.
        died: what it said when it ended by itself.
        faults: what is not as it must be.
        lasted_s: all of it.
    """

    acts: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    states: Counter[State] = field(default_factory=Counter)
    files: int = 0
    starts: int = 0
    polled: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    owed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    stood_still: int = 0
    died: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lasted_s: float = 0.0


class Ordeal:
    """The whole of it.

    Args:
        folder: an empty one; holds what is watched, the state and the log.
        files: how many arrive.
        kills: how many there are.
        seed: of everything that is left to chance.
        fault_rate: how probably each call of the disk fails while there are kills.
    """

    def __init__(
        self, folder: Path, files: int, kills: int, seed: int, fault_rate: float = 0.0
    ) -> None:
        self._watched = [folder / "music", folder / "sounds"]
        self._kills = kills
        self._fault_rate = fault_rate
        self._rng = Random(f"kills {seed}")
        self._acts = planned(files, Random(f"order {seed}"))
        self._others = Others(self._watched, Stock(folder, seed), Random(f"acts {seed}"))
        self._valenced = Valenced(folder / "state", *SETTINGS)
        self._log = folder / "stderr.log"
        self._ledger = Ledger(folder / "ledger")
        self._victim = Victim(
            self._valenced,
            self._watched,
            self._log,
            partial(through, self._ledger, fault_rate, seed) if fault_rate else None,
        )
        self._granted: SimpleQueue[str | None] = SimpleQueue()
        self._report = Report()
        self._ledger.path.touch()

    def run(self) -> Report:
        """Do it."""
        began_s = time.monotonic()
        report = self._report
        try:
            self._kill_while_others_work()
            if self._fault_rate:
                self._recover()
        finally:
            self._victim.kill()
        settle(self._valenced, self._watched, self._log)
        report.acts = self._others.done
        report.files = len(self._others.truths)
        report.polled = self._log.read_bytes().count(b"polled instead of watched")
        report.starts, report.died = self._victim.starts, self._victim.died
        report.faults += list(faults(self._valenced.catalogue, self._watched, self._others.truths))
        report.lasted_s = time.monotonic() - began_s
        return report

    def _kill_while_others_work(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            at_work = pool.submit(self._work)
            try:
                self._kill_often()
            finally:
                self._granted.put(None)
            at_work.result()

    def _work(self) -> None:
        while (act := self._granted.get()) is not None:
            self._others.act(act)
        self._others.leave()

    def _kill_often(self) -> None:
        for number in range(self._kills):
            first = number * len(self._acts) // self._kills
            for act in self._acts[first : (number + 1) * len(self._acts) // self._kills]:
                self._granted.put(act)
            self._victim.start()
            self._approach()
            self._strike()

    def _approach(self) -> None:
        """Wait for a state that was hit seldom, or for a moment of chance; leave it frozen."""
        if self._rng.random() < AIMED_SHARE:
            rarest = min(State, key=lambda state: (self._report.states[state], self._rng.random()))
            if self._victim.wait_for(rarest, PATIENCE_S):
                return
        else:
            time.sleep(self._rng.uniform(0, LONGEST_LIFE_S))
        self._victim.freeze()

    def _strike(self) -> None:
        self._report.states.update(self._victim.states())
        workers = self._victim.workers()
        (prey,) = self._rng.choices(list(PREY), list(PREY.values()))
        if prey == "one worker" and workers:
            kill_worker(self._rng.choice(workers))
            self._victim.thaw()
        else:
            prey = "service" if prey == "one worker" else prey
            self._victim.kill()
            for worker in workers if prey == "service and workers" else ():
                kill_worker(worker)
        self._report.kills[prey] += 1

    def _recover(self) -> None:
        """Let the disk work again, and see whether the service by itself writes what it owes."""
        self._victim.start()
        self._victim.wait_until_started()
        caught_up(self._valenced, _UNTRIED, PATIENCE_WITH_DISK_S)
        self._ledger.calm.touch()
        self._report.failures.update(self._ledger.path.read_text().splitlines())
        self._report.owed = self._valenced.select(OWED)[0][0]
        if not caught_up(self._valenced, OWED, PATIENCE_WITH_DISK_S):
            for path, reason in self._valenced.select(_OWING):
                self._report.faults.append(f"{path!r}: no tags though the disk works: {reason!r}")
        self._victim.stop()


def caught_up(valenced: Valenced, left: str, patience_s: float) -> bool:
    """Wait until a count in the catalogue comes down to nothing; tell whether it did."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        with suppress(sqlite3.Error):
            if valenced.select(left) == [(0,)]:
                return True
        time.sleep(LOOK_S)
    return False


def settle(valenced: Valenced, folders: Sequence[Path], log: Path) -> None:
    """Try again what failed and take in what is left, as a user would, until nothing is."""
    for _ in range(SETTLING_ROUNDS):
        _end(valenced, log, "retry")
        _end(valenced, log, "scan", *folders)
        if valenced.select(LEFT) == [(0,)]:
            return


def _end(valenced: Valenced, log: Path, *command: str | Path) -> None:
    with log.open("ab") as said:
        subprocess.run(
            valenced.line(*command),
            env=valenced._environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
            check=False,
        )
