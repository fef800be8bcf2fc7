"""The main loop of one run: takes in what is reported, and drives what follows from it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import TYPE_CHECKING

from daemon.service.messages import (
    CheckFolders,
    MaintenanceDue,
    Message,
    MessageQueue,
    PathChanged,
    Reconcile,
    Reload,
    RetrainDue,
    Stop,
)
from daemon.service_errors import WorkerError
from storage.database.maintenance import maintain
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import TagState
from storage.service_notes import BUNDLE, PAUSED, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime
    from pathlib import Path

    from daemon.pipeline.consumers import ConsumerPool
    from daemon.pipeline.run_stats import RunStats
    from daemon.service.progress import ProgressReporter
    from daemon.service.retrain_control import RetrainControl
    from daemon.system.sd_notify import Notifier
    from daemon.watch.enqueue import Enqueuer
    from daemon.watch.scanner import FolderComparison
    from daemon.watch.watched_folders import WatchedFolders
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip

log = logging.getLogger(__name__)

TICK_S = 0.5
PAUSE_S = 5.0
LONGEST_PATIENCE_S = 60.0


class SinglePass:
    """Tells when a single pass has waited long enough for files that keep changing.

    Args:
        settle_s: how long a file must be silent, in seconds.
    """

    def __init__(self, settle_s: float) -> None:
        self._patience_s = settle_s + min(9 * settle_s, LONGEST_PATIENCE_S)
        self._attended = -1
        self._progress_at_s = 0.0

    def is_overdue(self, attended: int, waiting: int, now_s: float) -> bool:
        """Tell whether nothing has come of waiting for too long.

        Args:
            attended: number of files finished so far.
            waiting: number of files due or in hand; while there are any, there is hope.
            now_s: the monotonic clock.
        """
        if attended != self._attended:
            self._attended, self._progress_at_s = attended, now_s
        return not waiting and now_s - self._progress_at_s > self._patience_s


@dataclass
class EventLoop:
    """The collaborators of the main loop, and the loop.

    Attributes:
        mail: what it is told.
        folders: what is watched.
        intake: between folders and queue.
        crew: between queue and catalogue.
        catalogue: takes how the folders stand.
        reporter: shows progress.
        needing_tags: lists the clips in some states whose tags are wanted but not written yet.
        clock: the time, aware of its zone.
        single_pass: ends the run once every file was tried; None keeps watching.
        learning: takes up annotations and new bundles.
        notifier: tells the supervisor how it is.
        longest_s: how long a consumer may take for one thing before it counts as hung.
        reload: puts the settings in force as they are now, or tells why those before stay.
        vitals: the counts of the run; told that the loop comes round, and what stands in its way.
        unsettled: files that a single pass stopped waiting for, because they kept changing.
        monotonic: the monotonic clock, in seconds.
    """

    mail: MessageQueue
    folders: WatchedFolders
    intake: Enqueuer
    crew: ConsumerPool
    catalogue: Catalogue
    reporter: ProgressReporter
    needing_tags: Callable[[Collection[TagState]], Iterable[Clip]]
    clock: Callable[[], datetime]
    single_pass: SinglePass | None
    learning: RetrainControl
    notifier: Notifier
    longest_s: float
    vitals: RunStats
    reload: Callable[[], str | None] = lambda: None
    unsettled: list[Path] = field(default_factory=list)
    monotonic: Callable[[], float] = time.monotonic
    _refused: str | None = None
    _stuck: str | None = None
    _noted: tuple[str | None, ...] = (None, None, None)

    def alive(self) -> None:
        """Give a sign of life, unless a consumer hangs: the supervisor shall start us anew."""
        now_s = self.monotonic()
        self.vitals.heartbeat()
        before, self._stuck = self._stuck, self.crew.stuck(now_s, self.longest_s)
        self.vitals.stuck = self._stuck
        if self._stuck is None:
            self.notifier.heartbeat(now_s)
        elif self._stuck != before:
            log.critical("%s hangs: busy with one thing for %g s", self._stuck, self.longest_s)

    def reconcile(self, reason: str) -> FolderComparison:
        """Compare the folders with the catalogue, and record how they stand."""
        log.debug("comparing the folders with the catalogue: %s", reason)
        self.notifier.status(f"comparing the folders with the catalogue: {reason}")
        comparison = self.intake.reconcile(self.monotonic(), self.alive)
        if self.folders.check_watches(comparison):
            self.mail.put(Reconcile("some directories seem to have no watch"))
        self.catalogue.record_folders(self.folders.states(comparison, self.clock()))
        return comparison

    def loop(self) -> None:
        """Do what the mail says until it says stop.

        A catalogue that cannot be written, because its disk is full perhaps, is waited for; what
        was reported meanwhile is found by the reconcile that follows.

        Raises:
            Exception: whatever broke a consumer.
        """
        while True:
            self.alive()
            try:
                if self.single_pass is not None:
                    self._approach(self.single_pass, self.monotonic())
                if self._turn(self._mail(self._patience_s())):
                    return
                self.vitals.problem = None
            except (CatalogueError, WorkerError) as error:
                self.vitals.problem = str(error)
                log.error("waiting %g s for the catalogue: %s", PAUSE_S, error)  # noqa: TRY400 - one line is enough
                self.notifier.status(f"waiting for the catalogue: {error}")
                mail = self._mail(PAUSE_S)
                if self._turn([message for message in mail if isinstance(message, Stop)]):
                    return
                if Reload() in mail:
                    self.mail.put(Reload())
                self.mail.put(Reconcile("the catalogue was in trouble"))

    def _approach(self, end: SinglePass, now_s: float) -> None:
        """Let the crew end once there is nothing left to wait for, or no use in waiting."""
        if self.intake.next_due() is None:
            self.crew.stop_when_all_tried()
        waiting = self.catalogue.queue.waiting(self.clock())
        if not self.unsettled and end.is_overdue(self.vitals.attempts, waiting, now_s):
            left = {*self.intake.unsettled(), *self.catalogue.queue.untried()}
            self.unsettled = sorted(left)
            self.crew.stop_when_idle()

    def _turn(self, mail: list[Message]) -> bool:
        """Do what some mail says, queue what has settled, and tell whether it is time to stop.

        A wish to stop comes first: what came before it may fail, and is found again at the start.
        So does one for other settings, which nothing would repeat.
        """
        order = {Stop: 0, Reload: 1}
        for message in sorted(mail, key=lambda message: order.get(type(message), 2)):
            self.alive()
            match message:
                case Stop(broken_by):
                    if broken_by is not None:
                        raise broken_by
                    return True
                case PathChanged(path):
                    self.intake.path_changed(path, self.monotonic())
                case Reconcile(reason):
                    self.reconcile(reason)
                    self.crew.add_untagged(self.needing_tags([TagState.PENDING]))
                case CheckFolders():
                    self._look_around()
                case Reload():
                    self._reload()
                case RetrainDue():
                    self.learning.wish()
                case MaintenanceDue():
                    is_idle = not self.catalogue.queue.waiting(self.clock())
                    log.debug("catalogue: %s", maintain(self.catalogue.url, is_idle=is_idle))
        self.intake.settle(self.monotonic())
        return False

    def _reload(self) -> None:
        self.notifier.reloading()
        try:
            self._refused = self.reload()
            self._note()
        except CatalogueError:
            self.mail.put(Reload())
            raise
        finally:
            self.notifier.ready()

    def _look_around(self) -> None:
        """Notice what no event tells: a disk that is back, a retry asked for by another process."""
        if self.folders.refresh():
            self.reconcile("a folder went away or came back")
            # What could not be written there before may be possible now.
            self.crew.add_untagged(self.needing_tags(list(TagState)))
        if self.catalogue.queue.waiting(self.clock()):
            self.crew.wake()
        self.learning.look()
        self._note()

    def _note(self) -> None:
        """Leave word for whoever looks in from outside; the disk is touched by changes only."""
        noted = (self.vitals.paused, self.learning.trouble, self._refused)
        if noted != self._noted:
            for about, said in zip((PAUSED, BUNDLE, SETTINGS), noted, strict=True):
                self.catalogue.notes.set(about, said, self.clock())
            self._noted = noted

    def _mail(self, patience_s: float | None) -> list[Message]:
        """Wait for mail, then take all there is: one file often gives many equal messages."""
        mail: list[Message] = []
        try:
            mail.append(self.mail.get(timeout=patience_s))
            while True:
                mail.append(self.mail.get_nowait())
        except Empty:
            return list(dict.fromkeys(mail))

    def _patience_s(self) -> float | None:
        """Return how long to wait for mail: for ever, while nothing is expected or in hand."""
        now_s = self.monotonic()
        waiting = self.catalogue.queue.waiting(self.clock())
        self.reporter.show(self.vitals.attempts, waiting, now_s)
        self.notifier.status(self._doing(waiting))
        due_s = self.intake.next_due()
        until = [] if due_s is None else [max(due_s - now_s, 0.01)]
        if waiting or self.single_pass is not None:
            until.append(TICK_S)
        if self.notifier.watchdog_interval_s is not None:
            until.append(self.notifier.watchdog_interval_s)
        return min(until, default=None)

    def _doing(self, waiting: int) -> str:
        tally = f"{self.vitals.processed} taken in since the start, {self.vitals.failed} put off"
        if waiting:
            doing = f"hearing: {waiting} files to go, {tally}"
        else:
            doing = f"watching {len(self.folders.roots)} folders, nothing to do; {tally}"
        return f"{doing}; {self._refused}" if self._refused else doing
