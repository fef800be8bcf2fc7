"""Has a service that is not the main one predict by the bundle of the main one."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from daemon.service.messages import Reload, RoleChanged, next_messages, stops
from daemon.worker.active_bundle import load_bundle
from storage.schema.catalogue_errors import CatalogueError
from trainer.bundles.registry import published, published_name
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.pipeline.stages import Pipeline
    from daemon.service.messages import MessageQueue
    from daemon.sharing.service_access import ServiceAccess
    from daemon.system.sd_notify import Notifier
    from daemon.worker.active_bundle import ActiveBundle
    from storage.catalogue import Catalogue
    from trainer.bundles.bundle_manifest import Manifest

log = logging.getLogger(__name__)

LOOKS_EACH_S: Final = 2.0


def bundle_of_main(
    registry: Path, catalogue: Catalogue, verified: Callable[[Path], tuple[Path, Manifest]]
) -> ActiveBundle | None:
    """Return the bundle by which the main service predicts, None if it is not published here.

    Args:
        registry: folder of the bundles.
        catalogue: says which one it is.
        verified: as for `load_published`.

    Raises:
        CatalogueError: the catalogue cannot be read.
        BundleError: the published bundle cannot be used.
    """
    wanted = catalogue.queries.published_bundle()
    if wanted is None or published_name(registry) not in {None, wanted}:
        return None
    bundle, _ = load_bundle(registry, verified)
    return bundle if bundle.name == wanted else None


class BundleFollower:
    """Loads each new bundle of the main service; its `check` is that of `RetrainControl`.

    Args:
        registry: folder of the bundles.
        catalogue: says by which bundle the main service predicts.
        pipeline: uses the bundle, and gets each new one.

    Attributes:
        problem: None.
    """

    def __init__(self, registry: Path, catalogue: Catalogue, pipeline: Pipeline) -> None:
        self._registry, self._catalogue, self._pipeline = registry, catalogue, pipeline
        self.problem: str | None = None

    def check(self) -> None:
        """Load the bundle if it is another than the one in use.

        Raises:
            RoleChanged: it cannot be used here, so that this service must wait for it.
            CatalogueError: the catalogue cannot be read.
        """
        wanted = self._catalogue.queries.published_bundle()
        if wanted in {None, self._pipeline.bundle.name}:
            return
        try:
            bundle = bundle_of_main(self._registry, self._catalogue, published)
        except BundleError as error:
            raise RoleChanged from error
        if bundle is None:
            raise RoleChanged
        self._pipeline.bundle = bundle
        log.info("published bundle: %s", bundle.name, extra={"bundle": bundle.name})

    def catch_up(self) -> None:
        """Do what `check` does."""
        self.check()

    def stop(self) -> None:
        """Do nothing: no job runs."""


class BundleWait:
    """Waits until the bundle of the main service is published here.

    Meanwhile this service holds no folder, so that another one may watch it.

    Args:
        catalogue: says which bundle that is.
        access: the place of this service.
        messages: may say stop.
        notifier: tells a supervisor that this process lives.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        access: ServiceAccess,
        messages: MessageQueue,
        notifier: Notifier,
    ) -> None:
        self._catalogue, self._access = catalogue, access
        self._messages, self._notifier = messages, notifier
        self._told: str | None = None

    def wait(self, registry: Path, verified: Callable[[Path], tuple[Path, Manifest]]) -> bool:
        """Wait; return False if a message said stop.

        Raises:
            RoleChanged: this is the main service now.
        """
        is_reload_due = False
        while (why := self._why_not(registry, verified)) is not None:
            if why != self._told:
                log.info("%s", why)
                self._told = why
                self._notifier.status(why)
                self._notifier.ready()
            self._notifier.heartbeat(time.monotonic())
            messages = next_messages(self._messages, LOOKS_EACH_S)
            if stops(messages):
                return False
            if Reload() in messages:
                is_reload_due = True
                self._notifier.reloading()
                self._notifier.ready()
        if is_reload_due:
            self._messages.put(Reload())
        return True

    def _why_not(
        self, registry: Path, verified: Callable[[Path], tuple[Path, Manifest]]
    ) -> str | None:
        """Return why this service cannot predict yet, None if it can."""
        try:
            name = self._catalogue.queries.published_bundle() or "no bundle yet"
            why = (
                f"waiting: the main service predicts by {name}, which is not published here;"
                f" copy its bundles and bundles.key to {registry.parent}"
            )
            try:
                if bundle_of_main(registry, self._catalogue, verified) is not None:
                    return None
            except BundleError as error:
                why = f"waiting for the bundle {name}: {error}"
            self._access.ask_for([])
        except CatalogueError as error:
            return f"waiting for the catalogue: {error}"
        return why
