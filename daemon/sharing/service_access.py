"""The right of one service to work on a catalogue, beside others if it is on a server."""

from __future__ import annotations

import logging
import re
import secrets
import socket
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from daemon.backup.restore_archive import exclusive_access
from daemon.clock import steady_s
from storage.database.catalogue_file import only_process
from storage.database.postgresql_schema import LEASE_S
from storage.database.server_address import is_on_server
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from storage.database.service_lease import ServiceLease

log = logging.getLogger(__name__)

RENEWED_EACH_S: Final = 5.0
RETRIED_EACH_S: Final = 2.0
_NUMBER: Final = re.compile("[0-9a-f]{8}")
_TAKEN_OVER: Final = (
    "another service has taken over, since this one was not heard of for too long; start it again"
)


class ServiceAccess:
    """The place of this service among those that work on a catalogue.

    This one is alone, as with a file: it is the main one, and every folder is its own.

    Attributes:
        name: of this service, which its claims bear; None if it is the only one.
        is_main: whether this is the one that trains, imports annotations and serves the page.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.is_main = True

    def when_changed(
        self, lost: Callable[[CatalogueBusy], None], gained: Callable[[], None]
    ) -> None:
        """Call one function once another service has taken over, and one if this has.

        Args:
            lost: called when this service has lost its place, or a folder that it held.
            gained: called when it has become the main one, or got a folder.
        """

    def ask_for(self, folders: Iterable[Path]) -> None:
        """Hold these folders of those that are free, now or later, and no others.

        Raises:
            CatalogueError: the server cannot be reached; they are asked for nevertheless.
        """

    def has(self, folder: Path) -> bool:
        """Return whether this service watches a folder, and writes the tags of its files."""
        del folder
        return True

    def holds(self, path: Path) -> bool:
        """Return whether the file at a path is for this service to write to, or to call missing.

        Raises:
            CatalogueError: others may believe that this service has ended.
        """
        return self.has(path)


class _SharedAccess(ServiceAccess):
    """Renews the leases of this service by a thread of its own, until it is closed.

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
        self._lost: Callable[[CatalogueBusy], None] = lambda _: None
        self._gained: Callable[[], None] = lambda: None
        self._wanted: frozenset[Path] = frozenset()
        self._held: frozenset[Path] = frozenset()
        self._refused: Mapping[Path, str] = {}
        self._one_at_a_time = Lock()
        self.is_main = False
        self._renew()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="service lease", daemon=True)
        self._thread.start()

    def when_changed(
        self, lost: Callable[[CatalogueBusy], None], gained: Callable[[], None]
    ) -> None:
        """See `ServiceAccess`."""
        self._lost, self._gained = lost, gained

    def ask_for(self, folders: Iterable[Path]) -> None:
        """See `ServiceAccess`."""
        self._wanted, was_main = frozenset(folders), self.is_main
        self._renew()
        if was_main < self.is_main:
            self._gained()

    def has(self, folder: Path) -> bool:
        """See `ServiceAccess`."""
        return any(map(folder.is_relative_to, self._held))

    def holds(self, path: Path) -> bool:
        """See `ServiceAccess`."""
        if steady_s() > self._ends_s:
            raise CatalogueError(f"the lease of this service was not renewed for {LEASE_S} s")
        return self.has(path)

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
                if self._renew():
                    self._gained()
                pause_s = self._renewed_each_s
            except CatalogueError as error:
                log.debug("the lease of this service waits: %s", error)
                pause_s = min(RETRIED_EACH_S, self._renewed_each_s)

    def _renew(self) -> bool:
        """Renew the leases; return whether this service has got another part than before."""
        with self._one_at_a_time:
            began_s, wanted = steady_s(), self._wanted
            renewal = self._lease.renew(wanted)
            log.debug("leases renewed in %.3f s", steady_s() - began_s)
            was_main, held = self.is_main, self._held
            self.is_main, self._held = renewal.is_main, renewal.folders
            self._ends_s = began_s + LEASE_S
            refused, self._refused = self._refused, renewal.refused
        if renewal.released:
            log.info("%d unfinished files of a service that has ended wait again", renewal.released)
        for folder, service in renewal.refused.items():
            if refused.get(folder) != service:
                told = "%s: not watched here: %s watches it, or a folder inside or around it"
                log.info(told, folder, service, extra={"folder": folder})
        # Another may have been the main one meanwhile, and be gone again.
        is_replaced = was_main and (renewal.is_new or not renewal.is_main)
        if is_replaced or (held & wanted) - renewal.folders:
            log.error("%s", _TAKEN_OVER)
            self._lost(CatalogueBusy(_TAKEN_OVER))
        return was_main < self.is_main or bool(renewal.folders - held)


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
        # Machines may have one name, and state folders one path. The number stays with the folder.
        name = f"{socket.gethostname()}:{state}#{_own_number(state)}"
        access = _SharedAccess(ServiceLease(url, name), name)
        try:
            yield access
        finally:
            access.close()


def _own_number(state: Path) -> str:
    """Return the number of the service in a state folder, which is made once.

    Raises:
        CatalogueError: it can be neither read nor written.
    """
    path = state / "service.id"
    try:
        with suppress(FileNotFoundError):
            number = path.read_text(encoding="ascii", errors="replace").strip()
            if _NUMBER.fullmatch(number):
                return number
        number = secrets.token_hex(4)
        path.write_text(f"{number}\n", encoding="ascii")
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read or written: {error.strerror}") from error
    return number
