"""Builds the service from its parts, runs it, and undoes everything in reverse."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from daemon.admission import Admission
from daemon.bundles import put_in_service
from daemon.clock import utc_now
from daemon.crew import Crew
from daemon.duty import Duty
from daemon.filesystems import is_read_only
from daemon.folders import WatchedFolders
from daemon.intake import Intake
from daemon.mail import LookAtFolders, Mail, Reconcile, Stop, Touched
from daemon.mounts import NestedMounts
from daemon.processing import Processing
from daemon.progress import Reporter, Tally
from daemon.projection import Projection
from daemon.scheduling import slower_loops
from daemon.settling import Settler
from daemon.tagging.cleaning import clean_up
from daemon.watching import Watcher
from daemon.workers import Limits, Worker
from storage.catalogue import Catalogue
from storage.engine import only_writer
from storage.queries import Queries
from storage.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import FrameType

    from rich.console import Console

    from config.settings import Settings, WatchedFolder
    from storage.records import Clip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What one run is to do.

    Attributes:
        settings: all settings; each part gets its own section.
        url: the catalogue.
        registry: folder of the bundles.
        folders: what to watch or to look through.
        configured: the folders of the settings, whose `tags` counts wherever they are named.
        tags: False writes no tags at all.
        keep_watching: False ends after one pass.
        jobs: number of workers, 0 for one a processor.
    """

    settings: Settings
    url: str
    registry: Path
    folders: Sequence[WatchedFolder]
    configured: Sequence[WatchedFolder] = ()
    tags: bool = True
    keep_watching: bool = True
    jobs: int = 0

    def wants_tags(self, path: Path) -> bool:
        """Tell whether tags shall be written at a path."""
        if not self.tags or self.settings.tags.mode == "none":
            return False
        homes = [
            folder
            for folder in (*self.folders, *self.configured)
            if path.is_relative_to(folder.path)
        ]
        # The innermost folder decides, and of two opinions on one folder the more careful.
        return (
            bool(homes) and max(homes, key=lambda home: (len(home.path.parts), not home.tags)).tags
        )


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        done: number of files that got all the way.
        failed: number of files that did not.
        unsettled: files that a single pass did not wait for, because they kept changing.
    """

    done: int
    failed: int
    unsettled: Sequence[Path] = ()


def resolved(folder: WatchedFolder) -> WatchedFolder:
    """Return a folder under its real name: the kernel does not watch through a link."""
    return folder.model_copy(update={"path": folder.path.resolve()})


def remembered_mounts(folders: Sequence[WatchedFolder], catalogue: Catalogue) -> NestedMounts:
    """Return the disks inside some folders, with those that an earlier run saw there."""
    states = Queries(catalogue.engine).folders()
    return NestedMounts([folder.path for folder in folders], [state.path for state in states])


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
        tally = Tally()
        workers = _workers(plan)
        stack.callback(workers[0].close)
        duty = _wired(plan, catalogue, stack, workers, Reporter(tally, console), tally, clock)
        stack.enter_context(_stopping_on_signals(duty.mail))
        _start(plan, duty, stack, workers[0])
        ready(catalogue)
        duty.loop()
    return Outcome(tally.done, tally.failed, duty.unsettled)


def _wired(
    plan: Plan,
    catalogue: Catalogue,
    stack: ExitStack,
    workers: Sequence[Worker],
    reporter: Reporter,
    tally: Tally,
    clock: Callable[[], datetime],
) -> Duty:
    """Build the parts and hand each its collaborators."""
    settings = plan.settings
    mail: Mail = SimpleQueue()
    stack.callback(reporter.rest)
    bundle = put_in_service(plan.registry, catalogue, workers[0])
    projection = Projection(settings.tags, settings.mood, catalogue, clock)
    crew = Crew(
        workers,
        catalogue,
        Processing(catalogue, bundle, projection, plan.wants_tags, settings.watch.settle_s, clock),
        bundle=bundle.directory,
        clock=clock,
        finished=tally.count,
        ended=lambda broken_by: mail.put(Stop(broken_by)),
    )
    stack.callback(crew.stop)
    watcher = None
    if plan.keep_watching:
        watcher = Watcher(
            report=lambda path: mail.put(Touched(path)),
            lost=lambda: mail.put(Reconcile("the kernel dropped events")),
        )
        stack.callback(watcher.stop)
    mounts = remembered_mounts(plan.folders, catalogue)
    intake = Intake(
        [folder.path for folder in plan.folders],
        Admission(settings.watch.suffixes, settings.watch.ignore),
        Settler(settings.watch.settle_s),
        catalogue,
        mounts=mounts,
        clock=clock,
        queued=crew.wake,
        expected=crew.expect,
    )
    return Duty(
        mail=mail,
        folders=WatchedFolders(plan.folders, watcher, mounts),
        intake=intake,
        crew=crew,
        catalogue=catalogue,
        reporter=reporter,
        tally=tally,
        untagged=lambda states: _untagged(catalogue, plan, states),
        clock=clock,
        settle_s=settings.watch.settle_s,
        keep_watching=plan.keep_watching,
    )


def _start(plan: Plan, duty: Duty, stack: ExitStack, worker: Worker) -> None:
    """Start listening before looking, so that nothing falls between the two."""
    duty.catalogue.queue.take_up_again()
    duty.folders.start()
    if plan.keep_watching:
        stack.enter_context(
            slower_loops(
                reconcile=lambda: duty.mail.put(Reconcile("it is time")),
                reconcile_s=plan.settings.watch.reconcile_s,
                look_at_folders=lambda: duty.mail.put(LookAtFolders()),
            )
        )
    comparison = duty.reconcile("the service starts")
    for folder in sorted(comparison.littered):
        for cleaned in clean_up(folder, identify=worker.fingerprint):
            log.info("%s: %s", cleaned.path, cleaned.outcome)
    duty.crew.serve(duty.untagged(list(TagState)))
    duty.crew.start()


def _untagged(catalogue: Catalogue, plan: Plan, states: Collection[TagState]) -> list[Clip]:
    """Return the clips in some states whose tags are wanted but not written, and can be."""
    return [
        clip
        for state in states
        if state is not TagState.WRITTEN
        for clip in catalogue.clips_in(state)
        if plan.wants_tags(clip.path) and not (state is TagState.OFF and clip.tag_reason)
        # A large library that can only be read is not to be opened file by file every time.
        if not is_read_only(clip.path.parent)
    ]


def _workers(plan: Plan) -> list[Worker]:
    analysis = plan.settings.analysis
    count = plan.jobs or analysis.workers or len(os.sched_getaffinity(0))
    return [Worker(Limits.of(analysis)) for _ in range(count)]


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
