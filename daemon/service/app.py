"""Runs the service: opens the catalogue, starts the parts, and closes them in reverse order."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from daemon.clock import utc_now
from daemon.cluster.hearing_team import cluster_hearers
from daemon.monitoring.status_replies import StatusReplies
from daemon.pipeline.claimed_file import RETRY_DELAYS
from daemon.querying.kept_playlists import kept_playlists
from daemon.querying.playlist_keeper import PlaylistKeeper
from daemon.service.assembly import Assembly
from daemon.service.helper import Helper
from daemon.service.messages import CheckFolders, MaintenanceDue, ReconcileDue, RetrainDue, Stop
from daemon.service.page_of_run import served_page
from daemon.service.progress import ProgressReporter
from daemon.service.reload import Reloader
from daemon.service.run_config import ActiveConfig
from daemon.service.scheduler import (
    CHECK_CALENDAR_S,
    CHECK_FOLDERS_S,
    MAINTENANCE_S,
    CalendarJob,
    PeriodicJob,
    change_interval,
    cron_trigger,
    running_scheduler,
)
from daemon.service.signals import signals_as_messages
from daemon.sharing.service_access import service_access
from daemon.system.cpu_quota import usable_processors
from daemon.system.sd_notify import Notifier
from daemon.tagging.disk.leases import keep_capabilities_from_children
from daemon.tagging.disk.syscalls import DiskCalls
from daemon.tagging.recovery import clean_up
from daemon.worker.worker_client import WorkerClient
from storage.catalogue import Catalogue
from storage.schema.catalogue_errors import CatalogueBusy
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from rich.console import Console

    from daemon.service.event_loop import EventLoop
    from daemon.service.run_config import RunConfig
    from daemon.sharing.service_access import ServiceAccess
    from daemon.worker.sound_reader import SoundReader

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """Numbers of files processed and failed, and what a single pass left out.

    Attributes:
        unsettled: files that it did not wait for.
        unread: folders that could not be listed, each with the reason.
    """

    processed: int
    failed: int
    unsettled: Sequence[Path] = ()
    unread: Mapping[Path, str] = field(default_factory=dict)


def run(
    config: RunConfig,
    *,
    console: Console | None = None,
    clock: Callable[[], datetime] = utc_now,
    ready: Callable[[], None] = lambda: None,
    notifier: Notifier | None = None,
    read_config: Callable[[], RunConfig] | None = None,
) -> RunResult:
    """Run the service until a signal stops it, or for one pass.

    `ready` is called when the folders are watched. `read_config` reads the configuration again when
    SIGHUP comes; without it, that signal stops the run.

    Raises:
        CatalogueError: the catalogue cannot be opened, or another process uses it.
        BundleError: no bundle can be used.
        BackupError: a restore was interrupted, and what it left cannot be understood.
        SettingsError: `page.listen` is no address.
        ListenError: that address is in use.
        ClusterError: a single pass is to use a cluster, and it cannot be used.
    """
    notifier = notifier or Notifier()
    if os.geteuid() == 0:
        log.warning(
            "running as root: who takes over a process that reads a crafted file gets its rights;"
            " run valenced as a user of its own, as `sudo valenced install` sets it up"
        )
    keep_capabilities_from_children()
    with ExitStack() as stack:
        stack.callback(notifier.close)
        notifier.status("opening the catalogue")
        access = stack.enter_context(service_access(config.url, config.registry))
        if not access.is_main:
            reloads = read_config is not None
            helped = _helped(config, access, notifier, clock, reloads=reloads)
            if helped is not None:
                return helped
        catalogue = stack.enter_context(closing(Catalogue(config.url, service=access.name)))
        mood = config.settings.mood
        catalogue.set_mood_thresholds(mood.arousal_threshold, mood.valence_threshold)
        workers = _workers(config)
        stack.callback(workers[0].close)
        readers = _readers(config, workers, stack)
        active = ActiveConfig(config)
        progress = ProgressReporter(console, says_when_done=config.keep_watching)
        loop = Assembly(
            active, catalogue, stack, workers, readers, progress, notifier, clock
        ).event_loop()
        access.when_lost(lambda error: loop.messages.put(Stop(error)))
        stack.enter_context(signals_as_messages(loop.messages, reloads=read_config is not None))
        replies = StatusReplies(catalogue, active.reconcile_s, clock, loop.stats)
        renew_page = stack.enter_context(served_page(active, replies))
        _start(active, loop, stack, workers[0], read_config, renew_page)
        ready()
        notifier.ready()
        loop.run()
        notifier.stopping()
        notifier.status("finishing the files being processed")
    return RunResult(
        loop.stats.processed, loop.stats.failed, loop.unsettled, loop.comparisons.unread
    )


def _helped(
    config: RunConfig,
    access: ServiceAccess,
    notifier: Notifier,
    clock: Callable[[], datetime],
    *,
    reloads: bool,
) -> RunResult | None:
    """Help the main service; return what was done when stopped, None once this is the main one."""
    if not config.keep_watching:
        raise CatalogueBusy(
            f"{config.url}: a service works on this catalogue; it finds new files in its folders"
        )
    with ExitStack() as stack:
        workers = _workers(config)
        stack.callback(workers[0].close)
        helper = Helper(config, access, workers, notifier, clock)
        if helper.run(reloads=reloads):
            return None
        notifier.stopping()
    return RunResult(helper.stats.processed, helper.stats.failed)


def _start(
    active: ActiveConfig,
    loop: EventLoop,
    stack: ExitStack,
    worker: WorkerClient,
    read_config: Callable[[], RunConfig] | None,
    renew_page: Callable[[], None],
) -> None:
    """Start the parts: watching before the first scan, so that no change falls between the two."""
    catalogue = loop.catalogue
    catalogue.queue.release_claims()
    loop.correct_future_times(RETRY_DELAYS[-1])
    catalogue.notes.clear()
    loop.folders.start()
    if active.config.keep_watching:
        keeper = _playlist_keeper(active.config)
        stack.callback(keeper.stop)
        keeper.start()
        jobs = _periodic_jobs(active.config, loop)
        scheduler = stack.enter_context(running_scheduler(jobs))
        if read_config is not None:
            set_reconcile_s = partial(change_interval, scheduler, "reconcile")
            loop.reload = Reloader(read_config, active, loop, set_reconcile_s, renew_page)
        # Retraining or rescoring that was killed continues now, not at the next interval.
        loop.messages.put(CheckFolders())
    else:
        loop.retraining.catch_up()
    if loop.compare_first():
        loop.messages.put(Stop())
        return
    for cleaned in clean_up(
        loop.comparisons.leftovers,
        catalogue.begun_writes,
        audio_hash=lambda file: worker.read_back(file).audio_hash,
    ):
        log.info("%s: %s", cleaned.path, cleaned.outcome)
    loop.enqueue_tags(list(TagState))
    loop.consumers.start()


def _periodic_jobs(config: RunConfig, loop: EventLoop) -> Iterator[PeriodicJob]:
    """Yield the jobs of the scheduler; each only sends a message to the event loop."""
    reconcile_s, schedule = config.settings.watch.reconcile_s, config.settings.retrain.schedule
    messages = loop.messages
    yield PeriodicJob("reconcile", lambda: messages.put(ReconcileDue()), reconcile_s)
    yield PeriodicJob("check folders", lambda: messages.put(CheckFolders()), CHECK_FOLDERS_S)
    yield PeriodicJob("maintenance", lambda: messages.put(MaintenanceDue()), MAINTENANCE_S)
    if schedule:
        # The name is stored in the catalogue.
        learn = CalendarJob(
            "learn",
            lambda: messages.put(RetrainDue()),
            cron_trigger(schedule),
            loop.catalogue.jobs,
            loop.clock,
        )
        learn.check()
        yield PeriodicJob("calendar", learn.check, CHECK_CALENDAR_S)


def _playlist_keeper(config: RunConfig) -> PlaylistKeeper:
    """Return what keeps the playlists of the settings up to date.

    Raises:
        SettingsError: a query is wrong, or a file may not be where it is.
    """
    own = config.registry.parent / "playlists"
    allowed = [own, *(folder.path for folder in config.folders)]
    settings = config.settings
    playlists = kept_playlists(settings.playlist, settings.mood, allowed)
    if any(playlist.file.is_relative_to(own) for playlist in playlists):
        own.mkdir(mode=0o700, exist_ok=True)
    return PlaylistKeeper(config.url, playlists, DiskCalls())


def _workers(config: RunConfig) -> list[WorkerClient]:
    analysis = config.settings.analysis
    count = config.jobs or analysis.workers or usable_processors()
    return [WorkerClient(analysis) for _ in range(count)]


def _readers(
    config: RunConfig, workers: Sequence[WorkerClient], stack: ExitStack
) -> Sequence[SoundReader]:
    """Return what reads the sounds of each consumer: the workers themselves, or a cluster."""
    if not config.cluster:
        return workers
    analysis = config.settings.analysis
    # A single pass fails without its cluster; the service works here until it can connect.
    is_required = not config.keep_watching
    team = cluster_hearers(analysis, config.cluster, workers, is_required=is_required)
    return stack.enter_context(team)
