"""One run of the torture: others at work, kills in between, and what is left of it."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from random import Random
from typing import TYPE_CHECKING

from tests.daemon.driving import Valenced
from tests.torture.killing import State, Victim, kill_worker
from tests.torture.others import Others, planned
from tests.torture.stock import Stock
from tests.torture.verdict import faults

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 6.0
LONGEST_LIFE_S = 3.0
AIMED_SHARE = 0.7
SETTLING_ROUNDS = 6
PREY = {"service": 4, "service and workers": 2, "one worker": 4}
_LEFT = """
SELECT count(*) FROM (
    SELECT path FROM queue WHERE reason IS NULL OR path IN (SELECT path FROM clips)
    UNION SELECT path FROM clips
    WHERE tag_state IN ('pending', 'not written') AND missing_since IS NULL
)
"""


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
    """

    def __init__(self, folder: Path, files: int, kills: int, seed: int) -> None:
        self._watched = [folder / "music", folder / "sounds"]
        self._kills = kills
        self._rng = Random(f"kills {seed}")
        self._acts = planned(files, Random(f"order {seed}"))
        self._others = Others(self._watched, Stock(folder, seed), Random(f"acts {seed}"))
        self._valenced = Valenced(folder / "state", "watch.settle_s=0.3", "analysis.workers=2")
        self._victim = Victim(self._valenced, self._watched, folder / "stderr.log")
        self._log = folder / "stderr.log"
        self._granted: SimpleQueue[str | None] = SimpleQueue()
        self._report = Report()

    def run(self) -> Report:
        """Do it."""
        began_s = time.monotonic()
        report = self._report
        with ThreadPoolExecutor(1) as pool:
            at_work = pool.submit(self._work)
            try:
                self._kill_often()
            finally:
                self._granted.put(None)
                self._victim.kill()
            at_work.result()
        self._settle()
        report.acts = self._others.done
        report.files = len(self._others.truths)
        report.polled = self._log.read_bytes().count(b"polled instead of watched")
        report.starts, report.died = self._victim.starts, self._victim.died
        report.faults = list(faults(self._valenced.catalogue, self._watched, self._others.truths))
        report.lasted_s = time.monotonic() - began_s
        return report

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

    def _settle(self) -> None:
        for _ in range(SETTLING_ROUNDS):
            self._end("retry")
            self._end("scan", *self._watched)
            with closing(sqlite3.connect(self._valenced.catalogue)) as catalogue:
                if catalogue.execute(_LEFT).fetchone() == (0,):
                    return

    def _end(self, *command: str | Path) -> None:
        with self._log.open("ab") as log:
            subprocess.run(
                self._valenced.line(*command),
                env=self._valenced._environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                check=False,
            )
