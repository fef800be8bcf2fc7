"""Builds the service from its parts, runs it, and undoes everything in reverse."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from daemon.admission import Admission
from daemon.bundles import put_in_service
from daemon.crew import Crew
from daemon.intake import Intake
from daemon.processing import Processing
from daemon.progress import Reporter, Tally
from daemon.projection import Projection
from daemon.scheduling import slower_loops
from daemon.settling import Settler
from daemon.watching import Watcher
from daemon.workers import Worker
from storage.catalogue import Catalogue
from storage.engine import only_writer
from storage.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from rich.console import Console

    from config.settings import Settings, WatchedFolder
    from storage.records import Clip

log = logging.getLogger(__name__)

TICK_S = 0.5


@dataclass(frozen=True)
class Touched:
    """Something happened at this path."""

    path: Path


@dataclass(frozen=True)
class Reconcile:
    """The folders are to be compared with the catalogue."""


@dataclass(frozen=True)
class Stop:
    """The service is to end; `broken_by` if something broke, rather than somebody asked."""

    broken_by: BaseException | None = None


# A SimpleQueue may be filled from a signal handler; an Event or a Queue may not.
Mail = SimpleQueue[Touched | Reconcile | Stop]


@dataclass(frozen=True)
class Plan:
    """What one run is to do.

    Attributes:
        settings: all settings; each part gets its own section.
        url: the catalogue.
        registry: folder of the bundles.
        folders: what to watch or to look through.
        tags: False writes no tags at all.
        keep_watching: False ends after one pass.
        jobs: number of workers, 0 for one a processor.
    """

    settings: Settings
    url: str
    registry: Path
    folders: Sequence[WatchedFolder]
    tags: bool = True
    keep_watching: bool = True
    jobs: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a run did, in numbers of files: got all the way, and did not."""

    done: int
    failed: int


def utc_now() -> datetime:
    """Return the time, aware of its zone."""
    return datetime.now(UTC)


def run(
    plan: Plan,
    *,
    console: Console | None = None,
    clock: Callable[[], datetime] = utc_now,
    ready: Callable[[Catalogue], None] = lambda _: None,
) -> Outcome:
    """Run the service until a signal asks it to stop, or for one pass.

    Args:
        plan: what to do.
        console: a terminal for the progress bar.
        clock: the time, aware of its zone.
        ready: called when the folders are watched and the catalogue is open.

    Raises:
        CatalogueError: the catalogue cannot be opened, or another process works on it.
        BundleError: there is no bundle that can be put in service.
    """
    with ExitStack() as stack:
        stack.enter_context(only_writer(plan.url))
        catalogue = stack.enter_context(closing(Catalogue(plan.url)))
        mood = plan.settings.mood
        catalogue.set_mood_thresholds(mood.arousal_threshold, mood.valence_threshold)
        service = _Service(plan, catalogue, stack, console, clock)
        stack.enter_context(_stopping_on_signals(service.mail))
        service.start()
        ready(catalogue)
        return service.loop()


class _Service:
    """The parts of one run, wired together, and the loop that drives them."""

    def __init__(
        self,
        plan: Plan,
        catalogue: Catalogue,
        stack: ExitStack,
        console: Console | None,
        clock: Callable[[], datetime],
    ) -> None:
        settings = plan.settings
        self._plan = plan
        self._stack = stack
        self._catalogue = catalogue
        self._clock = clock
        self.mail: Mail = SimpleQueue()
        self._tally = Tally()
        self._reporter = Reporter(self._tally, console)
        stack.callback(self._reporter.rest)
        workers = [
            Worker(timeout_s=settings.analysis.timeout_s, nice=settings.analysis.nice)
            for _ in range(plan.jobs or settings.analysis.workers or _processors())
        ]
        stack.callback(workers[0].close)
        bundle = put_in_service(plan.registry, catalogue, workers[0])
        self._crew = Crew(
            workers,
            catalogue,
            Processing(
                catalogue,
                bundle,
                Projection(settings.tags, settings.mood, catalogue, clock),
                self._wants_tags,
                clock,
            ),
            bundle=bundle.directory,
            clock=clock,
            finished=self._tally.count,
            ended=lambda broken_by: self.mail.put(Stop(broken_by)),
        )
        self._intake = Intake(
            [folder.path for folder in plan.folders],
            Admission(settings.watch.suffixes, settings.watch.ignore),
            Settler(settings.watch.settle_s),
            catalogue,
            clock=clock,
            queued=self._crew.wake,
            expected=self._crew.expect,
        )

    def start(self) -> None:
        """Start listening before looking, so that nothing falls between the two."""
        watch = self._plan.settings.watch
        self._catalogue.queue.take_up_again()
        self._stack.callback(self._crew.stop)
        if self._plan.keep_watching:
            watcher = Watcher(lambda path: self.mail.put(Touched(path)))
            self._stack.callback(watcher.stop)
            watcher.watch(self._plan.folders)
            self._stack.enter_context(
                slower_loops(
                    reconcile=lambda: self.mail.put(Reconcile()), reconcile_s=watch.reconcile_s
                )
            )
        self._intake.reconcile(time.monotonic(), watch.settle_s)
        self._crew.start(self._untagged())

    def loop(self) -> Outcome:
        """Take in what is reported until told to stop."""
        watch = self._plan.settings.watch
        finishing = False
        while True:
            if not self._plan.keep_watching and not finishing and self._intake.next_due() is None:
                finishing = True
                self._crew.finish()
            for message in self._mail():
                match message:
                    case Stop(broken_by):
                        if broken_by is not None:
                            raise broken_by
                        return Outcome(self._tally.done, self._tally.failed)
                    case Touched(path):
                        self._intake.touched(path, time.monotonic())
                    case Reconcile():
                        self._intake.reconcile(time.monotonic(), watch.settle_s)
            self._intake.settle(time.monotonic())

    def _mail(self) -> list[Touched | Reconcile | Stop]:
        """Wait for mail, then take all there is: one file often gives many equal messages."""
        mail: list[Touched | Reconcile | Stop] = []
        try:
            mail.append(self.mail.get(timeout=self._patience_s()))
            while True:
                mail.append(self.mail.get_nowait())
        except Empty:
            return list(dict.fromkeys(mail))

    def _patience_s(self) -> float | None:
        """Return how long to wait for mail: for ever, while nothing is expected or in hand."""
        now_s = time.monotonic()
        waiting = self._catalogue.queue.waiting(self._clock())
        self._reporter.show(waiting, now_s)
        due_s = self._intake.next_due()
        until = [] if due_s is None else [max(due_s - now_s, 0.01)]
        if waiting:
            until.append(TICK_S)
        return min(until, default=None)

    def _wants_tags(self, path: Path) -> bool:
        if not self._plan.tags or self._plan.settings.tags.mode == "none":
            return False
        folder = next(
            (folder for folder in self._plan.folders if path.is_relative_to(folder.path)), None
        )
        return folder is not None and folder.tags

    def _untagged(self) -> list[Clip]:
        """Return the clips below our folders whose tags are wanted but not written."""
        return [
            clip
            for state in (TagState.PENDING, TagState.OFF, TagState.NOT_WRITTEN)
            for clip in self._catalogue.clips_in(state)
            if self._wants_tags(clip.path) and not (state is TagState.OFF and clip.tag_reason)
        ]


def _processors() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def _stopping_on_signals(mail: Mail) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        mail.put(Stop())

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
