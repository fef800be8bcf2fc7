"""Decides which requests reach the application, and what every answer says to browsers."""

import hmac
import ipaddress
import json
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from daemon.page.http.trusted_proxy import TrustedProxy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Headers = list[tuple[bytes, bytes]]

LARGEST_BODY: Final = 256 * 1024
COOKIE: Final = "valenced-token-"
"""Its name ends with the port: browsers send cookies to every port of a host."""

COOKIE_S: Final = 365 * 24 * 3600
TOKEN_HEADER: Final = b"x-valenced-token"
OPEN_PATHS: Final = frozenset({"/health", "/metrics"})
"""What needs no token, as monitoring has none."""

_READING: Final = frozenset({"GET", "HEAD"})
_CHANGING: Final = frozenset({"POST", "PUT", "DELETE"})
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " media-src 'self' blob:; connect-src 'self'; font-src 'self'; worker-src 'self' blob:;"
    " manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class RequestGuard:
    """Refuses what does not come from our own page, and whatever is too large.

    Args:
        app: what answers the rest.
        names: host names that are ours; addresses are, too, as no other name leads to them.
        token: that every request must have; of one that changes something, in a header that no
            other page can have a browser send.
        port: at which the page listens.
        proxy: lets in who needs no token to read.
    """

    def __init__(
        self, app: "ASGIApp", *, names: "Iterable[str]", token: str, port: str, proxy: TrustedProxy
    ) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)
        self._token = token
        self._cookie = COOKIE + port
        self._proxy = proxy

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            return
        headers: Headers = scope["headers"]
        sending = _Sending(send)
        if self._opens_page(scope):
            await sending.let_in(self._cookie, self._token)
            return
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await sending.refuse(*refusal)
            return
        if scope["method"] == "HEAD":
            # uvicorn leaves out the body; nothing else makes a difference between the two.
            scope = dict(scope, method="GET")
        await self._app(scope, _Limited(receive, sending).receive, sending)

    def _refusal(self, scope: "Scope", headers: "Headers") -> tuple[HTTPStatus, str] | None:
        """Return why a request is refused, None if it is not."""
        method = scope["method"]
        if scope["http_version"] not in {"1.0", "1.1"} or not self._is_for_us(headers):
            # DNS rebinding: a foreign page may have its name resolved to this machine.
            return HTTPStatus.MISDIRECTED_REQUEST, "unknown Host header, or version of HTTP"
        if method not in _READING | _CHANGING:
            return HTTPStatus.METHOD_NOT_ALLOWED, "only GET, HEAD, POST, PUT and DELETE"
        if _length(headers) > LARGEST_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {LARGEST_BODY} bytes"
        if method in _CHANGING:
            return self._refusal_to_change(headers)
        if scope["path"] in OPEN_PATHS or self._has_token(headers) or self._proxy.lets_in(scope):
            return None
        return HTTPStatus.UNAUTHORIZED, "open the URL with its token: `valenced page` prints it"

    def _refusal_to_change(self, headers: "Headers") -> tuple[HTTPStatus, str] | None:
        if not _is_same_origin(headers):
            return HTTPStatus.FORBIDDEN, "comes from another page"
        if not self._is_token(_first(headers, TOKEN_HEADER)):
            return HTTPStatus.FORBIDDEN, "needs the header X-Valenced-Token of the page"
        if _length(headers) and not _is_json(headers):
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json is accepted"
        return None

    def _opens_page(self, scope: "Scope") -> bool:
        """Whether the page is opened by the address with the token."""
        if scope["path"] != "/" or scope["method"] != "GET" or not scope["query_string"]:
            return False
        try:
            given = parse_qs(scope["query_string"].decode("ascii"), max_num_fields=8)
        except ValueError:
            return False
        tokens = given.get("token", [])
        return self._is_for_us(scope["headers"]) and len(tokens) == 1 and self._is_token(tokens[0])

    def _has_token(self, headers: "Headers") -> bool:
        return self._is_token(_first(headers, TOKEN_HEADER)) or self._is_token(
            _cookie(headers, self._cookie)
        )

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _is_for_us(self, headers: "Headers") -> bool:
        """Whether `Host` is an address or one of our names."""
        hosts = _all(headers, b"host")
        if len(hosts) != 1:
            return False
        host = hosts[0].strip().lower()
        if not host.endswith("]"):
            name, colon, port = host.rpartition(":")
            host = name if colon and port.isascii() and port.isdecimal() else host
        if host in self._names:
            return True
        try:
            ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


class _Sending:
    """Adds to an answer what every answer says."""

    def __init__(self, send: "Send") -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: "Message") -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            own = list(message.get("headers", []))
            said = {name.lower() for name, _ in own}
            message["headers"] = [*own, *(each for each in HEADERS if each[0] not in said)]
            if b"cache-control" not in said:
                message["headers"].append((b"cache-control", b"no-store"))
        await self._send(message)

    async def refuse(self, status: HTTPStatus, why: str) -> None:
        body = json.dumps({"detail": why}).encode() + b"\n"
        # What is left of the body is not read.
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append((b"allow", b"GET, HEAD, POST, PUT, DELETE"))
        await self._answer(status, headers, body)

    async def let_in(self, name: str, token: str) -> None:
        cookie = f"{name}={token}; Path=/; Max-Age={COOKIE_S}; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
        await self._answer(HTTPStatus.SEE_OTHER, headers, b"")

    async def _answer(self, status: HTTPStatus, headers: "Headers", body: bytes) -> None:
        length = (b"content-length", str(len(body)).encode())
        start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
        await self(start)
        await self({"type": "http.response.body", "body": body})


class _Limited:
    """Reads the body of a request that does not say how long it is, up to the limit."""

    def __init__(self, receive: "Receive", sending: _Sending) -> None:
        self._receive = receive
        self._sending = sending
        self._left = LARGEST_BODY

    async def receive(self) -> "Message":
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            # As if the client had gone: the application stops reading.
            return {"type": "http.disconnect"}
        return message


def _is_same_origin(headers: "Headers") -> bool:
    """Whether a request says that it comes from our page, or from a program that has no page."""
    site = _first(headers, b"sec-fetch-site")
    if site and site != "same-origin":
        return False
    origins = _all(headers, b"origin")
    if not origins:
        return True
    host = _first(headers, b"host").strip().lower()
    return len(origins) == 1 and origins[0].lower() in {f"http://{host}", f"https://{host}"}


def _is_json(headers: "Headers") -> bool:
    types = _all(headers, b"content-type")
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json"


def _length(headers: "Headers") -> int:
    text = _first(headers, b"content-length")
    if text:
        return int(text) if text.isascii() and text.isdecimal() else LARGEST_BODY + 1
    return 1 if _first(headers, b"transfer-encoding") else 0


def _cookie(headers: "Headers", name: str) -> str:
    try:
        found = SimpleCookie(_first(headers, b"cookie")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _first(headers: "Headers", name: bytes) -> str:
    return next(iter(_all(headers, name)), "")


def _all(headers: "Headers", name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]
