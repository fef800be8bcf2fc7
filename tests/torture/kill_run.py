"""Kills the service and its processes again and again, while other programs change the files."""

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
from tests.torture.annotators import ACTIONS as LEARNING_ACTIONS
from tests.torture.annotators import Annotators, add_trained_bundle
from tests.torture.failing_disk_calls import FailureLog, command
from tests.torture.file_activity import ACTIONS, FileActivity, planned, share_of
from tests.torture.file_checks import file_faults
from tests.torture.learning_checks import learning_faults, living_jobs, unusable
from tests.torture.observed_service import LEARNING_STATES, POLL_S, ObservedService, State, send
from tests.torture.remaining_work import (
    NOT_RESCORED,
    TRAININGS,
    UNTAGGED,
    UNTAGGED_FILES,
    UNTRIED,
    falls_to_zero,
    finish_all,
    run_command,
)
from tests.torture.sound_factory import SoundFactory
from trainer.bundles.registry import published_name

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 6.0
PATIENCE_WITH_LEARNING_S = 30.0
LONGEST_LIFE_S = 3.0
CATCHES_UP_WITHIN_S = 300.0
JOBS_END_WITHIN_S = 60.0
AIMED_SHARE = 0.7
TARGETS = {"service": 4, "service and workers": 2, "one worker": 4, "job": 3}
SETTINGS = ("watch.settle_s=0.3", "watch.reconcile_s=10", "analysis.workers=2", "log.level=debug")
LEARNING_SETTINGS = ("retrain.min_annotations=1", "retrain.keep=2", "tags.step=1")
_PUBLISH = ("publish a bundle",)
LEADS_TO = {
    State.TRAINING: ("annotate", "request training"),
    State.PUBLISHED: _PUBLISH,
    State.RESCORING: _PUBLISH,
    State.RESCORED: _PUBLISH,
}
"""What users do to bring about a state that is aimed at."""


@dataclass
class Report:
    """What happened in a run, and which promises were broken.

    Attributes:
        actions: what other programs and users did.
        kills: how often each target was killed.
        states: at how many kills or disk failures each state held; several can hold at once.
        files: at the end, good and bad ones.
        starts: how often the service was started.
        polled: how often it reported that it polls, because the kernel granted too few watches.
        disk_errors: how often which call of the disk failed on purpose.
        untagged: clips without their tags when the disk worked again; the most, if that was often.
        reasons: why they had none, each counted in clips.
        trainings: outcomes of the trainings.
        stalls: how often the service reported that it waits for the disk or the catalogue.
        crashes: what it logged when it ended by itself.
        faults: broken promises, in a line each.
        duration_s: of the whole run.
    """

    actions: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    states: Counter[State] = field(default_factory=Counter)
    files: int = 0
    starts: int = 0
    polled: int = 0
    disk_errors: Counter[str] = field(default_factory=Counter)
    untagged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    trainings: Counter[str] = field(default_factory=Counter)
    stalls: int = 0
    crashes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    duration_s: float = 0.0


class KillRun:
    """One run.

    Args:
        folder: an empty one; holds the watched folders, the state and the log.
        files: how many new files arrive.
        kills: how many kills there are.
        seed: of all random choices.
        fault_rate: the probability with which each disk call fails while there are kills.
        learning: whether users annotate, train and change bundles.
    """

    def __init__(
        self,
        folder: Path,
        files: int,
        kills: int,
        seed: int,
        fault_rate: float = 0.0,
        *,
        learning: bool = False,
    ) -> None:
        self._watched = [folder / "music", folder / "sounds"]
        self._kills = kills
        self._fault_rate = fault_rate
        self._rng = Random(f"kills {seed}")
        shares = ACTIONS | LEARNING_ACTIONS if learning else ACTIONS
        self._actions = planned(files, Random(f"order {seed}"), shares)
        self._activity = FileActivity(
            self._watched, SoundFactory(folder, seed), Random(f"acts {seed}")
        )
        settings = (*SETTINGS, *LEARNING_SETTINGS) if learning else SETTINGS
        self._valenced = Valenced(folder / "state", *settings)
        self._registry = folder / "state" / "bundles"
        self._annotators: Annotators | None = None
        if learning:
            add_trained_bundle(self._registry, seed)
            self._annotators = Annotators(self._valenced, Random(f"people {seed}"))
        self._aims = [state for state in State if learning or state not in LEARNING_STATES]
        self._log = folder / "stderr.log"
        self._failure_log = FailureLog(folder / "disk errors")
        self._failure_log.path.touch()
        self._service = ObservedService(
            self._valenced,
            self._watched,
            self._log,
            partial(command, self._failure_log, fault_rate, seed) if fault_rate else None,
        )
        self._permitted: SimpleQueue[str | None] = SimpleQueue()
        self._report = Report()

    def run(self) -> Report:
        """Do the run and check what is left of it."""
        began_s = time.monotonic()
        report = self._report
        if self._annotators is not None:
            # Annotating needs a catalogue.
            run_command(self._valenced, self._log, "scan", *self._watched)
        try:
            self._kill_during_activity()
            if self._fault_rate:
                self._catch_up_on_tags()
            if self._annotators is not None:
                self._catch_up_on_learning(self._annotators)
        finally:
            self._service.thaw()
            self._service.kill()
        finish_all(self._valenced, self._watched, self._log)
        expected = self._activity.expected
        report.actions, report.files = self._activity.done, len(expected)
        report.polled = self._log.read_bytes().count(b"polled instead of watched")
        report.starts, report.crashes = self._service.starts, self._service.crashes
        report.faults += file_faults(self._valenced.catalogue, self._watched, expected)
        if self._annotators is not None:
            self._check_learning(self._annotators)
        report.duration_s = time.monotonic() - began_s
        return report

    def _kill_during_activity(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            activity = pool.submit(self._act)
            try:
                self._kill_repeatedly()
            finally:
                self._permitted.put(None)
            activity.result()

    def _act(self) -> None:
        while (action := self._permitted.get()) is not None:
            if self._annotators is not None and action in LEARNING_ACTIONS:
                self._annotators.act(action)
            else:
                self._activity.act(action)
        self._activity.finish()

    def _kill_repeatedly(self) -> None:
        for number in range(self._kills):
            for action in share_of(self._actions, number, self._kills):
                self._permitted.put(action)
            self._service.start()
            self._freeze()
            self._kill()

    def _freeze(self) -> None:
        """Freeze the service in the state that was hit least, or at a random moment."""
        if self._rng.random() < AIMED_SHARE:
            counts = self._report.states
            rarest = min(self._aims, key=lambda state: (counts[state], self._rng.random()))
            patience_s = PATIENCE_S
            if rarest in LEARNING_STATES:
                patience_s = PATIENCE_WITH_LEARNING_S
                for action in LEADS_TO[rarest]:
                    self._permitted.put(action)
            if self._service.wait_for(rarest, patience_s):
                return
        else:
            time.sleep(self._rng.uniform(0, LONGEST_LIFE_S))
        self._service.freeze()

    def _kill(self) -> None:
        """Kill a random target of the frozen service."""
        self._report.states.update(self._service.states())
        if published_name(self._registry) is not None:
            self._report.faults += unusable(self._registry)
        workers, jobs = self._service.workers(), list(self._service.jobs())
        (target,) = self._rng.choices(list(TARGETS), list(TARGETS.values()))
        processes = {"one worker": workers, "job": jobs}.get(target)
        if processes:
            send(self._rng.choice(processes), signal.SIGKILL)
            self._service.thaw()
        else:
            target = "service" if processes is not None else target
            self._service.kill()
            for worker in workers if target == "service and workers" else ():
                send(worker, signal.SIGKILL)
            self._wait_for_the_end_of(jobs)
        self._report.kills[target] += 1

    def _wait_for_the_end_of(self, jobs: list[int]) -> None:
        """Check that no job outlives the service."""
        for job in jobs:
            # One that was frozen before it asked for a signal at the service's end must run to see
            # that its parent is gone.
            send(job, signal.SIGCONT)
        until_s = time.monotonic() + JOBS_END_WITHIN_S
        while living := living_jobs(self._valenced.catalogue, jobs):
            if time.monotonic() > until_s:
                self._report.faults.append(f"jobs {living} outlive the service")
                return
            time.sleep(POLL_S)

    def _catch_up_on_tags(self) -> None:
        """End the disk errors, and check that the service writes the missing tags by itself."""
        self._service.start()
        self._service.wait_until_started()
        falls_to_zero(self._valenced, UNTRIED, CATCHES_UP_WITHIN_S)
        self._failure_log.stop_file.touch()
        self._report.disk_errors.update(self._failure_log.path.read_text().splitlines())
        self._report.untagged = self._valenced.select(UNTAGGED)[0][0]
        if not falls_to_zero(self._valenced, UNTAGGED, CATCHES_UP_WITHIN_S):
            for path, reason in self._valenced.select(UNTAGGED_FILES):
                self._report.faults.append(f"{path!r}: no tags though the disk works: {reason!r}")
        self._service.stop()

    def _catch_up_on_learning(self, annotators: Annotators) -> None:
        """Check that the service trains and rescores what is left by itself."""
        self._service.start()
        self._service.wait_until_started()
        annotators.finish()
        if not falls_to_zero(self._valenced, NOT_RESCORED, CATCHES_UP_WITHIN_S):
            self._report.faults.append("requested trainings or rescorings were not done")
        self._service.stop()

    def _check_learning(self, annotators: Annotators) -> None:
        """Train once more, which removes what killed trainings left, and check the results."""
        report, catalogue = self._report, self._valenced.catalogue
        run_command(self._valenced, self._log, "train", "--publish")
        finish_all(self._valenced, self._watched, self._log)
        report.actions += annotators.done
        report.trainings.update(
            {os.fsdecode(outcome): count for outcome, count in self._valenced.select(TRAININGS)}
        )
        report.faults += learning_faults(catalogue, self._registry, annotators)
        report.faults += [f"job {process} still runs" for process in living_jobs(catalogue)]
        if b"Traceback" in self._log.read_bytes():
            report.faults.append("a traceback in the log")
