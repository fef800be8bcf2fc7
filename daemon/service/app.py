"""Builds the service from its parts, runs it, and undoes everything in reverse."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from daemon.backup.restore_archive import exclusive_access
from daemon.clock import utc_now
from daemon.install.sandbox_check import sandbox_problem
from daemon.monitoring.endpoints import serve_endpoints
from daemon.pipeline.active_bundle import load_published
from daemon.pipeline.consumers import ConsumerPool
from daemon.pipeline.run_stats import RunStats
from daemon.pipeline.stages import Pipeline
from daemon.pipeline.tag_edits import tag_edits_for
from daemon.pipeline.tag_sync import TagSync
from daemon.pipeline.worker_client import WorkerClient, WorkerLimits
from daemon.service.background_job import JobCommands
from daemon.service.event_loop import EventLoop, SinglePass
from daemon.service.messages import (
    CheckFolders,
    MaintenanceDue,
    MessageQueue,
    PathChanged,
    Reconcile,
    RetrainDue,
    Stop,
)
from daemon.service.progress import ProgressReporter
from daemon.service.reload import Reloader
from daemon.service.retrain_control import RetrainControl
from daemon.service.run_config import ActiveConfig, clips_needing_tags
from daemon.service.scheduler import (
    LOOK_S,
    UPKEEP_S,
    PeriodicJob,
    change_interval,
    cron_trigger,
    running_scheduler,
)
from daemon.service.signals import signals_as_messages
from daemon.system.cpu_quota import usable_processors
from daemon.system.load_throttle import LoadThrottle
from daemon.system.sd_notify import Notifier
from daemon.tagging.disk.recovery import clean_up
from daemon.training_data.annotation_folder import AnnotationFolder
from daemon.watch.enqueue import Enqueuer
from daemon.watch.file_filter import FileFilter
from daemon.watch.nested_mounts import remembered_mounts
from daemon.watch.watched_folders import WatchedFolders
from daemon.watch.watcher import Watcher
from storage.catalogue import Catalogue
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from rich.console import Console

    from daemon.pipeline.active_bundle import ActiveBundle
    from daemon.service.run_config import RunConfig

log = logging.getLogger(__name__)

REQUESTS_A_FILE, MARGIN_S = 5, 60.0
"""How many limited requests one file may cost, and what its tags may take besides, in seconds."""


@dataclass(frozen=True)
class RunResult:
    """Numbers of files processed and failed, and those a single pass did not wait for."""

    processed: int
    failed: int
    unsettled: Sequence[Path] = ()


def run(
    plan: RunConfig,
    *,
    console: Console | None = None,
    clock: Callable[[], datetime] = utc_now,
    ready: Callable[[Catalogue], None] = lambda _: None,
    notifier: Notifier | None = None,
    read: Callable[[], RunConfig] | None = None,
) -> RunResult:
    """Run the service until a signal asks it to stop, or for one pass.

    Args:
        plan: what to do.
        console: a terminal for the progress bar.
        clock: the time, aware of its zone.
        ready: called when the folders are watched and the catalogue is open.
        notifier: tells a supervisor how it is; None if there is none.
        read: makes the plan anew, for SIGHUP; None lets that signal end the run.

    Raises:
        CatalogueError: the catalogue cannot be opened, or another process works on it.
        BundleError: there is no bundle that can be put in service.
        BackupError: a restore was interrupted, and what it left cannot be understood.
        SettingsError: there is no such address as `page.listen`.
        ListenError: that address is taken.
    """
    notifier = notifier or Notifier()
    with ExitStack() as stack:
        stack.callback(notifier.close)
        stack.enter_context(exclusive_access(plan.url, plan.registry))
        notifier.status("opening the catalogue")
        catalogue = stack.enter_context(closing(Catalogue(plan.url)))
        mood = plan.settings.mood
        catalogue.set_mood_thresholds(mood.arousal_threshold, mood.valence_threshold)
        workers = _workers(plan)
        stack.callback(workers[0].close)
        reporter = ProgressReporter(console)
        in_force = ActiveConfig(plan)
        duty = _wired(in_force, catalogue, stack, workers, reporter, notifier, clock)
        stack.enter_context(signals_as_messages(duty.mail, reloads=read is not None))
        if plan.keep_watching:
            listen = plan.settings.page.listen
            stack.enter_context(
                serve_endpoints(listen, catalogue, in_force.reconcile_s, duty.vitals, clock)
            )
        _start(in_force, duty, stack, workers[0], read)
        ready(catalogue)
        notifier.ready()
        duty.loop()
        notifier.stopping()
        notifier.status("finishing what is in hand")
    return RunResult(duty.vitals.processed, duty.vitals.failed, duty.unsettled)


def _wired(
    in_force: ActiveConfig,
    catalogue: Catalogue,
    stack: ExitStack,
    workers: Sequence[WorkerClient],
    reporter: ProgressReporter,
    notifier: Notifier,
    clock: Callable[[], datetime],
) -> EventLoop:
    """Build the parts and hand each its collaborators."""
    plan = in_force.config
    settings = plan.settings
    mail: MessageQueue = SimpleQueue()
    vitals = RunStats(len(workers))
    stack.callback(reporter.hide)
    bundle = load_published(plan.registry, catalogue, workers[0].prepare)
    projection = TagSync(settings.tags, settings.mood, catalogue, clock)
    processing = Pipeline(
        catalogue,
        bundle,
        projection,
        in_force.wants_tags,
        in_force.settle_s,
        clock,
        tag_edits_for(settings, catalogue, clock),
    )
    crew = ConsumerPool(
        workers,
        catalogue,
        processing,
        clock=clock,
        throttle=LoadThrottle(settings.analysis.max_load, settings.analysis.on_battery),
        stats=vitals,
        ended=lambda broken_by: mail.put(Stop(broken_by)),
    )
    stack.callback(crew.stop)
    watcher = None
    if plan.keep_watching:
        watcher = Watcher(
            report=lambda path: mail.put(PathChanged(path)),
            overflowed=lambda: mail.put(Reconcile("the kernel dropped events")),
        )
        stack.callback(watcher.stop)
    mounts = remembered_mounts(plan.folders, catalogue)
    intake = Enqueuer(
        [folder.path for folder in plan.folders],
        FileFilter(settings.watch.suffixes, settings.watch.ignore),
        in_force.settle_s,
        catalogue,
        mounts=mounts,
        clock=clock,
        queued=crew.wake,
        expected=crew.expect_file,
    )
    duty = EventLoop(
        mail=mail,
        folders=WatchedFolders(
            plan.folders,
            watcher,
            mounts,
            restriction=lambda path: sandbox_problem(path, writes=in_force.wants_tags(path)),
        ),
        intake=intake,
        crew=crew,
        catalogue=catalogue,
        reporter=reporter,
        needing_tags=lambda states: clips_needing_tags(catalogue, in_force.config, states),
        learning=_learning(in_force, catalogue, bundle, crew, processing, clock),
        clock=clock,
        single_pass=None if plan.keep_watching else SinglePass(settings.watch.settle_s),
        vitals=vitals,
        notifier=notifier,
        longest_s=REQUESTS_A_FILE * settings.analysis.timeout_s + MARGIN_S,
    )
    stack.callback(duty.learning.stop)
    return duty


def _learning(
    in_force: ActiveConfig,
    catalogue: Catalogue,
    bundle: ActiveBundle,
    crew: ConsumerPool,
    processing: Pipeline,
    clock: Callable[[], datetime],
) -> RetrainControl:
    plan = in_force.config
    settings = plan.settings

    def take_up(other: ActiveBundle) -> None:
        processing.bundle = other

    annotations = catalogue.annotations
    return RetrainControl(
        catalogue,
        AnnotationFolder(plan.annotations, annotations, in_force.settle_s, clock),
        JobCommands(
            plan.url, plan.registry, plan.corpora, settings.retrain.keep, settings.tags.step
        ),
        bundle,
        fewest=settings.retrain.min_annotations,
        clock=clock,
        take_up=take_up,
        retag=lambda: crew.add_untagged(
            clips_needing_tags(catalogue, in_force.config, [TagState.PENDING])
        ),
    )


def _start(
    in_force: ActiveConfig,
    duty: EventLoop,
    stack: ExitStack,
    worker: WorkerClient,
    read: Callable[[], RunConfig] | None,
) -> None:
    """Start listening before looking, so that nothing falls between the two."""
    plan = in_force.config
    duty.catalogue.queue.release_claims()
    duty.catalogue.notes.clear()
    duty.folders.start()
    if plan.keep_watching:
        errands = duty.catalogue.jobs
        loops = _loops(plan, duty.mail)
        scheduler = stack.enter_context(running_scheduler(loops, errands, duty.clock))
        if read is not None:
            duty.reload = Reloader(
                read,
                in_force,
                duty,
                every_s=partial(change_interval, scheduler, "reconcile"),
            )
        # What was being learned or scored again when we were killed shall not wait for the loop.
        duty.mail.put(CheckFolders())
    else:
        duty.learning.catch_up()
    comparison = duty.reconcile("the service starts")
    for folder in sorted(comparison.leftovers):
        for cleaned in clean_up(folder, reader=worker.read_back):
            log.info("%s: %s", cleaned.path, cleaned.outcome)
    duty.crew.add_untagged(duty.needing_tags(list(TagState)))
    duty.crew.start()


def _loops(plan: RunConfig, mail: MessageQueue) -> Iterator[PeriodicJob]:
    """Yield what recurs; each only tells the main loop."""
    reconcile_s, schedule = plan.settings.watch.reconcile_s, plan.settings.retrain.schedule
    yield PeriodicJob("reconcile", lambda: mail.put(Reconcile("it is time")), every_s=reconcile_s)
    yield PeriodicJob("look at folders", lambda: mail.put(CheckFolders()), every_s=LOOK_S)
    yield PeriodicJob("upkeep", lambda: mail.put(MaintenanceDue()), every_s=UPKEEP_S)
    if schedule:
        yield PeriodicJob(
            "learn", lambda: mail.put(RetrainDue()), schedule=cron_trigger(schedule), lasts=True
        )


def _workers(plan: RunConfig) -> list[WorkerClient]:
    analysis = plan.settings.analysis
    count = plan.jobs or analysis.workers or usable_processors()
    return [WorkerClient(WorkerLimits.of(analysis)) for _ in range(count)]
