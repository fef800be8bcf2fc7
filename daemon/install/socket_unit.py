"""What of the network the service gets: the socket of `page.listen`, the address of a cluster."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Final

from daemon.service_errors import InstallError

if TYPE_CHECKING:
    from pathlib import Path

SOCKET: Final = "valenced.socket"
REQUIRED: Final = f"[Unit]\nRequires={SOCKET}\nAfter={SOCKET}\n"
"""What the drop-in of the service needs, so that it gets the socket."""

_LISTENS: Final = re.compile(r"^ListenStream=(.*)$", re.MULTILINE)


def for_address(unit: str, address: str) -> str:
    """Return the socket unit for an address of the settings; raises InstallError."""
    return _LISTENS.sub(f"ListenStream={_numeric(address)}", unit)


def socket_problem(address: str, units: Path) -> str | None:
    """Return in one line why the installed socket unit does not fit the settings, None if it does.

    Raises:
        InstallError: an installed file cannot be read.
    """
    try:
        unit = (units / SOCKET).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "the service opens it by itself, for which its unit must give it a network"
    except OSError as error:
        raise InstallError(f"{error.filename}: cannot be read: {error.strerror}") from error
    found = _LISTENS.findall(unit)
    if _numeric(address) in found:
        return None
    return f"{units / SOCKET} says {', '.join(found) or 'nothing'}"


def network_of(address: str, key: str) -> list[str]:
    """Return the lines that let the service reach the address of a setting, and nothing else.

    Raises:
        InstallError: there is no such host.
    """
    numeric = _numeric(address, key)
    host = numeric.rpartition(":")[0].strip("[]")
    families = "RestrictAddressFamilies=AF_INET AF_INET6"
    return ["PrivateNetwork=no", families, f"IPAddressAllow={host}"]


def _numeric(address: str, key: str = "page.listen") -> str:
    """Return an address as systemd writes it, with numbers only."""
    host, _, port = address.rpartition(":")
    if not int(port):
        raise InstallError(f"{key} = {address!r}: a service needs a port of its own, not 0")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InstallError(f"{key} = {address!r}: there is no host {host!r}") from error
    family, *_, where = found[0]
    return f"[{where[0]}]:{port}" if family == socket.AF_INET6 else f"{where[0]}:{port}"
