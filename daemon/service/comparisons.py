"""Compares the folders with the catalogue, in short steps between the messages of the main loop."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from daemon.service.messages import EventsLost, Reconcile, ReconcileDue
from daemon.watch.folder_comparison import FolderComparison
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator
    from datetime import datetime
    from pathlib import Path

    from daemon.system.sd_notify import Notifier
    from daemon.watch.enqueue import Enqueuer
    from daemon.watch.watched_folders import WatchedFolders
    from storage.catalogue import Catalogue

log = logging.getLogger(__name__)

SLICE_S: Final = 0.05
"""For how long the main loop handles no message."""

LONG_S: Final = 10.0
"""A comparison that takes as long is worth a line in the log."""

REST_PER_WORK: Final = 9.0
"""For so many times its processor time, no periodic comparison follows one: a tenth of a core."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 600.0

LOST: Final = "the kernel dropped events"


@dataclass
class Pace:
    """Decides how soon a comparison may follow another.

    If the kernel drops events again soon after a comparison, each next one waits twice as long.
    """

    _rests_until_s: float = float("-inf")
    _pause_s: float = 0.0
    _calm_from_s: float = float("-inf")

    def ended(self, now_s: float, processor_s: float, *, after_loss: bool) -> None:
        """Note that a comparison ended now, what it cost, and whether lost events caused it."""
        rest_s = REST_PER_WORK * processor_s
        self._rests_until_s = now_s + rest_s
        if after_loss:
            doubled_s = max(2 * self._pause_s, FIRST_PAUSE_S)
            self._pause_s = max(min(doubled_s, LONGEST_PAUSE_S), rest_s)
            self._calm_from_s = now_s + 2 * self._pause_s

    def rests(self, now_s: float) -> bool:
        """Tell whether it is too early for a periodic comparison, the next of which suffices."""
        return now_s < self._rests_until_s

    def after_loss_s(self, now_s: float) -> float:
        """Return when the comparison may start that events lost now make necessary."""
        if now_s >= self._calm_from_s:
            self._pause_s = 0.0
        # It was set when the last comparison ended.
        return max(now_s, self._calm_from_s - self._pause_s) if self._pause_s else now_s


@dataclass
class Comparisons:
    """The comparison that is under way, and those that are asked for.

    Attributes:
        finished: called after each with the tag states whose clips may be written now.
        leftovers: folders with temporary files of interrupted writes, by the last comparison.
        unread: folders that it could not list, each with the reason.
    """

    enqueuer: Enqueuer
    folders: WatchedFolders
    catalogue: Catalogue
    notifier: Notifier
    clock: Callable[[], datetime]
    finished: Callable[[Collection[TagState]], None]
    monotonic: Callable[[], float] = time.monotonic
    processor_s: Callable[[], float] = time.thread_time
    leftovers: set[Path] = field(default_factory=set)
    unread: dict[Path, str] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    _asked: dict[str, Collection[TagState]] = field(default_factory=dict)
    _lost_due_s: float | None = None
    _run: _Run | None = None

    @property
    def is_busy(self) -> bool:
        """Whether one is under way, or may start at once."""
        return self._run is not None or bool(self._asked)

    def ask(self, reason: str, states: Collection[TagState] = (TagState.PENDING,)) -> None:
        """Compare once what is under way has ended; `states` are for `finished`."""
        self._asked[reason] = states

    def take(self, message: Reconcile | ReconcileDue | EventsLost) -> None:
        """Compare as a message says.

        A periodic comparison is left out if that before has cost too much to follow so soon.
        """
        match message:
            case Reconcile(reason):
                self.ask(reason)
            case ReconcileDue():
                if self._run is None and not self.pace.rests(self.monotonic()):
                    self.ask("interval elapsed")
            case EventsLost():
                self._events_lost()

    def _events_lost(self) -> None:
        if self._lost_due_s is None:
            now_s = self.monotonic()
            self._lost_due_s = self.pace.after_loss_s(now_s)
            if self._lost_due_s > now_s:
                wait_s = self._lost_due_s - now_s
                log.info("the kernel dropped events again; compared in %.0f s", wait_s)

    def abandon(self) -> None:
        """End what is under way; another must be asked for."""
        if self._run is not None:
            self._run.steps.close()
            self._run = None

    def timeout_s(self, now_s: float) -> float | None:
        """Return after how many seconds lost events are due; None if none were lost."""
        return None if self._lost_due_s is None else max(self._lost_due_s - now_s, 0.0)

    def work(self) -> None:
        """Start what is due, and go on with what is under way, for a moment.

        Raises:
            CatalogueError: it cannot be read or written; what was under way is abandoned.
        """
        now_s = self.monotonic()
        if self._lost_due_s is not None and now_s >= self._lost_due_s:
            self._lost_due_s = None
            self.ask(LOST)
        if self._run is None and self._asked:
            self._start()
        if self._run is not None:
            self._go_on(self._run, now_s + SLICE_S)

    def _go_on(self, run: _Run, until_s: float) -> None:
        began_s = self.processor_s()
        try:
            for _ in run.steps:
                if self.monotonic() > until_s:
                    run.used_s += self.processor_s() - began_s
                    return
            run.used_s += self.processor_s() - began_s
            self._finish(run)
        except CatalogueError:
            self._run = None
            self.ask("the last comparison failed", run.states)
            raise

    def _start(self) -> None:
        asked, self._asked = self._asked, {}
        reason = "; ".join(asked)
        log.debug("comparing the folders with the catalogue: %s", reason)
        self.notifier.status(f"comparing the folders with the catalogue: {reason}")
        found = FolderComparison()
        steps = self.enqueuer.reconciling(found, self.monotonic, self.folders.add)
        states = {state for some in asked.values() for state in some}
        self._run = _Run(found, steps, states, self.monotonic(), after_loss=LOST in asked)

    def _finish(self, run: _Run) -> None:
        found = run.found
        if self.folders.check_watches(found):
            self.ask("some directories seem to have no watch")
        self.catalogue.record_folders(self.folders.states(found, self.clock()))
        self._run = None
        self.leftovers, self.unread = found.leftovers, found.unreadable
        now_s = self.monotonic()
        self.pace.ended(now_s, run.used_s, after_loss=run.after_loss)
        log.log(
            logging.INFO if now_s - run.began_s >= LONG_S else logging.DEBUG,
            "compared the folders with the catalogue in %.1f s (%.1f s of processor time):"
            " %d files known, %d new, %d gone",
            now_s - run.began_s,
            run.used_s,
            found.known,
            found.queued,
            len(found.gone),
        )
        self.finished(run.states)


@dataclass
class _Run:
    found: FolderComparison
    steps: Generator[None, None, None]
    states: set[TagState]
    began_s: float
    after_loss: bool
    used_s: float = 0.0
