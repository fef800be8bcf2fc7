"""Builds the parts of the service and connects them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from daemon.clock import ClockWatch
from daemon.cluster.hearing_team import longest_s
from daemon.install.sandbox_check import sandbox_problem
from daemon.monitoring.status_notes import StatusNotes
from daemon.pipeline.consumers import ConsumerPool
from daemon.pipeline.file_rights import FileRights
from daemon.pipeline.run_stats import RunStats
from daemon.pipeline.stages import Pipeline
from daemon.pipeline.tag_edits import tag_edits_for
from daemon.pipeline.tag_sync import TagSync
from daemon.service.bundle_follower import BundleFollower, bundle_of_main
from daemon.service.event_loop import EventLoop
from daemon.service.messages import (
    CheckFolders,
    EventsLost,
    MessageQueue,
    PathChanged,
    RoleChanged,
    Stop,
)
from daemon.service.retrain_control import RetrainControl
from daemon.service.run_config import clips_needing_tags
from daemon.sharing.bundle_sharing import share, take_over_unknown
from daemon.sharing.service_access import ServiceAccess
from daemon.sharing.tag_handover import TagHandover
from daemon.system.load_throttle import LoadThrottle
from daemon.watch.enqueue import Enqueuer
from daemon.watch.file_filter import FileFilter
from daemon.watch.nested_mounts import remembered_mounts
from daemon.watch.single_pass import SinglePass
from daemon.watch.watched_folders import WatchedFolders
from daemon.watch.watcher import Watcher
from daemon.worker.active_bundle import load_published
from daemon.worker.bundle_preparing import BundlePreparer
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import ExitStack
    from datetime import datetime
    from pathlib import Path

    from config.settings import FolderSettings
    from daemon.service.progress import ProgressReporter
    from daemon.service.run_config import ActiveConfig
    from daemon.system.sd_notify import Notifier
    from daemon.watch.nested_mounts import NestedMounts
    from daemon.worker.active_bundle import ActiveBundle
    from daemon.worker.sound_reader import SoundReader
    from daemon.worker.worker_client import WorkerClient
    from storage.catalogue import Catalogue

REQUESTS_A_FILE, MARGIN_S = 5, 60.0
"""The most requests with a time limit that one file costs, and what its tags may take besides."""


@dataclass(frozen=True)
class Assembly:
    """Builds the event loop of one run with all its parts; `stack` closes them in reverse order.

    The `workers` are the processes of this machine; each of the `readers` serves one consumer, by
    such a process or by a cluster. Of the folders, those are watched that `access` holds.
    """

    active: ActiveConfig
    catalogue: Catalogue
    stack: ExitStack
    workers: Sequence[WorkerClient]
    readers: Sequence[SoundReader]
    progress: ProgressReporter
    notifier: Notifier
    clock: Callable[[], datetime]
    messages: MessageQueue = field(default_factory=SimpleQueue)
    access: ServiceAccess = field(default_factory=ServiceAccess)
    is_main: bool = True

    def event_loop(self) -> EventLoop:
        """Build everything; nothing is started yet.

        Raises:
            BundleError: no bundle can be used.
            RoleChanged: the main service predicts by another bundle than this one can.
        """
        config, clock = self.active.config, self.clock
        stats = RunStats(len(self.readers))
        self.stack.callback(self.progress.hide)
        held = [folder for folder in config.folders if self.access.has(folder.path)]
        mounts = remembered_mounts(held, self.catalogue)
        pipeline = self._pipeline(self._bundle(), mounts)
        handover = TagHandover(self.catalogue.jobs, pipeline, clock)
        self.stack.callback(handover.close)
        consumers = self._consumers(pipeline, stats)
        folders, enqueuer = self._watching(consumers, held, mounts)

        def enqueue_tags(states: Collection[TagState]) -> None:
            own = None if self.access.name is None else self._held()
            clips = clips_needing_tags(self.catalogue, self.active.config, states, own)
            consumers.add_untagged(clips)

        settings = config.settings
        loop = EventLoop(
            messages=self.messages,
            folders=folders,
            enqueuer=enqueuer,
            consumers=consumers,
            catalogue=self.catalogue,
            progress=self.progress,
            enqueue_tags=enqueue_tags,
            retraining=self._retraining(pipeline, enqueue_tags, handover),
            handover=handover,
            notes=StatusNotes(self.catalogue.notes, clock) if self.is_main else None,
            clock=clock,
            clock_watch=ClockWatch(clock),
            single_pass=None if config.keep_watching else SinglePass(settings.watch.settle_s),
            stats=stats,
            notifier=self.notifier,
            confinement=self._confinement,
            hang_after_s=self._hang_s(),
        )
        self.stack.callback(loop.retraining.stop)
        return loop

    def _bundle(self) -> ActiveBundle:
        registry = self.active.config.registry
        prepare = BundlePreparer(self.workers[0], self.notifier)
        if self.is_main:
            left = take_over_unknown(self.catalogue, registry, prepare)
            bundle = load_published(registry, self.catalogue, prepare)
            share(self.catalogue, bundle, beside=left)
            return bundle
        found = bundle_of_main(registry, self.catalogue, prepare)
        if found is None:
            raise RoleChanged
        return found

    def _retraining(
        self,
        pipeline: Pipeline,
        enqueue_tags: Callable[[Collection[TagState]], None],
        handover: TagHandover,
    ) -> RetrainControl | BundleFollower:
        if not self.is_main:
            return BundleFollower(self.active.config.registry, self.catalogue, pipeline)

        def retag() -> None:
            enqueue_tags([TagState.PENDING])
            if self.access.name is not None:
                handover.request()

        return RetrainControl(
            self.active,
            self.catalogue,
            pipeline,
            self.clock,
            retag=retag,
            imported=partial(self.messages.put, CheckFolders()),
        )

    def _hang_s(self) -> float:
        """How long a file may take, in seconds, before its consumer counts as stuck."""
        timeout_s = self.active.config.settings.analysis.timeout_s
        here_s = REQUESTS_A_FILE * timeout_s + MARGIN_S
        return here_s + (longest_s(timeout_s) if self.active.config.cluster else 0.0)

    def _confinement(self) -> str | None:
        return next((told for worker in self.workers if (told := worker.confinement)), None)

    def _pipeline(self, bundle: ActiveBundle, mounts: NestedMounts) -> Pipeline:
        settings = self.active.config.settings
        return Pipeline(
            self.catalogue,
            bundle,
            TagSync(settings.tags, settings.mood, self.catalogue, self.clock),
            self.active.wants_tags,
            self.active.settle_s,
            self.clock,
            tag_edits_for(settings, self.catalogue, self.clock),
            self._rights(mounts),
        )

    def _consumers(self, pipeline: Pipeline, stats: RunStats) -> ConsumerPool:
        analysis = self.active.config.settings.analysis
        consumers = ConsumerPool(
            self.readers,
            self.catalogue,
            pipeline,
            clock=self.clock,
            throttle=LoadThrottle(
                analysis.max_load, analysis.on_battery, processes=len(self.workers)
            ),
            stats=stats,
            ended=lambda broken_by: self.messages.put(Stop(broken_by)),
        )
        self.stack.callback(consumers.stop)
        return consumers

    def _rights(self, mounts: NestedMounts) -> FileRights:
        if self.access.name is None:
            return FileRights(may_be_away=mounts.may_hide)
        return FileRights(self.access.holds, self.active.sees, mounts.may_hide)

    def _held(self) -> list[Path]:
        return list(filter(self.access.has, self.active.roots()))

    def _watching(
        self, consumers: ConsumerPool, held: list[FolderSettings], mounts: NestedMounts
    ) -> tuple[WatchedFolders, Enqueuer]:
        config = self.active.config
        watcher = None
        if config.keep_watching:
            watcher = Watcher(
                report=lambda path: self.messages.put(PathChanged(path)),
                overflowed=lambda: self.messages.put(EventsLost()),
            )
            self.stack.callback(watcher.stop)
        folders = WatchedFolders(
            held,
            watcher,
            mounts,
            restriction=lambda path: sandbox_problem(path, writes=self.active.wants_tags(path)),
        )
        enqueuer = Enqueuer(
            [folder.path for folder in held],
            FileFilter(config.settings.watch.suffixes, config.settings.watch.ignore),
            self.active.settle_s,
            self.catalogue,
            mounts=mounts,
            clock=self.clock,
            queued=consumers.wake,
            expected=consumers.expect_file,
        )
        enqueuer.holds = self.access.holds
        return folders, enqueuer
