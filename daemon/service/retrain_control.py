"""Decides when to retrain and when to rescore, and loads bundles that were published."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.service.background_job import TRAINING, rescore_job, retrain_job
from daemon.sharing.bundle_sharing import share
from daemon.training_data.annotation_folder import AnnotationFolder
from daemon.training_data.annotation_thread import AnnotationThread
from daemon.worker.active_bundle import load_published
from storage.jobs import LEARN
from trainer.bundles.registry import published, published_name
from trainer.trainer_errors import BundleError, TrainingUnderWay

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from daemon.pipeline.stages import Pipeline
    from daemon.service.background_job import BackgroundJob
    from daemon.service.run_config import ActiveConfig
    from storage.catalogue import Catalogue

log = logging.getLogger(__name__)


class RetrainControl:
    """Imports annotations, runs training jobs, and loads new bundles. Driven by the event loop.

    One background job runs at a time, while the service continues. Jobs store their state in the
    catalogue and the registry, so a job that was killed is started again.

    Args:
        active: the configuration in use.
        catalogue: holds annotations and predictions.
        pipeline: uses the bundle, and gets each new one.
        clock: the time, aware of its zone.
        retag: called when tags may have become due, of whatever folder.
        imported: called by another thread when there are new annotations, to have `check` called.

    Attributes:
        problem: why the published bundle is not in use, None if it is.
    """

    def __init__(
        self,
        active: ActiveConfig,
        catalogue: Catalogue,
        pipeline: Pipeline,
        clock: Callable[[], datetime],
        retag: Callable[[], None],
        imported: Callable[[], None],
    ) -> None:
        self._active = active
        self._catalogue = catalogue
        settings = active.config.settings.annotations
        self._folder = AnnotationFolder(
            active.config.annotations,
            catalogue.annotations,
            active.settle_s,
            clock,
            may_name_annotators=settings.annotator_column,
        )
        self._imports_tables = settings.from_folder
        self._thread = AnnotationThread(self._folder, imported)
        self._pipeline = pipeline
        self._clock = clock
        self._retag = retag
        self._job: BackgroundJob | None = None
        self._rejected: str | None = None
        self.problem: str | None = None

    def check(self) -> None:
        """Process what came in since the last check, and start the job that is due.

        Raises:
            CatalogueError: the catalogue cannot be read or written at present.
            WorkerError: no process can be started at present.
        """
        if self._imports_tables and self._thread.check():
            self._retag()
        self._load_published()
        if self._job is not None:
            self._finish(self._job)
        if self._job is None:
            self._job = self._due_job()

    def catch_up(self) -> None:
        """Import annotations, load the bundle and rescore, at once: all that a single pass needs.

        Raises:
            CatalogueError: the catalogue cannot be read or written at present.
            WorkerError: no process can be started at present.
        """
        if self._imports_tables:
            self._folder.import_tables()
        self._load_published()
        if self._catalogue.rescoring.any_outdated(self._pipeline.bundle.name):
            self._job = self._rescore_job()
            self._job.wait()
            self._finish(self._job)

    def stop(self) -> None:
        """Stop the running job and import; the next start continues with them."""
        self._thread.stop()
        if self._job is not None:
            self._job.stop()
            self._job = None

    def _load_published(self) -> None:
        """Load the published bundle if it is another than the one in use, or than is recorded."""
        registry = self._active.config.registry
        name, used = published_name(registry), self._pipeline.bundle.name
        is_known = name == used == self._catalogue.bundles.published()
        if is_known or name in {None, self._rejected}:
            return
        try:
            bundle = load_published(registry, self._catalogue, published)
            # Before it is in use, so that it is tried again if the catalogue cannot be written.
            share(self._catalogue, bundle)
            self._pipeline.bundle = bundle
            self.problem = None
        except BundleError as error:
            self._rejected = name
            self.problem = f"{name} cannot be used, so {used} stays in use: {error}"
            log.error("%s", self.problem)  # noqa: TRY400 - one line is enough

    def _finish(self, job: BackgroundJob) -> None:
        """Clean up after a job that has ended, and do what follows from it."""
        status = job.exit_status()
        if status is None:
            return
        job.stop()
        self._job = None
        code, message = status
        if code == TrainingUnderWay.exit_code:
            # Started by hand, or it outlived a killed service: the request remains.
            log.debug("%s waits: %s", job.name, message)
            return
        if code:
            log.error("%s failed (%d): %s", job.name, code, message)
        else:
            log.info("%s: %s", job.name, message or "done")
        if job.name == TRAINING:
            # Also after a failure: it would fail again, and the next time is scheduled.
            self._catalogue.jobs.clear_request(LEARN)
            self._load_published()
        else:
            self._retag()

    def _due_job(self) -> BackgroundJob | None:
        if self._catalogue.rescoring.any_outdated(self._pipeline.bundle.name):
            return self._rescore_job()
        config, jobs = self._active.config, self._catalogue.jobs
        if not jobs.is_requested(LEARN):
            return None
        last = jobs.last_training()
        new = self._catalogue.annotations.changed_since(None if last is None else last.begun_at)
        settings = config.settings.retrain
        if new < settings.min_annotations:
            log.info("%d new annotations; retraining needs %d", new, settings.min_annotations)
            jobs.clear_request(LEARN)
            return None
        return retrain_job(config.url, config.registry, config.corpora, settings.keep)

    def _rescore_job(self) -> BackgroundJob:
        config = self._active.config
        return rescore_job(config.url, self._pipeline.bundle.directory, config.settings.tags.step)
