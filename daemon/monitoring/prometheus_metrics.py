"""The metrics of the service in the exposition format of Prometheus."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, cast

from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from daemon.monitoring.service_status import Promise, is_away
from daemon.pipeline.claimed_file import FileResult
from daemon.pipeline.run_stats import BUCKETS_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

    from daemon.monitoring.service_status import ServiceStatus
    from daemon.pipeline.run_stats import RunStats

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_FAILURES: Final = {"unreadable": FileResult.UNREADABLE, "unusable": FileResult.UNUSABLE}


class Metrics:
    """Computes every metric at each request; nothing is stored."""

    def __init__(
        self, status: Callable[[], ServiceStatus], stats: RunStats, clock: Callable[[], datetime]
    ) -> None:
        self._status = status
        self._stats = stats
        self._clock = clock
        self._registry = CollectorRegistry(auto_describe=False)
        # Without `describe` it would be asked for its metrics right now.
        self._registry.register(cast("Any", self))

    def text(self) -> bytes:
        """Return all metrics, in the exposition format.

        Raises:
            CatalogueError: the catalogue cannot be read.
        """
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Return nothing: names cannot clash in a registry of our own."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        status = self._status()
        yield from _file_metrics(status, self._clock())
        yield from _folder_metrics(status)
        yield from _catalogue_metrics(status)
        yield from _run_metrics(self._stats)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"valenced_{name}", text, value=value)


def _file_metrics(status: ServiceStatus, now: datetime) -> Iterator[Metric]:
    counts, due = status.counts, status.oldest_due
    yield _gauge("files_known", "Files with a result.", counts.known)
    yield _gauge("files_pending", "Files that are due or being processed.", counts.pending)
    yield _gauge("files_failed", "Files that could not be analysed.", counts.failed)
    yield _gauge("tags_pending", "Files whose tags are still to be written.", counts.tags_pending)
    yield _gauge("tags_given_up", "Files left without tags.", counts.tags_given_up)
    yield _gauge("rescoring_left", "Predictions by another bundle.", status.rescoring_left)
    yield _gauge("annotations", "Annotations in force.", status.annotations)
    age_s = 0.0 if due is None else (now - due).total_seconds()
    yield _gauge("queue_age_seconds", "Waiting time of the file that is due longest.", age_s)


def _folder_metrics(status: ServiceStatus) -> Iterator[Metric]:
    compared = GaugeMetricFamily(
        "valenced_folder_reconciled_timestamp_seconds",
        "When a folder was last compared with the catalogue.",
        labels=["path", "watched_by"],
    )
    away = GaugeMetricFamily(
        "valenced_folder_away", "1 for a folder that cannot be read.", labels=["path"]
    )
    for folder in status.folders:
        # The format is UTF-8, and file names need not be.
        path = str(folder.path).encode("utf-8", "backslashreplace").decode("utf-8")
        compared.add_metric([path, folder.watched_by], folder.reconciled_at.timestamp())
        away.add_metric([path], is_away(folder))
    yield compared
    yield away


def _catalogue_metrics(status: ServiceStatus) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "valenced_bundle", "The published bundle.", value={"name": status.bundle or ""}
    )
    yield _gauge("catalogue_bytes", "Size of the catalogue.", status.catalogue_bytes)
    if status.free_bytes is not None:
        yield _gauge("free_bytes", "Free space where the catalogue is.", status.free_bytes)
    degraded = GaugeMetricFamily(
        "valenced_degraded", "How many problems break a promise at present.", labels=["promise"]
    )
    broken = [problem.promise for problem in status.problems]
    for promise in Promise:
        degraded.add_metric([promise], broken.count(promise))
    yield degraded


def _run_metrics(stats: RunStats) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "valenced_files_heard", "Files processed since the start.", value=stats.processed
    )
    failures = CounterMetricFamily(
        "valenced_failures", "Attempts that failed since the start.", labels=["kind"]
    )
    results = stats.results
    for kind, result in _FAILURES.items():
        failures.add_metric([kind], results.get(result, 0))
    yield failures
    counts, total_s = stats.durations
    limits = [*map(str, BUCKETS_S), "+Inf"]
    yield HistogramMetricFamily(
        "valenced_file_seconds",
        "Processing time of one file, tags included.",
        buckets=list(zip(limits, accumulate(counts), strict=True)),
        sum_value=total_s,
    )
    yield _gauge("workers", "Number of workers.", stats.workers)
    yield _gauge("workers_busy", "Workers that process a file.", stats.busy)
    yield _gauge("paused", "1 while the load throttle pauses work.", stats.paused is not None)
    yield _gauge("heartbeat_age_seconds", "Age of the last heartbeat.", stats.heartbeat_age_s)
