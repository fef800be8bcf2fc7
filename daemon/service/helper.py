"""A service beside the main one on the same catalogue: it hears files of the queue, no more."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, closing, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from daemon.pipeline.helping import HelpingPipeline
from daemon.pipeline.run_stats import RunStats
from daemon.service.assembly import Assembly
from daemon.service.messages import Message, MessageQueue, Reload, stops
from daemon.service.progress import ProgressReporter
from daemon.service.run_config import ActiveConfig
from daemon.service.signals import signals_as_messages
from daemon.worker.active_bundle import load_bundle
from storage.catalogue import Catalogue
from storage.jobs import RETAG
from storage.schema.catalogue_errors import CatalogueError
from trainer.bundles.registry import published_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from daemon.pipeline.consumers import ConsumerPool
    from daemon.service.run_config import RunConfig
    from daemon.sharing.service_access import ServiceAccess
    from daemon.system.sd_notify import Notifier
    from daemon.worker.worker_client import WorkerClient

log = logging.getLogger(__name__)

LOOKS_EACH_S: Final = 2.0
"""How soon new files in the queue are found, which another process has put there."""


class Helper:
    """Hears files until it is stopped, or becomes the main service.

    Args:
        config: of the run.
        access: the place of this service.
        workers: one for each consumer.
        notifier: tells a supervisor that it lives.
        clock: the time.

    Attributes:
        stats: counts results.
    """

    def __init__(
        self,
        config: RunConfig,
        access: ServiceAccess,
        workers: Sequence[WorkerClient],
        notifier: Notifier,
        clock: Callable[[], datetime],
    ) -> None:
        self._config, self._access, self._workers = config, access, workers
        self._notifier, self._clock = notifier, clock
        self._messages: MessageQueue = SimpleQueue()
        self._consumers: ConsumerPool | None = None
        self._told: str | None = None
        self._left = 0
        self.stats = RunStats(len(workers))

    def run(self, *, reloads: bool) -> bool:
        """Help; return True if this is the main service now, False if it was stopped.

        Args:
            reloads: whether SIGHUP asks for new settings, which come into force at the next start;
                otherwise it stops the run.

        Raises:
            CatalogueError: the catalogue cannot be opened.
            BundleError: no bundle can be used.
            Exception: whatever broke a consumer.
        """
        with (
            closing(Catalogue(self._config.url, service=self._access.name)) as catalogue,
            signals_as_messages(self._messages, reloads=reloads),
        ):
            catalogue.queue.release_claims()
            assembly = self._assembly(catalogue)
            log.info("another service watches the folders; this one helps to hear their files")
            self._notifier.ready()
            try:
                while not self._access.is_main:
                    self._look(assembly)
                    if stops(self._next_messages()):
                        return False
            finally:
                self._end()
                with suppress(CatalogueError):
                    self._leave_tags(catalogue)
        log.info("the other service has ended: this one watches the folders from now on")
        return True

    def _look(self, assembly: Assembly) -> None:
        """Hear with the published bundle, or say why not, and look for files that wait."""
        now_s = time.monotonic()
        if not (self._consumers and self._consumers.stuck(now_s, assembly.hang_s)):
            self._notifier.heartbeat(now_s)
        catalogue = assembly.catalogue
        try:
            published = catalogue.queries.published_bundle()
            if self._consumers is not None and self._consumers.pipeline.bundle.name != published:
                self._end()
            if self._consumers is None:
                self._start(assembly, published)
            elif catalogue.queue.waiting(self._clock()):
                self._consumers.wake()
            elif not self.stats.busy:
                self._leave_tags(catalogue)
        except CatalogueError as error:
            self._tell(f"waiting for the catalogue: {error}")

    def _start(self, assembly: Assembly, published: str | None) -> None:
        registry = self._config.registry
        if published_name(registry) in {None, published}:
            bundle, _ = load_bundle(registry, self._workers[0].prepare)
            if bundle.name == published:
                self._consumers = assembly.consumers(bundle, self.stats, HelpingPipeline)
                self._consumers.start()
                self._tell(f"helping with the bundle {published}")
                return
        self._tell(
            f"waiting: the main service predicts by {published or 'no bundle yet'}, which is not"
            f" published here; copy its bundles and bundles.key to {registry.parent}"
        )

    def _leave_tags(self, catalogue: Catalogue) -> None:
        """Ask the main service to write the tags of what was heard since it was asked last."""
        if self.stats.processed != self._left:
            self._left = self.stats.processed
            catalogue.jobs.request(RETAG, self._clock())

    def _end(self) -> None:
        if self._consumers is not None:
            self._consumers.stop()
            self._consumers = None

    def _assembly(self, catalogue: Catalogue) -> Assembly:
        return Assembly(
            ActiveConfig(self._config),
            catalogue,
            ExitStack(),
            self._workers,
            self._workers,
            ProgressReporter(None),
            self._notifier,
            self._clock,
            self._messages,
        )

    def _next_messages(self) -> list[Message]:
        try:
            message = self._messages.get(timeout=LOOKS_EACH_S)
        except Empty:
            return []
        if isinstance(message, Reload):
            log.info("a service that helps reads its settings at its next start")
            self._notifier.reloading()
            self._notifier.ready()
        return [message]

    def _tell(self, text: str) -> None:
        if text != self._told:
            log.info("%s", text)
            self._notifier.status(text)
            self._told = text
