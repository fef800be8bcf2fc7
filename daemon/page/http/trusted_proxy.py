"""Tells whether a reverse proxy, which has asked for a name and a password, lets a request in."""

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


class TrustedProxy:
    """Believes a header that names a user, if it comes from some addresses.

    Args:
        header: its name; empty for none.
        addresses: networks of the proxies, such as `10.0.0.7` or `10.0.0.0/24`.
    """

    def __init__(self, header: str, addresses: Iterable[str]) -> None:
        self._header = header.lower().encode("ascii")
        self._networks = [ipaddress.ip_network(each) for each in addresses]

    def lets_in(self, scope: "Scope") -> bool:
        """Whether the proxy names the user of a request."""
        if not self._header or not self._networks or scope.get("client") is None:
            return False
        # More than one: the client has sent its own, and the proxy has not replaced it.
        named = [value for name, value in scope["headers"] if name == self._header]
        return len(named) == 1 and bool(named[0].strip()) and self._is_one(scope["client"][0])

    def _is_one(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._networks)
