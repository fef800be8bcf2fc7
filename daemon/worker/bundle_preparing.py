"""Has a worker publish a bundle, which can take minutes; the supervisor is told that we live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daemon.service_errors import WorkerError
from trainer.trainer_errors import BundleError, ClipError

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.system.sd_notify import Notifier
    from daemon.worker.worker_client import WorkerClient
    from trainer.bundles.bundle_manifest import Manifest


class Prepares(Protocol):
    """What publishes a bundle as `trainer.bundles.registry.prepare` does."""

    def __call__(self, registry: Path, name: str | None = None, /) -> tuple[Path, Manifest]:
        """Return the directory and the verified manifest of the published bundle.

        Raises:
            BundleError: it cannot be used; nothing is changed then.
        """


class BundlePreparer:
    """Publishes bundles by a process that may take the memory and the threads of a fit.

    Args:
        worker: that process; it has its own limit of time.
        notifier: of this process.
    """

    def __init__(self, worker: WorkerClient, notifier: Notifier) -> None:
        self._worker, self._notifier = worker, notifier

    def __call__(self, registry: Path, name: str | None = None, /) -> tuple[Path, Manifest]:
        """See `Prepares`."""
        with self._notifier.kept_alive():
            try:
                return self._worker.prepare(registry, name)
            except (ClipError, WorkerError) as error:
                raise BundleError(f"no bundle can be prepared: {error}") from error
