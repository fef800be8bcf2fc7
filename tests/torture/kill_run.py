"""One run of the torture: others at work, kills in between, and what is left of it."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from random import Random
from typing import TYPE_CHECKING

from tests.driving import Valenced
from tests.torture.annotators import ACTS as LESSON_ACTS
from tests.torture.annotators import People, teach
from tests.torture.failing_disk_calls import Ledger, through
from tests.torture.file_activity import ACTS, Others, planned
from tests.torture.file_checks import faults
from tests.torture.learning_checks import lesson_faults, outliving, unusable
from tests.torture.observed_service import GLANCE_S, LESSONS, State, Victim, send
from tests.torture.remaining_work import (
    OWED,
    OWING,
    TRAININGS,
    UNLEARNED,
    UNTRIED,
    caught_up,
    end,
    settle,
)
from tests.torture.sound_factory import Stock
from trainer.bundles.registry import published_name

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 6.0
LONGEST_LIFE_S = 3.0
AIMED_SHARE = 0.7
PREY = {"service": 4, "service and workers": 2, "one worker": 4, "errand": 3}
SETTINGS = (
    "watch.settle_s=0.3",
    "watch.reconcile_s=10",
    "analysis.workers=2",
    "log.level=debug",
)
LESSON_SETTINGS = ("retrain.min_annotations=1", "retrain.keep=2", "tags.step=1")
PATIENCE_WITH_DISK_S = 60.0
PATIENCE_WITH_LESSONS_S = 30.0
PATIENCE_IN_THE_END_S = 180.0
DIES_WITHIN_S = 10.0
_OTHER_BUNDLE = ("publish a bundle",)
LEADS_TO = {
    State.LEARNING: ("annotate", "wish to learn"),
    State.PUBLISHED: _OTHER_BUNDLE,
    State.SCORING: _OTHER_BUNDLE,
    State.MOVED: _OTHER_BUNDLE,
}


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
        trainings: how often learning came to what.
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
    trainings: Counter[str] = field(default_factory=Counter)
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
        lessons: whether people annotate, teach and change bundles.
    """

    def __init__(
        self,
        folder: Path,
        files: int,
        kills: int,
        seed: int,
        fault_rate: float = 0.0,
        *,
        lessons: bool = False,
    ) -> None:
        self._watched = [folder / "music", folder / "sounds"]
        self._kills = kills
        self._fault_rate = fault_rate
        self._rng = Random(f"kills {seed}")
        shares = ACTS | LESSON_ACTS if lessons else ACTS
        self._acts = planned(files, Random(f"order {seed}"), shares)
        self._others = Others(self._watched, Stock(folder, seed), Random(f"acts {seed}"))
        self._valenced = Valenced(
            folder / "state", *SETTINGS, *(LESSON_SETTINGS if lessons else ())
        )
        self._registry = folder / "state" / "bundles"
        self._people: People | None = None
        if lessons:
            teach(self._registry, seed)
            self._people = People(self._valenced, Random(f"people {seed}"))
        self._aims = [state for state in State if lessons or state not in LESSONS]
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
        if self._people is not None:
            # There is nothing to annotate without a catalogue.
            end(self._valenced, self._log, "scan", *self._watched)
        try:
            self._kill_while_others_work()
            if self._fault_rate:
                self._recover()
            if self._people is not None:
                self._learn_on()
        finally:
            self._victim.thaw()
            self._victim.kill()
        settle(self._valenced, self._watched, self._log)
        report.acts = self._others.done
        report.files = len(self._others.truths)
        report.polled = self._log.read_bytes().count(b"polled instead of watched")
        report.starts, report.died = self._victim.starts, self._victim.died
        report.faults += list(faults(self._valenced.catalogue, self._watched, self._others.truths))
        if self._people is not None:
            self._examine(self._people)
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
            if self._people is not None and act in LESSON_ACTS:
                self._people.act(act)
            else:
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
            counts = self._report.states
            rarest = min(self._aims, key=lambda state: (counts[state], self._rng.random()))
            patience_s = PATIENCE_S
            if rarest in LESSONS:
                patience_s = PATIENCE_WITH_LESSONS_S
                for act in LEADS_TO[rarest]:
                    self._granted.put(act)
            if self._victim.wait_for(rarest, patience_s):
                return
        else:
            time.sleep(self._rng.uniform(0, LONGEST_LIFE_S))
        self._victim.freeze()

    def _strike(self) -> None:
        self._report.states.update(self._victim.states())
        if published_name(self._registry) is not None:
            self._report.faults += unusable(self._registry)
        workers, errands = self._victim.workers(), list(self._victim.errands())
        (prey,) = self._rng.choices(list(PREY), list(PREY.values()))
        targets = {"one worker": workers, "errand": errands}.get(prey)
        if targets:
            send(self._rng.choice(targets), signal.SIGKILL)
            self._victim.thaw()
        else:
            prey = "service" if targets is not None else prey
            self._victim.kill()
            for worker in workers if prey == "service and workers" else ():
                send(worker, signal.SIGKILL)
            self._bury(errands)
        self._report.kills[prey] += 1

    def _bury(self, errands: list[int]) -> None:
        """See that no errand outlives the service."""
        # One that we froze before it could ask to die with the service has to see that it is alone.
        for errand in errands:
            send(errand, signal.SIGCONT)
        until = time.monotonic() + DIES_WITHIN_S
        while living := outliving(self._valenced.catalogue, errands):
            if time.monotonic() > until:
                self._report.faults.append(f"errands {living} outlive the service")
                return
            time.sleep(GLANCE_S)

    def _learn_on(self) -> None:
        """See whether the service takes up the rest by itself."""
        self._victim.start()
        self._victim.wait_until_started()
        assert self._people is not None
        self._people.leave()
        if not caught_up(self._valenced, UNLEARNED, PATIENCE_IN_THE_END_S):
            self._report.faults.append("what was to be learned or scored again was not taken up")
        self._victim.stop()

    def _examine(self, people: People) -> None:
        """Learn once more, which tidies up after killed ones, and judge what came of it all."""
        report, catalogue = self._report, self._valenced.catalogue
        end(self._valenced, self._log, "train", "--publish")
        settle(self._valenced, self._watched, self._log)
        report.acts += people.done
        report.trainings.update(
            {os.fsdecode(outcome): count for outcome, count in self._valenced.select(TRAININGS)}
        )
        report.faults += lesson_faults(catalogue, self._registry, people)
        report.faults += [f"errand {pid} still lives" for pid in outliving(catalogue)]
        if b"Traceback" in self._log.read_bytes():
            report.faults.append("a traceback in what the service said")

    def _recover(self) -> None:
        """Let the disk work again, and see whether the service by itself writes what it owes."""
        self._victim.start()
        self._victim.wait_until_started()
        caught_up(self._valenced, UNTRIED, PATIENCE_WITH_DISK_S)
        self._ledger.calm.touch()
        self._report.failures.update(self._ledger.path.read_text().splitlines())
        self._report.owed = self._valenced.select(OWED)[0][0]
        if not caught_up(self._valenced, OWED, PATIENCE_WITH_DISK_S):
            for path, reason in self._valenced.select(OWING):
                self._report.faults.append(f"{path!r}: no tags though the disk works: {reason!r}")
        self._victim.stop()
