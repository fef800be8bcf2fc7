"""The right of one service to work on a catalogue, beside others if it is on a server."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from daemon.backup.restore_archive import exclusive_access
from storage.database.catalogue_file import only_process
from storage.database.server_address import is_on_server
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from storage.database.service_lease import ServiceLease

log = logging.getLogger(__name__)

RENEWED_EACH_S: Final = 5.0
RETRIED_EACH_S: Final = 2.0
_TAKEN_OVER: Final = (
    "another service has taken over, since this one was not heard of for too long; start it again"
)


class ServiceAccess:
    """The place of this service among those that work on a catalogue.

    Attributes:
        name: of this service, which its claims bear; None if it is the only one.
        is_main: whether this is the one that watches the folders, tags and trains.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.is_main = True
        self._lost: Callable[[CatalogueBusy], None] | None = None

    def when_lost(self, lost: Callable[[CatalogueBusy], None]) -> None:
        """Call a function once another service has taken over, or now if it has."""
        self._lost = lost
        if not self.is_main:
            lost(CatalogueBusy(_TAKEN_OVER))


class _SharedAccess(ServiceAccess):
    """Renews the lease of this service by a thread of its own, until it is closed.

    Args:
        lease: of this service.
        name: of this service.
        renewed_each_s: between two renewals.

    Raises:
        CatalogueError: the server cannot be reached.
    """

    def __init__(
        self, lease: ServiceLease, name: str, renewed_each_s: float = RENEWED_EACH_S
    ) -> None:
        super().__init__(name)
        self._lease, self._renewed_each_s = lease, renewed_each_s
        self.is_main = lease.renew().is_main
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="service lease", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and leave the place to others at once if the server can be reached."""
        self._stopped.set()
        self._thread.join()
        with suppress(CatalogueError):
            self._lease.give_up()
        self._lease.close()

    def _run(self) -> None:
        pause_s = self._renewed_each_s
        while not self._stopped.wait(pause_s):
            try:
                self._renew()
                pause_s = self._renewed_each_s
            except CatalogueError as error:
                log.debug("the lease of this service waits: %s", error)
                pause_s = min(RETRIED_EACH_S, self._renewed_each_s)

    def _renew(self) -> None:
        began_s = time.monotonic()
        renewal = self._lease.renew()
        log.debug("lease renewed in %.3f s", time.monotonic() - began_s)
        if renewal.released:
            log.info("%d unfinished files of a service that has ended wait again", renewal.released)
        was_main, self.is_main = self.is_main, renewal.is_main
        if was_main and not self.is_main:
            log.error("%s", _TAKEN_OVER)
            if self._lost is not None:
                self._lost(CatalogueBusy(_TAKEN_OVER))


@contextmanager
def service_access(url: str, registry: Path) -> Iterator[ServiceAccess]:
    """Hold the right to work on a catalogue within the block.

    Args:
        url: of the catalogue.
        registry: folder of the bundles. No two services may have the same.

    Raises:
        CatalogueBusy: another process works on the file, or with these bundles.
        CatalogueError: the lock cannot be made, or the server cannot be reached.
        BackupError: what an interrupted restore left cannot be understood or moved.
    """
    if not is_on_server(url):
        with exclusive_access(url, registry):
            yield ServiceAccess()
        return
    from storage.database.service_lease import ServiceLease  # noqa: PLC0415 - an extra

    state = registry.parent.absolute()
    with only_process(state / "service.lock", state, "works in this folder"):
        # Its path tells it from others on this machine, and stays when it is started again.
        name = f"{socket.gethostname()}:{state}"
        access = _SharedAccess(ServiceLease(url, name), name)
        try:
            yield access
        finally:
            access.close()
