"""What is told over HTTP of how a service is: health, metrics and status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from daemon.monitoring.page_messages import JSON, TEXT, Reply
from daemon.monitoring.service_status import Problem, Promise, status_of
from daemon.monitoring.status_document import document_of
from daemon.paths import printable
from storage.database.catalogue_file import place_of
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from daemon.monitoring.page_messages import Subject
    from daemon.monitoring.prometheus_metrics import Metrics
    from daemon.monitoring.service_status import ServiceStatus
    from daemon.pipeline.run_stats import RunStats
    from storage.catalogue import Catalogue


class StatusReplies:
    """Replies about one service, or about a catalogue that none works on.

    Args:
        catalogue: of the service.
        reconcile_s: the interval at which it compares its folders.
        clock: the time.
        stats: of the process of the service; None in another, which has no metrics.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        reconcile_s: Callable[[], float],
        clock: Callable[[], datetime],
        stats: RunStats | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._reconcile_s = reconcile_s
        self._clock = clock
        self._stats = stats
        self._metrics: Metrics | None = None

    def ask(self, about: Subject) -> Reply:
        """Return the reply about a subject."""
        try:
            match about:
                case "health":
                    return _as_text(self._problems())
                case "health as JSON":
                    return _as_json(self._problems())
                case "metrics":
                    return self._exposed()
                case "status":
                    return self._document()
        except CatalogueError as error:
            return Reply(503, TEXT, f"{error}\n".encode(errors="backslashreplace"))

    def _status(self) -> ServiceStatus:
        return status_of(self._catalogue, self._reconcile_s(), self._clock(), self._stats)

    def _problems(self) -> list[Problem]:
        try:
            return self._status().problems
        except CatalogueError as error:
            return [Problem(Promise.CATALOGUE, str(error))]

    def _exposed(self) -> Reply:
        if self._stats is None:
            return Reply(503, TEXT, b"no service runs that could be measured\n")
        # Most services are never measured.
        from daemon.monitoring.prometheus_metrics import CONTENT_TYPE, Metrics  # noqa: PLC0415

        if self._metrics is None:
            self._metrics = Metrics(self._status, self._stats, self._clock)
        return Reply(200, CONTENT_TYPE, self._metrics.text())

    def _document(self) -> Reply:
        place, now = place_of(self._catalogue.url), self._clock()
        document = document_of(self._status(), place, now)
        return Reply(200, JSON, json.dumps(document).encode("ascii") + b"\n")


def _as_json(problems: list[Problem]) -> Reply:
    document = {
        "status": "degraded" if problems else "ok",
        "reasons": [{"promise": each.promise, "why": each.why} for each in problems],
    }
    return Reply(503 if problems else 200, JSON, json.dumps(document).encode() + b"\n")


def _as_text(problems: list[Problem]) -> Reply:
    lines = [printable(" ".join(each.why.split())) for each in problems] or ["ok"]
    text = "".join(f"{line}\n" for line in lines)
    return Reply(503 if problems else 200, TEXT, text.encode())
