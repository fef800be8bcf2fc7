"""What is told of the service at `/health` and `/metrics`, and how another process asks for it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

from daemon.monitoring.service_status import Problem, Promise, status_of
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from daemon.monitoring.http_server import Reply
    from daemon.monitoring.service_status import ServiceStatus
    from daemon.pipeline.run_stats import RunStats
    from storage.catalogue import Catalogue

PATIENCE_S: Final = 3.0
LARGEST_ANSWER: Final = 1 << 20
_TEXT: Final = "text/plain; charset=utf-8"


@contextmanager
def serve_endpoints(
    address: str,
    catalogue: Catalogue,
    reconcile_s: Callable[[], float],
    vitals: RunStats,
    clock: Callable[[], datetime],
) -> Iterator[str]:
    """Tell at an address how the service is, for the time of a block.

    Args:
        address: `host:port`; empty listens nowhere.
        catalogue: where the service leaves word.
        reconcile_s: tells how often the folders are to be compared, in seconds.
        vitals: of the run.
        clock: the time, aware of its zone.

    Yields:
        The address in use; empty if there is none.

    Raises:
        SettingsError: there is no such address.
        ListenError: it is taken, or may not be used by us.
    """
    if not address:
        yield ""
        return
    # A service that listens nowhere is spared their memory.
    from daemon.monitoring.http_server import Reply, listening  # noqa: PLC0415
    from daemon.monitoring.prometheus_metrics import CONTENT_TYPE, Metrics  # noqa: PLC0415

    def look() -> ServiceStatus:
        return status_of(catalogue, reconcile_s(), clock(), vitals)

    def health(as_json: bool) -> Reply:  # noqa: FBT001 - the listener calls it
        try:
            problems = look().problems
        except CatalogueError as error:
            problems = [Problem(Promise.CATALOGUE, str(error))]
        return _told(problems, as_json=as_json)

    metrics = Metrics(look, vitals, clock)

    def figures(_as_json: bool) -> Reply:  # noqa: FBT001 - the listener calls it
        try:
            return Reply(200, CONTENT_TYPE, metrics.text())
        except CatalogueError as error:
            return Reply(503, _TEXT, f"{error}\n".encode())

    with listening(address, {"/health": health, "/metrics": figures}) as in_use:
        yield in_use


def fetch_problems(address: str) -> list[Problem]:
    """Ask a running service what it does not keep; nothing if nobody answers at that address."""
    host, _, port = address.rpartition(":")
    if not int(port or 0):
        return []
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE_S)
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


def _told(problems: list[Problem], *, as_json: bool) -> Reply:
    from daemon.monitoring.http_server import Reply  # noqa: PLC0415

    status = 503 if problems else 200
    if as_json:
        document = {
            "status": "degraded" if problems else "ok",
            "reasons": [{"promise": each.promise, "why": each.why} for each in problems],
        }
        return Reply(status, "application/json", json.dumps(document).encode() + b"\n")
    lines = [" ".join(each.why.split()) for each in problems] or ["ok"]
    text = "".join(f"{line}\n" for line in lines)
    return Reply(status, _TEXT, text.encode("utf-8", "backslashreplace"))
