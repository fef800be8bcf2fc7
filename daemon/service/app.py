"""Runs the service: opens the catalogue, starts the parts, and closes them in reverse order."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from daemon.clock import correct_future_times, utc_now
from daemon.cluster.hearing_team import cluster_hearers
from daemon.pipeline.claimed_file import RETRY_DELAYS
from daemon.service.assembly import Assembly
from daemon.service.bundle_follower import BundleWait
from daemon.service.main_parts import start_main_parts
from daemon.service.messages import (
    CheckFolders,
    MaintenanceDue,
    MessageQueue,
    ReconcileDue,
    RetrainDue,
    RoleChanged,
    Stop,
)
from daemon.service.progress import ProgressReporter
from daemon.service.reload import Reloader
from daemon.service.run_config import ActiveConfig
from daemon.service.scheduler import (
    CHECK_CALENDAR_S,
    CHECK_FOLDERS_S,
    CHECK_SHARED_S,
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
from daemon.system.passed_sockets import passed_listener
from daemon.system.sd_notify import Notifier
from daemon.tagging.disk.leases import keep_capabilities_from_children
from daemon.tagging.recovery import clean_up
from daemon.watch.file_state import stamp_at
from daemon.wording import counted
from daemon.worker.bundle_preparing import BundlePreparer
from daemon.worker.worker_client import WorkerClient
from storage.catalogue import Catalogue
from storage.schema.catalogue_errors import CatalogueBusy
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from socket import socket

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
    ready: Callable[[Sequence[Path]], None] = lambda _: None,
    notifier: Notifier | None = None,
    read_config: Callable[[], RunConfig] | None = None,
) -> RunResult:
    """Run the service until a signal stops it, or for one pass.

    `ready` is called with the folders once they are watched. `read_config` reads the configuration
    again when SIGHUP comes; without it, that signal stops the run.

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
        if not access.is_main and not config.keep_watching:
            raise CatalogueBusy(
                f"{config.url}: a service works on this catalogue;"
                " it finds new files in its folders"
            )
        service = _Service(
            ActiveConfig(config), access, notifier, clock, console, ready, read_config
        )
        if config.keep_watching:
            passed = passed_listener(config.settings.page.listen, os.environ)
            service.passed = stack.enter_context(passed)
        messages = service.messages
        access.when_changed(
            lost=lambda error: messages.put(Stop(error)),
            gained=lambda: messages.put(Stop(RoleChanged())),
        )
        while True:
            try:
                return service.run()
            except RoleChanged:
                log.info("the role or the folders of this service changed; its parts start again")


@dataclass
class _Service:
    """Runs the parts that this service has by its present place among others.

    Attributes:
        passed: a socket for the page that systemd has opened.
        began_at: since when features are fresh that were to be renewed.
    """

    active: ActiveConfig
    access: ServiceAccess
    notifier: Notifier
    clock: Callable[[], datetime]
    console: Console | None
    ready: Callable[[Sequence[Path]], None]
    read_config: Callable[[], RunConfig] | None
    passed: socket | None = None
    messages: MessageQueue = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.began_at = self.clock()

    def run(self) -> RunResult:
        """Run until stopped; raises RoleChanged if the parts must be built again."""
        config, access = self.active.config, self.access
        is_main, reloads = access.is_main, self.read_config is not None
        with ExitStack() as stack:
            catalogue = stack.enter_context(closing(Catalogue(config.url, service=access.name)))
            workers = _workers(config)
            stack.callback(workers[0].close)
            if not is_main:
                wait = BundleWait(catalogue, access, self.messages, self.notifier)
                with signals_as_messages(self.messages, reloads=reloads):
                    if not wait.wait(config.registry, BundlePreparer(workers[0], self.notifier)):
                        return RunResult(0, 0)
            self._take_folders(catalogue)
            readers = _readers(config, workers, stack)
            progress = ProgressReporter(self.console, says_when_done=config.keep_watching)
            loop = Assembly(
                self.active,
                catalogue,
                stack,
                workers,
                readers,
                progress,
                self.notifier,
                self.clock,
                self.messages,
                access,
                is_main,
            ).event_loop()
            if not is_main:
                bundle = loop.consumers.pipeline.bundle.name
                log.info("another service is the main one; this one predicts by %s, too", bundle)
            stack.enter_context(signals_as_messages(self.messages, reloads=reloads))
            self._start(loop, stack, workers[0])
            self.ready(loop.folders.roots)
            self.notifier.ready()
            loop.run()
            self.notifier.stopping()
            self.notifier.status("finishing the files being processed")
        return RunResult(
            loop.stats.processed, loop.stats.failed, loop.unsettled, loop.comparisons.unread
        )

    def _take_folders(self, catalogue: Catalogue) -> None:
        """Ask for the folders, and claim the files in them alone where others have others."""
        roots = self.active.roots()
        self.access.ask_for(roots)
        if self.access.name is not None:
            catalogue.queue.folders = roots

    def _start(self, loop: EventLoop, stack: ExitStack, worker: WorkerClient) -> None:
        """Start the parts: watching before the first scan, so that no change falls between."""
        config, catalogue = self.active.config, loop.catalogue
        renew_page = start_main_parts(self.active, loop, stack, self.passed)
        catalogue.queue.release_claims()
        correct_future_times(catalogue, self.clock(), RETRY_DELAYS[-1])
        loop.folders.start()
        if config.keep_watching:
            scheduler = stack.enter_context(running_scheduler(_periodic_jobs(config, loop)))
            if self.read_config is not None:
                set_reconcile_s = partial(change_interval, scheduler, "reconcile")
                loop.reload = Reloader(
                    self.read_config, self.active, loop, self.access, set_reconcile_s, renew_page
                )
            # Retraining or rescoring that was killed continues now, not at the next interval.
            loop.messages.put(CheckFolders())
        else:
            loop.retraining.catch_up()
        if config.again:
            known = catalogue.rescoring.analyse_below(
                self.active.roots(), self.began_at, is_there=lambda path: stamp_at(path) is not None
            )
            log.info("%s will be analysed again", counted(known, "known file"))
        if loop.compare_first():
            loop.messages.put(Stop())
            return
        for cleaned in clean_up(
            loop.comparisons.leftovers,
            catalogue.begun_writes,
            audio_hash=lambda file: worker.read_back(file).audio_hash,
            is_own=self.access.holds,
        ):
            log.info("%s: %s", cleaned.path, cleaned.outcome)
        loop.enqueue_tags(list(TagState))
        loop.consumers.start()


def _periodic_jobs(config: RunConfig, loop: EventLoop) -> Iterator[PeriodicJob]:
    """Yield the jobs of the scheduler; each only sends a message to the event loop."""
    reconcile_s, schedule = config.settings.watch.reconcile_s, config.settings.retrain.schedule
    messages = loop.messages
    # Others put files into the queue of a server.
    check_s = CHECK_FOLDERS_S if loop.catalogue.queue.folders is None else CHECK_SHARED_S
    yield PeriodicJob("reconcile", lambda: messages.put(ReconcileDue()), reconcile_s)
    yield PeriodicJob("check folders", lambda: messages.put(CheckFolders()), check_s)
    if loop.notes is None:
        return
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
