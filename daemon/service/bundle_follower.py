"""Has a service that is not the main one predict by the bundle of the main one."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from daemon.service.messages import Reload, RoleChanged, next_messages, stops
from daemon.sharing.bundle_sharing import shared_files, take_over
from daemon.worker.active_bundle import load_bundle
from storage.schema.catalogue_errors import CatalogueError
from trainer.bundles.refitting import origin_of
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

    One that was taken over from the catalogue has the name that it has at the main service.

    Args:
        registry: folder of the bundles.
        catalogue: says which one it is.
        verified: as for `load_published`.

    Raises:
        CatalogueError: the catalogue cannot be read.
        BundleError: the published bundle cannot be used.
    """
    wanted, here = catalogue.bundles.published(), published_name(registry)
    if wanted is None:
        return None
    shared = shared_files(catalogue, wanted)
    names = {wanted} if shared is None else {wanted, shared.name_here}
    if here is not None and origin_of(here) not in names and here not in names:
        return None
    bundle, manifest = load_bundle(registry, verified)
    if origin_of(bundle.name) not in names and bundle.name not in names:
        return None
    if shared is not None and not shared.are_those_of(manifest):
        return None
    return replace(bundle, name=wanted)


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
        wanted = self._catalogue.bundles.published()
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
    """Takes over the bundle of the main service as soon as it is in the catalogue.

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
        self._taken: set[str] = set()

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
            name = self._catalogue.bundles.published() or "of the main service"
            why = f"waiting for the bundle {name}"
            try:
                if bundle_of_main(registry, self._catalogue, verified) is not None:
                    return None
            except BundleError as error:
                why = f"{why}: {error}"
            try:
                if self._take_over(name, registry):
                    return self._why_not(registry, verified)
            except BundleError as error:
                why = f"{why}: {error}"
            self._access.ask_for([])
        except CatalogueError as error:
            return f"waiting for the catalogue: {error}"
        return why

    def _take_over(self, name: str, registry: Path) -> bool:
        """Publish the bundle here if it is in the catalogue; not again one that was or is none."""
        shared = shared_files(self._catalogue, name)
        if shared is None or shared.name_here in self._taken:
            return False
        try:
            take_over(self._catalogue, shared, registry)
        except BundleError:
            self._taken.add(shared.name_here)
            raise
        self._taken.add(shared.name_here)
        return True
