"""Renews the predictions after a command has published a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.errors import ValencedError
from daemon.cli.session import catalogue_url, open_catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from config.loading import LoadedSettings


def renew_predictions(loaded: LoadedSettings) -> str:
    """Score every known sound again by the published bundle, unless a service does; say which.

    Returns:
        When values and tags change, in one sentence without a full stop.
    """
    from daemon.worker.active_bundle import load_published
    from storage.database.catalogue_file import file_of, writer_of
    from trainer.bundles.registry import published

    url = catalogue_url(loaded)
    if writer_of(url):
        return "the running service renews values and tags within seconds"
    if not file_of(url).is_file():
        return "no sound is known yet that could be scored again"
    try:
        with open_catalogue(loaded) as catalogue:
            bundle = load_published(loaded.paths.bundles, catalogue, published)
            if not catalogue.rescoring.any_outdated(bundle.name):
                return "no known sound has to be scored again"
        outcome = _rescored(url, bundle.directory, loaded.settings.tags.step)
    except ValencedError as error:
        return f"values change at the next valenced run or scan; not now: {error}"
    return f"{outcome}; tags change at the next valenced run or scan"


def _rescored(url: str, bundle: Path, step: int) -> str:
    from daemon.service.background_job import rescore_job

    job = rescore_job(url, bundle, step)
    try:
        job.wait()
        code, message = job.exit_status() or (1, "")
    finally:
        job.stop()
    if code:
        raise ValencedError(message or "the job ended without a reason")
    return message
