"""The figures of a service in the form that Prometheus reads."""

from __future__ import annotations

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
from daemon.pipeline.run_stats import BUCKETS_S
from daemon.pipeline.stages import FileResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

    from daemon.monitoring.service_status import ServiceStatus
    from daemon.pipeline.run_stats import RunStats

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_FAILURES: Final = {"unreadable": FileResult.UNREADABLE, "unusable": FileResult.UNUSABLE}


class Metrics:
    """Makes every figure anew whenever it is asked for; nothing is kept.

    Args:
        look: returns how the service is.
        vitals: of the run.
        clock: the time, aware of its zone.
    """

    def __init__(
        self, look: Callable[[], ServiceStatus], vitals: RunStats, clock: Callable[[], datetime]
    ) -> None:
        self._look = look
        self._vitals = vitals
        self._clock = clock
        self._registry = CollectorRegistry(auto_describe=False)
        # Without `describe` it would be asked for its figures right now.
        self._registry.register(cast("Any", self))

    def text(self) -> bytes:
        """Return all figures, in the exposition format.

        Raises:
            CatalogueError: the catalogue cannot be read.
        """
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Return nothing: the names are no one else's in our own registry."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every figure."""
        condition = self._look()
        yield from _of_files(condition, self._clock())
        yield from _of_folders(condition)
        yield from _of_catalogue(condition)
        yield from _of_run(self._vitals)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"valenced_{name}", text, value=value)


def _of_files(condition: ServiceStatus, now: datetime) -> Iterator[Metric]:
    counts, due = condition.counts, condition.oldest_due
    yield _gauge("files_known", "Files with a result.", counts.known)
    yield _gauge("files_pending", "Files that are due or in hand.", counts.pending)
    yield _gauge("files_failed", "Files that could not be heard.", counts.failed)
    yield _gauge("tags_pending", "Files whose tags are still to be written.", counts.tags_pending)
    yield _gauge("tags_given_up", "Files left without tags.", counts.tags_given_up)
    yield _gauge("rescoring_left", "Predictions by another bundle.", condition.rescoring_left)
    yield _gauge("annotations", "Annotations in force.", condition.annotations)
    age_s = 0.0 if due is None else (now - due).total_seconds()
    yield _gauge("queue_age_seconds", "Waiting time of the file that is due longest.", age_s)


def _of_folders(condition: ServiceStatus) -> Iterator[Metric]:
    compared = GaugeMetricFamily(
        "valenced_folder_reconciled_timestamp_seconds",
        "When a folder was last compared with the catalogue.",
        labels=["path", "watched_by"],
    )
    away = GaugeMetricFamily(
        "valenced_folder_away", "1 for a folder that cannot be looked into.", labels=["path"]
    )
    for folder in condition.folders:
        # The format is UTF-8, and names of files need not be.
        path = str(folder.path).encode("utf-8", "backslashreplace").decode("utf-8")
        compared.add_metric([path, folder.watched_by], folder.reconciled_at.timestamp())
        away.add_metric([path], is_away(folder))
    yield compared
    yield away


def _of_catalogue(condition: ServiceStatus) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "valenced_bundle", "The bundle in service.", value={"name": condition.bundle or ""}
    )
    yield _gauge("catalogue_bytes", "What the catalogue takes.", condition.catalogue_bytes)
    yield _gauge("free_bytes", "Room left where the catalogue is.", condition.free_bytes)
    degraded = GaugeMetricFamily(
        "valenced_degraded", "How often a promise is not kept just now.", labels=["promise"]
    )
    broken = [problem.promise for problem in condition.problems]
    for promise in Promise:
        degraded.add_metric([promise], broken.count(promise))
    yield degraded


def _of_run(vitals: RunStats) -> Iterator[Metric]:
    fates = vitals.results
    yield CounterMetricFamily(
        "valenced_files_heard",
        "Files taken in since the start.",
        value=fates.get(FileResult.PROCESSED, 0),
    )
    failures = CounterMetricFamily(
        "valenced_failures", "Tries that failed since the start.", labels=["kind"]
    )
    for kind, fate in _FAILURES.items():
        failures.add_metric([kind], fates.get(fate, 0))
    yield failures
    slots, total_s = vitals.durations
    so_far = [sum(slots[: number + 1]) for number in range(len(slots))]
    borders = [*map(str, BUCKETS_S), "+Inf"]
    yield HistogramMetricFamily(
        "valenced_file_seconds",
        "Time that one file took, tags included.",
        buckets=list(zip(borders, so_far, strict=True)),
        sum_value=total_s,
    )
    yield _gauge("workers", "Workers there are.", vitals.workers)
    yield _gauge("workers_busy", "Workers that have a file in hand.", vitals.busy)
    yield _gauge("paused", "1 while work waits for others.", vitals.paused is not None)
    yield _gauge("heartbeat_age_seconds", "Since the main loop came round.", vitals.heartbeat_age_s)
