"""Between people's annotations and the bundle in service: when to learn, when to score again."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.pipeline.active_bundle import load_published
from daemon.service.background_job import LEARN, RETAG
from trainer.bundles.registry import published, published_name
from trainer.trainer_errors import BundleError, TrainingUnderWay

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from daemon.pipeline.active_bundle import ActiveBundle
    from daemon.service.background_job import BackgroundJob, JobCommands
    from daemon.training_data.annotation_folder import AnnotationFolder
    from storage.catalogue import Catalogue

log = logging.getLogger(__name__)


class RetrainControl:
    """What the service does about annotations and new bundles. Driven by the main loop.

    Learning and scoring run as errands, one at a time, so the service goes on meanwhile. Both
    leave their state in the catalogue and the registry: what a kill interrupts begins anew.

    Args:
        catalogue: holds annotations and predictions.
        folder: into which tables of annotations are dropped.
        programs: what the errands run.
        bundle: what predicts at first.
        fewest: how many annotations must be new for learning.
        clock: the time, aware of its zone.
        take_up: given each bundle that comes into service.
        retag: called when tags may have become due.

    Attributes:
        trouble: why a bundle that was published is not in service, None if it is.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        folder: AnnotationFolder,
        programs: JobCommands,
        bundle: ActiveBundle,
        *,
        fewest: int,
        clock: Callable[[], datetime],
        take_up: Callable[[ActiveBundle], None],
        retag: Callable[[], None],
    ) -> None:
        self._catalogue = catalogue
        self._folder = folder
        self._programs = programs
        self._bundle = bundle
        self._fewest = fewest
        self._clock = clock
        self._take_up = take_up
        self._retag = retag
        self._annotations = catalogue.annotations
        self._errands = catalogue.jobs
        self._scores = catalogue.rescoring
        self._errand: BackgroundJob | None = None
        self._unusable: str | None = None
        self.trouble: str | None = None

    def wish(self) -> None:
        """Note that it is time to learn."""
        self._errands.request(LEARN, self._clock())

    def look(self) -> None:
        """Take up what came in since the last look, and set out on what is due.

        Raises:
            CatalogueError: the catalogue cannot be read or written just now.
            WorkerError: no process can be started just now.
        """
        if self._folder.look() or self._errands.is_requested(RETAG):
            self._errands.clear_request(RETAG)
            self._retag()
        self._see_bundle()
        if self._errand is not None:
            self._see_errand(self._errand)
        if self._errand is None:
            self._errand = self._set_out()

    def catch_up(self) -> None:
        """Do at once what needs no learning: for a single pass, which does not look again.

        Raises:
            CatalogueError: the catalogue cannot be read or written just now.
            WorkerError: no process can be started just now.
        """
        self._folder.look()
        self._see_bundle()
        if self._scores.any_outdated(self._bundle.name):
            self._errand = self._programs.rescore(self._bundle.directory)
            self._errand.wait()
            self._see_errand(self._errand)

    def rewrite_from(self, step: int) -> None:
        """Have tags written again from now on if they move by so many hundredths."""
        self._programs = replace(self._programs, step=step)

    def stop(self) -> None:
        """Call back what is under way; it is taken up again at the next start."""
        if self._errand is not None:
            self._errand.stop()
            self._errand = None

    def _see_bundle(self) -> None:
        """Take up a bundle that was published, by whatever process."""
        name = published_name(self._programs.registry)
        if name in {None, self._bundle.name, self._unusable}:
            return
        try:
            self._bundle = load_published(self._programs.registry, self._catalogue, published)
        except BundleError as error:
            self._unusable = name
            self.trouble = f"{name} cannot be used, so {self._bundle.name} stays: {error}"
            log.error("%s stays in service: %s", self._bundle.name, error)  # noqa: TRY400 - one line is enough
            return
        self.trouble = None
        self._take_up(self._bundle)

    def _see_errand(self, errand: BackgroundJob) -> None:
        ending = errand.exit_status()
        if ending is None:
            return
        errand.stop()
        self._errand = None
        code, words = ending
        if code == TrainingUnderWay.exit_code:
            # Somebody's by hand, or one that outlived a killed service: the wish still stands.
            log.debug("%s waits: %s", errand.name, words)
            return
        if code:
            log.error("%s failed (%d): %s", errand.name, code, words)
        else:
            log.info("%s: %s", errand.name, words or "done")
        if errand.name == LEARN:
            # Also one that failed: it would fail again, and the next time is planned.
            self._errands.clear_request(LEARN)
            self._see_bundle()
        else:
            self._retag()

    def _set_out(self) -> BackgroundJob | None:
        if self._scores.any_outdated(self._bundle.name):
            return self._programs.rescore(self._bundle.directory)
        if not self._errands.is_requested(LEARN):
            return None
        last = self._errands.last_training()
        new = self._annotations.changed_since(None if last is None else last.begun_at)
        if new < self._fewest:
            log.info("%d new annotations; it takes %d to learn", new, self._fewest)
            self._errands.clear_request(LEARN)
            return None
        return self._programs.retrain()
