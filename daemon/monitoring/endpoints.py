"""The endpoints `/health` and `/metrics`, and a client that asks them for problems."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

from daemon.monitoring.service_status import Problem, Promise, status_of
from daemon.paths import printable
from daemon.system.passed_sockets import take_listener
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from daemon.monitoring.http_server import Reply
    from daemon.monitoring.service_status import ServiceStatus
    from daemon.pipeline.run_stats import RunStats
    from storage.catalogue import Catalogue

TIMEOUT_S: Final = 3.0
LARGEST_ANSWER: Final = 1 << 20
_TEXT: Final = "text/plain; charset=utf-8"


@contextmanager
def serve_endpoints(
    address: str,
    catalogue: Catalogue,
    reconcile_s: Callable[[], float],
    stats: RunStats,
    clock: Callable[[], datetime],
) -> Iterator[str]:
    """Serve the endpoints at `host:port`, for the duration of a block; an empty address at none.

    Yields:
        The address in use; empty if there is none.

    Raises:
        SettingsError: there is no such address.
        ListenError: it is in use, or this user may not use it.
    """
    passed = take_listener(os.environ)
    if not address:
        if passed is not None:
            passed.close()
        yield ""
        return
    # Without an address the service saves the memory of these.
    from daemon.monitoring.http_server import Reply, listening  # noqa: PLC0415
    from daemon.monitoring.prometheus_metrics import CONTENT_TYPE, Metrics  # noqa: PLC0415

    def status() -> ServiceStatus:
        return status_of(catalogue, reconcile_s(), clock(), stats)

    def health(as_json: bool) -> Reply:  # noqa: FBT001 - the server calls it
        try:
            problems = status().problems
        except CatalogueError as error:
            problems = [Problem(Promise.CATALOGUE, str(error))]
        return _health_reply(problems, as_json=as_json)

    exposed = Metrics(status, stats, clock)

    def metrics(_as_json: bool) -> Reply:  # noqa: FBT001 - the server calls it
        try:
            return Reply(200, CONTENT_TYPE, exposed.text())
        except CatalogueError as error:
            return Reply(503, _TEXT, f"{error}\n".encode())

    with listening(address, {"/health": health, "/metrics": metrics}, passed) as in_use:
        yield in_use


def fetch_problems(address: str) -> list[Problem]:
    """Return the problems that a service reports at an address; none if no service answers."""
    host, _, port = address.rpartition(":")
    if not int(port or 0):
        return []
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health", headers={"Accept": "application/json"})
        document = json.loads(connection.getresponse().read(LARGEST_ANSWER))
        return [
            Problem(Promise(reason["promise"]), str(reason["why"]))
            for reason in document["reasons"]
        ]
    except TimeoutError:
        return [Problem(Promise.LOOP, f"http://{address}/health does not answer")]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        # Another program, or a service that was started with other settings.
        return []
    finally:
        connection.close()


def _health_reply(problems: list[Problem], *, as_json: bool) -> Reply:
    from daemon.monitoring.http_server import Reply  # noqa: PLC0415

    code = 503 if problems else 200
    if as_json:
        document = {
            "status": "degraded" if problems else "ok",
            "reasons": [{"promise": each.promise, "why": each.why} for each in problems],
        }
        return Reply(code, "application/json", json.dumps(document).encode() + b"\n")
    lines = [printable(" ".join(each.why.split())) for each in problems] or ["ok"]
    text = "".join(f"{line}\n" for line in lines)
    return Reply(code, _TEXT, text.encode())
