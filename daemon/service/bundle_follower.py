"""Has a service that is not the main one predict by the bundle of the main one."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
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
    from daemon.worker.bundle_preparing import Prepares
    from storage.catalogue import Catalogue
    from trainer.bundles.bundle_manifest import Manifest

log = logging.getLogger(__name__)

LOOKS_EACH_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 300.0


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
        monotonic: a clock, in seconds.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        access: ServiceAccess,
        messages: MessageQueue,
        notifier: Notifier,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue, self._access = catalogue, access
        self._messages, self._notifier = messages, notifier
        self._monotonic = monotonic
        self._told: str | None = None
        self._failed: _Failure | None = None

    def wait(self, registry: Path, prepare: Prepares) -> bool:
        """Wait; return False if a message said stop.

        Raises:
            RoleChanged: this is the main service now.
        """
        is_reload_due = False
        while (why := self._why_not(registry, prepare)) is not None:
            if why != self._told:
                log.info("%s", why)
                self._told = why
                self._notifier.status(why)
                self._notifier.ready()
            self._notifier.heartbeat(self._monotonic())
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

    def _why_not(self, registry: Path, prepare: Prepares) -> str | None:
        """Return why this service cannot predict yet, None if it can."""
        try:
            name = self._catalogue.bundles.published() or "of the main service"
            why = f"waiting for the bundle {name}"
            tried, failed = (name, published_name(registry)), self._failed
            if failed is not None and (failed.tried != tried or failed.is_over(self._monotonic())):
                failed = None
            if failed is None:
                try:
                    if self._is_usable(name, registry, prepare):
                        return None
                except BundleError as error:
                    failed = self._fail(tried, str(error))
            self._access.ask_for([])
        except CatalogueError as error:
            return f"waiting for the catalogue: {error}"
        return why if failed is None else f"{why}: {failed.why}"

    def _is_usable(self, name: str, registry: Path, prepare: Prepares) -> bool:
        """Return whether the bundle is published here, after taking it over if need be."""
        shared = shared_files(self._catalogue, name)
        try:
            if bundle_of_main(registry, self._catalogue, prepare) is not None:
                return True
        except BundleError:
            if shared is None:
                raise
        if shared is None:
            return False
        take_over(self._catalogue, shared, registry, prepare)
        return bundle_of_main(registry, self._catalogue, prepare) is not None

    def _fail(self, tried: tuple[str, str | None], why: str) -> _Failure:
        last = self._failed
        pause_s = LOOKS_EACH_S if last is None or last.tried != tried else 2 * last.pause_s
        self._failed = _Failure(tried, why, self._monotonic(), min(pause_s, _LONGEST_PAUSE_S))
        return self._failed


@dataclass(frozen=True)
class _Failure:
    """An attempt to use a bundle, which can take minutes and fail again.

    Attributes:
        tried: name of the bundle at the main service, and of the one that is published here.
        why: what failed.
        at_s: when.
        pause_s: after how many seconds it is tried again.
    """

    tried: tuple[str, str | None]
    why: str
    at_s: float
    pause_s: float

    def is_over(self, now_s: float) -> bool:
        """Return whether it is time to try again."""
        return now_s - self.at_s >= self.pause_s
