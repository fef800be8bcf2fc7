"""The event loop of one run: handles each message, and waits for the next."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from daemon.clock import correct_future_times
from daemon.monitoring.waiting_count import WaitingCount
from daemon.service.comparisons import Comparisons
from daemon.service.messages import (
    CheckFolders,
    EventsLost,
    MaintenanceDue,
    Message,
    MessageQueue,
    PathChanged,
    Reconcile,
    ReconcileDue,
    Reload,
    RetrainDue,
    next_messages,
    stops,
)
from daemon.service_errors import WorkerError
from storage.database.maintenance import maintain
from storage.jobs import LEARN
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from pathlib import Path

    from config.errors import ValencedError
    from daemon.clock import ClockWatch
    from daemon.monitoring.status_notes import StatusNotes
    from daemon.pipeline.consumers import ConsumerPool
    from daemon.pipeline.run_stats import RunStats
    from daemon.service.bundle_follower import BundleFollower
    from daemon.service.progress import ProgressReporter
    from daemon.service.retrain_control import RetrainControl
    from daemon.sharing.tag_handover import TagHandover
    from daemon.system.sd_notify import Notifier
    from daemon.watch.enqueue import Enqueuer
    from daemon.watch.single_pass import SinglePass
    from daemon.watch.watched_folders import WatchedFolders
    from storage.catalogue import Catalogue

log = logging.getLogger(__name__)

TICK_S = 0.5
RETRY_S = 5.0


@dataclass
class EventLoop:
    """The event loop and the parts that it drives.

    Attributes:
        enqueue_tags: gives the consumers the clips in some states whose tags must be written.
        retraining: of the main service; another one follows its bundles.
        handover: says when others have left tags to this service.
        notes: what other processes are told of the main service; None in another one.
        single_pass: ends the run once every file was tried; None keeps watching.
        hang_after_s: how long a consumer may take for one task before it counts as hung.
        reload: applies the present settings; returns why they were refused, None if they were not.
        confinement: returns what confines the workers, None while none has read a file.
        unsettled: files that a single pass stopped waiting for, because they kept changing.
    """

    messages: MessageQueue
    folders: WatchedFolders
    enqueuer: Enqueuer
    consumers: ConsumerPool
    catalogue: Catalogue
    progress: ProgressReporter
    enqueue_tags: Callable[[Collection[TagState]], None]
    retraining: RetrainControl | BundleFollower
    handover: TagHandover
    notes: StatusNotes | None
    clock: Callable[[], datetime]
    clock_watch: ClockWatch
    single_pass: SinglePass | None
    stats: RunStats
    notifier: Notifier
    hang_after_s: float
    reload: Callable[[], str | None] = lambda: None
    confinement: Callable[[], str | None] = lambda: None
    unsettled: list[Path] = field(default_factory=list)
    monotonic: Callable[[], float] = time.monotonic
    _refused: str | None = None
    _waits_no_more: bool = False

    def heartbeat(self) -> None:
        """Report that the loop is alive; while a consumer hangs, let the supervisor restart us."""
        now_s = self.monotonic()
        self.stats.heartbeat()
        stuck = self.consumers.stuck(now_s, self.hang_after_s)
        if stuck is None:
            self.notifier.heartbeat(now_s)
        elif stuck != self.stats.stuck:
            log.critical("%s hangs: busy with one task for %g s", stuck, self.hang_after_s)
        self.stats.stuck = stuck

    @cached_property
    def comparisons(self) -> Comparisons:
        """The comparisons of the folders with the catalogue."""
        return Comparisons(
            self.enqueuer,
            self.folders,
            self.catalogue,
            self.notifier,
            self.clock,
            finished=self.enqueue_tags,
            monotonic=self.monotonic,
        )

    @cached_property
    def waiting(self) -> WaitingCount:
        """Counts the files that wait."""
        return WaitingCount(lambda: self.catalogue.queue.waiting(self.clock()), self.monotonic)

    def compare_first(self) -> bool:
        """Handle messages until the folders were compared once; return whether to stop."""
        self.comparisons.ask("the service starts", ())
        while self.comparisons.is_busy:
            self.heartbeat()
            if self.handle(next_messages(self.messages, 0.0)):
                return True
            self.comparisons.work()
        return False

    def run(self) -> None:
        """Handle messages until one says stop.

        While the catalogue cannot be written, because its disk is full for example, the loop waits
        and tries again; a reconcile then finds what was reported meanwhile.

        Raises:
            Exception: whatever broke a consumer.
        """
        while not self._run_once():
            pass
        if self._waits_no_more:
            # Known only now that the consumers have ended: a postponed file is claimed at times.
            self.unsettled = sorted({*self.enqueuer.unsettled(), *self.catalogue.queue.untried()})

    def _run_once(self) -> bool:
        """Handle the messages that there are, and return whether to stop."""
        self.heartbeat()
        messages: list[Message] = []
        try:
            if self.single_pass is not None:
                self._end_if_done(self.single_pass, self.monotonic())
            messages = next_messages(self.messages, self._timeout_s())
            if self.handle(messages):
                return True
            self.comparisons.work()
            self.stats.problem = None
        except (CatalogueError, WorkerError) as error:
            return self._waits_after(error, messages)
        return False

    def handle(self, messages: list[Message]) -> bool:
        """Handle some messages, queue the files that have settled, and return whether to stop.

        Stop comes first: what else fails is found again at the next start. Reload comes next, since
        nothing would repeat it.
        """
        if stops(messages):
            return True
        for message in sorted(messages, key=lambda message: not isinstance(message, Reload)):
            self.heartbeat()
            match message:
                case PathChanged(path):
                    self.enqueuer.path_changed(path, self.monotonic())
                case Reconcile() | ReconcileDue() | EventsLost():
                    self.comparisons.take(message)
                case CheckFolders():
                    self._check_folders()
                case Reload():
                    self._reload()
                case RetrainDue():
                    self.catalogue.jobs.request(LEARN, self.clock())
                case MaintenanceDue():
                    is_idle = not self.catalogue.queue.waiting(self.clock())
                    log.debug("catalogue: %s", maintain(self.catalogue.url, is_idle=is_idle))
        self.enqueuer.settle(self.monotonic())
        return False

    def _waits_after(self, error: ValencedError, handled: list[Message]) -> bool:
        """Wait until the next attempt, without using the catalogue; return whether to stop.

        The reconcile that follows finds what is reported meanwhile. What it does not find, of the
        messages that were handled as well, is sent again.
        """
        # That another service has taken over is no reason to wait.
        if stops(handled):
            return True
        if str(error) != self.stats.problem:
            log.error("waiting for the catalogue, tried again each %g s: %s", RETRY_S, error)
        self.stats.problem = str(error)
        self.notifier.status(f"waiting for the catalogue: {error}")
        again: set[Message] = {*handled} & {RetrainDue()}
        until_s = self.monotonic() + RETRY_S
        while (rest_s := until_s - self.monotonic()) > 0:
            messages = next_messages(self.messages, rest_s)
            if stops(messages):
                return True
            again |= {*messages} & {RetrainDue(), Reload()}
        for message in (*again, Reconcile("the catalogue could not be used")):
            self.messages.put(message)
        return False

    def _end_if_done(self, single_pass: SinglePass, now_s: float) -> None:
        """Let the consumers end once there is nothing to wait for, or it was waited long enough."""
        if self.comparisons.is_busy:
            return
        if self.enqueuer.next_due() is None:
            self.consumers.stop_when_all_tried()
        waiting = self.waiting()
        if not self._waits_no_more and single_pass.is_overdue(self.stats.attempts, waiting, now_s):
            self._waits_no_more = True
            self.consumers.stop_when_idle()

    def _reload(self) -> None:
        self.notifier.reloading()
        try:
            self._refused = self.reload()
            self._store_notes()
        except CatalogueError:
            self.messages.put(Reload())
            raise
        finally:
            self.notifier.ready()

    def _check_clock(self) -> None:
        step_s = self.clock_watch.step_s()
        if step_s:
            direction = "forward" if step_s > 0 else "back"
            log.info("the clock was set %s by %.0f s", direction, abs(step_s))
            correct_future_times(self.catalogue, self.clock())
            self.comparisons.ask("the clock was set")

    def _check_folders(self) -> None:
        """Look for what sends no event: a disk that is back, a retry that another process asked."""
        self._check_clock()
        if self.folders.refresh():
            # What could not be written there before may be possible now.
            self.comparisons.ask("a folder went away or came back", list(TagState))
        if self.waiting():
            self.consumers.wake()
        elif not self.stats.busy:
            self.handover.request_left()
        if self.handover.is_requested():
            self.enqueue_tags([TagState.PENDING])
        self.retraining.check()
        self._store_notes()

    def _store_notes(self) -> None:
        if self.notes is not None:
            paused, problem = self.stats.paused, self.retraining.problem
            self.notes.store(paused, problem, self._refused, self.confinement())

    def _timeout_s(self) -> float | None:
        """Show progress; return how long to wait for messages, None without limit."""
        if self.comparisons.is_busy:
            return 0.0
        now_s = self.monotonic()
        waiting = self.waiting()
        unfinished = self.unfinished(waiting)
        self.progress.show(self.stats.attempts, unfinished, now_s)
        self.notifier.status(self._status(waiting))
        due_s = self.enqueuer.next_due()
        timeouts_s = [] if due_s is None else [max(due_s - now_s, 0.01)]
        if (work_s := self.comparisons.timeout_s(now_s)) is not None:
            timeouts_s.append(work_s)
        if unfinished or self.single_pass is not None:
            timeouts_s.append(TICK_S)
        if self.notifier.watchdog_interval_s is not None:
            timeouts_s.append(self.notifier.watchdog_interval_s)
        return min(timeouts_s, default=None)

    def unfinished(self, waiting: int) -> int:
        """Number of files that wait or are in work, as one whose tags are being written is."""
        return max(waiting, self.stats.busy)

    def _status(self, waiting: int) -> str:
        counts = f"{self.stats.processed} processed, {self.stats.failed} failed since the start"
        status = f"watching {len(self.folders.roots)} folders, nothing to do; {counts}"
        if waiting:
            status = f"analysing: {waiting} files waiting, {counts}"
        return f"{status}; {self._refused}" if self._refused else status
