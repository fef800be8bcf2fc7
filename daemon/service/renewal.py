"""Renews the predictions after a bundle was published by hand."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from config.errors import ValencedError
from daemon.service.background_job import rescore_job
from daemon.worker.active_bundle import load_published
from storage.catalogue import Catalogue
from storage.database.catalogue_file import is_there, writer_of
from trainer.bundles.registry import published

if TYPE_CHECKING:
    from pathlib import Path


def renew_predictions(url: str, registry: Path, step: int) -> str:
    """Score every known sound again by the published bundle, unless a service does; say which.

    Args:
        url: of the catalogue.
        registry: folder of the bundles.
        step: the smallest change, in hundredths, for which tags are written again.

    Returns:
        When values and tags change, in one sentence without a full stop.
    """
    if writer_of(url):
        return "the running service renews values and tags within seconds"
    if not is_there(url):
        return "no sound is known yet that could be scored again"
    try:
        with closing(Catalogue(url)) as catalogue:
            bundle = load_published(registry, catalogue, published)
            if not catalogue.rescoring.any_outdated(bundle.name):
                return "no known sound has to be scored again"
        outcome = _rescored(url, bundle.directory, step)
    except ValencedError as error:
        return f"values change at the next valenced run or scan; not now: {error}"
    return f"{outcome}; tags change at the next valenced run or scan"


def _rescored(url: str, bundle: Path, step: int) -> str:
    job = rescore_job(url, bundle, step)
    try:
        job.wait()
        code, message = job.exit_status() or (1, "")
    finally:
        job.stop()
    if code:
        raise ValencedError(message or "the job ended without a reason")
    return message
