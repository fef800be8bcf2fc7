"""Builds the parts of the service and connects them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from daemon.clock import ClockWatch
from daemon.cluster.hearing_team import longest_s
from daemon.install.sandbox_check import sandbox_problem
from daemon.pipeline.consumers import ConsumerPool
from daemon.pipeline.run_stats import RunStats
from daemon.pipeline.stages import Pipeline
from daemon.pipeline.tag_edits import tag_edits_for
from daemon.pipeline.tag_sync import TagSync
from daemon.service.event_loop import EventLoop
from daemon.service.messages import CheckFolders, EventsLost, MessageQueue, PathChanged, Stop
from daemon.service.retrain_control import RetrainControl
from daemon.service.run_config import clips_needing_tags
from daemon.system.load_throttle import LoadThrottle
from daemon.watch.enqueue import Enqueuer
from daemon.watch.file_filter import FileFilter
from daemon.watch.nested_mounts import remembered_mounts
from daemon.watch.single_pass import SinglePass
from daemon.watch.watched_folders import WatchedFolders
from daemon.watch.watcher import Watcher
from daemon.worker.active_bundle import load_published
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import ExitStack
    from datetime import datetime

    from daemon.service.progress import ProgressReporter
    from daemon.service.run_config import ActiveConfig
    from daemon.system.sd_notify import Notifier
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
    such a process or by a cluster.
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

    def event_loop(self) -> EventLoop:
        """Build everything; nothing is started yet.

        Raises:
            BundleError: no bundle can be used.
        """
        config, clock = self.active.config, self.clock
        stats = RunStats(len(self.readers))
        self.stack.callback(self.progress.hide)
        bundle = load_published(config.registry, self.catalogue, self.workers[0].prepare)
        consumers = self.consumers(bundle, stats)
        folders, enqueuer = self._watching(consumers)

        def enqueue_tags(states: Collection[TagState]) -> None:
            clips = clips_needing_tags(self.catalogue, self.active.config, states)
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
            retraining=RetrainControl(
                self.active,
                self.catalogue,
                consumers.pipeline,
                clock,
                retag=partial(enqueue_tags, [TagState.PENDING]),
                imported=partial(self.messages.put, CheckFolders()),
            ),
            clock=clock,
            clock_watch=ClockWatch(clock),
            single_pass=None if config.keep_watching else SinglePass(settings.watch.settle_s),
            stats=stats,
            notifier=self.notifier,
            confinement=self._confinement,
            hang_after_s=self.hang_s,
        )
        self.stack.callback(loop.retraining.stop)
        return loop

    @property
    def hang_s(self) -> float:
        """How long a file may take, in seconds, before its consumer counts as stuck."""
        timeout_s = self.active.config.settings.analysis.timeout_s
        here_s = REQUESTS_A_FILE * timeout_s + MARGIN_S
        return here_s + (longest_s(timeout_s) if self.active.config.cluster else 0.0)

    def _confinement(self) -> str | None:
        return next((told for worker in self.workers if (told := worker.confinement)), None)

    def consumers(
        self, bundle: ActiveBundle, stats: RunStats, stages: type[Pipeline] = Pipeline
    ) -> ConsumerPool:
        """Build the consumers, which run files through some stages; none is started yet."""
        settings = self.active.config.settings
        pipeline = stages(
            self.catalogue,
            bundle,
            TagSync(settings.tags, settings.mood, self.catalogue, self.clock),
            self.active.wants_tags,
            self.active.settle_s,
            self.clock,
            tag_edits_for(settings, self.catalogue, self.clock),
        )
        consumers = ConsumerPool(
            self.readers,
            self.catalogue,
            pipeline,
            clock=self.clock,
            throttle=LoadThrottle(
                settings.analysis.max_load,
                settings.analysis.on_battery,
                processes=len(self.workers),
            ),
            stats=stats,
            ended=lambda broken_by: self.messages.put(Stop(broken_by)),
        )
        self.stack.callback(consumers.stop)
        return consumers

    def _watching(self, consumers: ConsumerPool) -> tuple[WatchedFolders, Enqueuer]:
        config = self.active.config
        watcher = None
        if config.keep_watching:
            watcher = Watcher(
                report=lambda path: self.messages.put(PathChanged(path)),
                overflowed=lambda: self.messages.put(EventsLost()),
            )
            self.stack.callback(watcher.stop)
        mounts = remembered_mounts(config.folders, self.catalogue)
        folders = WatchedFolders(
            config.folders,
            watcher,
            mounts,
            restriction=lambda path: sandbox_problem(path, writes=self.active.wants_tags(path)),
        )
        enqueuer = Enqueuer(
            [folder.path for folder in config.folders],
            FileFilter(config.settings.watch.suffixes, config.settings.watch.ignore),
            self.active.settle_s,
            self.catalogue,
            mounts=mounts,
            clock=self.clock,
            queued=consumers.wake,
            expected=consumers.expect_file,
        )
        return folders, enqueuer
