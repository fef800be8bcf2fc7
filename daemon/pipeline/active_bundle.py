"""Which bundle predicts, as the running service and its catalogue see it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.trainer_errors import BundleError, BundleMissing, BundleOfOtherFeatures

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.pipeline.worker_client import WorkerClient
    from storage.catalogue import Catalogue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActiveBundle:
    """The bundle that predicts.

    Attributes:
        directory: where it is.
        name: its name.
        hearing: key of the feature settings that it was fitted with.
    """

    directory: Path
    name: str
    hearing: str


def put_in_service(registry: Path, catalogue: Catalogue, worker: WorkerClient) -> ActiveBundle:
    """Have a worker make sure that there is a usable bundle, and record which it is.

    What was heard otherwise than it wants counts as changed from then on.

    Raises:
        BundleError: none can be used.
    """
    directory, manifest = worker.prepare(registry)
    if manifest["refitted_from"]:
        log.info(
            "bundle %s was fitted again from its own table, because of newer libraries",
            manifest["name"],
        )
    catalogue.record_published(manifest["name"], manifest["created_at"], manifest)
    log.info("bundle in service: %s", manifest["name"], extra={"bundle": manifest["name"]})
    if files := len(catalogue.rescoring.with_other_features()):
        log.info("%d files were heard otherwise before; those watched are heard again", files)
    return ActiveBundle(directory, manifest["name"], manifest["hearing"])


def problem_with(registry: Path) -> str | None:
    """Return in one line why the bundle in service cannot be used, None if it can."""
    from trainer.bundles.bundle_manifest import BundleOutdated  # noqa: PLC0415 - spares others the import
    from trainer.bundles.registry import published_bundle  # noqa: PLC0415

    try:
        published_bundle(registry)
    except (BundleMissing, BundleOfOtherFeatures, BundleOutdated):
        # The next start brings the starter, or fits again from the table.
        return None
    except BundleError as error:
        return str(error)
    return None
