"""Which requests the page answers, and which it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from config.errors import SettingsError
from config.loading import load
from daemon.page.http.request_guard import LARGEST_BODY
from tests.daemon.page.page_client import TOKEN, served, token_in

if TYPE_CHECKING:
    from tests.daemon.page.conftest import Library
    from tests.daemon.page.page_client import PageClient

FOLDERS = "/api/v1/folders"
ROWS = "/api/v1/sounds/rows"
JSON = "application/json"
CONTRADICTORY = (
    b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"
)
"""Two lengths: who reads the other one sees two requests."""


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("localhost.evil.example", 421),
        ("localhost:80@evil.example", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
@pytest.mark.parametrize("path", ["/", "/health", FOLDERS])
def test_a_foreign_host_header_is_refused(
    page: PageClient, path: str, host: str, status: int
) -> None:
    assert page.get(path, Host=host).status == status


def test_every_answer_tells_browsers_to_keep_to_this_page(page: PageClient) -> None:
    for path in ("/", FOLDERS, "/nowhere", "/static/nowhere.js", "/api/v1/sounds/0"):
        headers = page.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_the_document_holds_the_token_and_other_answers_do_not(page: PageClient) -> None:
    assert token_in(page.get("/").body.decode()) == TOKEN
    for path in (FOLDERS, "/api/openapi.json", "/health"):
        assert TOKEN.encode() not in page.get(path).body


def test_a_change_needs_token_origin_and_type(page: PageClient) -> None:
    good = {
        "X-Valenced-Token": TOKEN,
        "Origin": f"http://{page.address}",
        "Content-Type": JSON,
        "Sec-Fetch-Site": "same-origin",
    }
    body = json.dumps({"ids": []})
    assert page.send("POST", ROWS, body, good).status == 200
    # A program that is no browser has no origin.
    assert (
        page.send(
            "POST", ROWS, body, {k: good[k] for k in ("X-Valenced-Token", "Content-Type")}
        ).status
        == 200
    )
    for wrong, status in (
        ({"X-Valenced-Token": ""}, 403),
        ({"X-Valenced-Token": TOKEN + "x"}, 403),
        ({"X-Valenced-Token": "\xff"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://{page.address}.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ):
        assert page.send("POST", ROWS, body, good | wrong).status == status, wrong
    missing = {name: text for name, text in good.items() if name != "X-Valenced-Token"}
    assert page.send("POST", ROWS, body, missing).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_no_change_at_any_path_goes_without_the_token(page: PageClient, method: str) -> None:
    for path in ("/", "/health", FOLDERS, "/api/v1/sounds/1/annotation", "/nowhere"):
        assert page.send(method, path, None, {}).status == 403


def test_other_methods_are_refused(page: PageClient) -> None:
    for method in ("OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"):
        assert page.send(method, FOLDERS, None, {}).status == 405


def test_head_is_answered_like_get_without_a_body(page: PageClient) -> None:
    head, get = page.get(FOLDERS, "HEAD"), page.get(FOLDERS)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))


def test_a_large_body_is_refused_whether_it_says_so_or_not(page: PageClient) -> None:
    headers = {"X-Valenced-Token": TOKEN, "Content-Type": JSON}
    assert page.send("POST", ROWS, b" " * (LARGEST_BODY + 1), headers).status == 413
    host = page.address.encode()
    head = b"POST %s HTTP/1.1\r\nHost: %s\r\nX-Valenced-Token: %s\r\nContent-Type: %s\r\n" % (
        ROWS.encode(),
        host,
        TOKEN.encode(),
        JSON.encode(),
    )
    assert b" 413 " in page.raw(head + b"Content-Length: 99999999999999999999\r\n\r\n")
    piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    with page.connect() as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                client.sendall(piece)
            answer = client.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert b" 200 " not in answer
    assert page.get(FOLDERS).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X-Long: " + b"x" * 500_000 + b"\r\n\r\n",
        b"GET " + b"/" * 500_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /health HTTP/9.9\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        CONTRADICTORY,
    ],
)
def test_a_malformed_request_is_refused_and_the_next_one_answered(
    page: PageClient, request_: bytes
) -> None:
    assert b" 200 OK" not in page.raw(request_)
    assert page.get(FOLDERS).status == 200


def test_everybody_is_asked_for_the_token(page: PageClient) -> None:
    paths = "/", FOLDERS, "/api/openapi.json", "/static/x.js", "/?token=", "/?token=wrong"
    for path in (*paths, f"/?token={TOKEN}&token={TOKEN}", f"/static/app.js?token={TOKEN}"):
        assert page.send("GET", path, None, {}).status == 401, path
    assert page.send("GET", "/health", None, {}).status == 200
    assert page.send("GET", "/metrics", None, {}).status == 503
    opened = page.send("GET", f"/?token={TOKEN}", None, {})
    assert (opened.status, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    own = cookie.partition(";")[0]
    # Pages at other ports of the same host have cookies of their own.
    assert own.partition("=")[0].endswith(f"-{page.address.rpartition(':')[2]}")
    assert page.send("GET", "/", None, {"Cookie": f"other=1; {own}"}).status == 200
    assert page.send("GET", FOLDERS, None, {"Cookie": own + "x"}).status == 401
    assert page.send("GET", FOLDERS, None, {"Cookie": own.replace("-", "-1", 1)}).status == 401
    # The cookie alone changes nothing: a foreign page could have it sent.
    headers = {"Cookie": own, "Content-Type": JSON}
    assert page.send("POST", ROWS, '{"ids": []}', headers).status == 403


BY_PROXY = ("page.user_header=X-Remote-User", 'page.names=["music.example.org"]')
HERE = 'page.proxies=["127.0.0.0/8"]'


def test_a_reverse_proxy_lets_in_whom_it_names(library: Library) -> None:
    with served(library.catalogue, *BY_PROXY, HERE) as page:
        named = {"X-Remote-User": "anna", "Host": "music.example.org"}
        opened = page.send("GET", "/", None, named)
        token = token_in(opened.body.decode())
        assert page.send("GET", FOLDERS, None, named).status == 200
        change = named | {"Content-Type": JSON, "Origin": "https://music.example.org"}
        assert page.send("POST", ROWS, '{"ids": []}', change).status == 403
        change["X-Valenced-Token"] = token
        assert page.send("POST", ROWS, '{"ids": []}', change).status == 200
        change["Origin"] = "https://evil.example"
        assert page.send("POST", ROWS, '{"ids": []}', change).status == 403
        assert page.send("GET", FOLDERS, None, named | {"Host": "evil.example"}).status == 421
        for wrong in (
            {},
            {"X-Remote-User": ""},
            {"X-Remote-User": " "},
            {"X-Remote-Users": "anna"},
        ):
            assert page.send("GET", FOLDERS, None, wrong).status == 401, wrong
        twice = b"X-Remote-User: anna\r\nX-Remote-User: root\r\nConnection: close\r\n\r\n"
        line = f"GET {FOLDERS} HTTP/1.1\r\nHost: localhost\r\n".encode()
        assert b" 401 " in page.raw(line + twice)


@pytest.mark.parametrize(
    "settings", [(), BY_PROXY, (*BY_PROXY, 'page.proxies=["10.0.0.7", "::1"]'), (HERE,)]
)
def test_nobody_else_is_believed_to_be_a_proxy(library: Library, settings: tuple[str, ...]) -> None:
    with served(library.catalogue, *settings) as page:
        claims = {
            "X-Remote-User": "root",
            "X-Forwarded-For": "10.0.0.7",
            "Forwarded": "for=10.0.0.7",
        }
        assert page.send("GET", FOLDERS, None, claims).status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        'page.proxies=["10.0.0.1/24"]',
        'page.proxies=["proxy.example"]',
        'page.proxies=[""]',
        "page.user_header=X Remote",
        "page.user_header=X-User:",
        'page.names=["*"]',
        'page.names=["a/b"]',
    ],
)
def test_a_setting_that_would_let_in_others_is_refused(library: Library, wrong: str) -> None:
    state = str(library.catalogue.parent)
    with pytest.raises(SettingsError, match="page"):
        load(environ={"STATE_DIRECTORY": state, "HOME": state}, overrides=(wrong,))
