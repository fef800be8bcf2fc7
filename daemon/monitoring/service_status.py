"""The status of the service: one source for `valenced status`, `/health` and `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from daemon.install.sandbox_check import CLOSED
from daemon.pipeline.run_stats import LONGEST_TURN_S
from daemon.tagging.basics.tag_errors import READ_ONLY
from daemon.tagging.rescue import problem_with
from daemon.watch.watcher import POLLED_INSTEAD
from storage.database.catalogue_file import writer_of
from storage.database.maintenance import free_beside, size_of
from storage.schema.records import TagState
from storage.service_notes import BUNDLE, CONFINEMENT, PAUSED, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from daemon.pipeline.run_stats import RunStats
    from storage.catalogue import Catalogue
    from storage.jobs import TrainingRun
    from storage.schema.records import Counts, FolderState
    from storage.service_notes import ServiceNote
    from storage.statistics import ReasonCount, ScheduledJob

LEAST_FREE_BYTES: Final = 256 << 20
STALLED_AFTER: Final = timedelta(minutes=30)
"""If files are due and none was analysed for so long, the work is stalled."""

MISSED_INTERVALS: Final = 3
"""After so many intervals without a comparison, it is not late by chance."""

MOST_REASONS: Final = 10
AN_HOUR: Final = timedelta(hours=1)


class Promise(StrEnum):
    """What the service promises; `docs/reference.md` says when each is broken."""

    SETTINGS = "settings"
    FOLDERS = "folders"
    COMPARING = "comparing"
    WORK = "work"
    TAGS = "tags"
    BUNDLE = "bundle"
    LEARNING = "learning"
    ROOM = "room"
    CATALOGUE = "catalogue"
    LOOP = "loop"


KNOWN_TO_PROCESS: Final = frozenset({Promise.WORK, Promise.CATALOGUE, Promise.LOOP})
"""Promises about which the running process knows more than the catalogue."""


@dataclass(frozen=True)
class Problem:
    """A promise that is broken at present, and why, in one line."""

    promise: Promise
    why: str


@dataclass(frozen=True)
class ServiceStatus:
    """The status of a service and its catalogue.

    Attributes:
        running: process number of the running service or scan, None if none runs.
        folders: of the present run, or of the last one.
        oldest_due: when the file that waits longest became due, None if none is due.
        failures: why files could not be analysed, the commonest reasons first.
        untagged: why files are left without tags, the commonest reasons first.
        tags_outside: files with pending tags in no folder of the running service; 0 if none runs.
        bundle: name of the published bundle, None before the first start.
        rescoring_left: predictions that are by another bundle.
        training: the last one, None if there was none.
        paused: why the load throttle pauses work, None if it does not.
        confinement: what confines the workers of the running service; None if that is not known.
        free_bytes: on the disk of the catalogue, None if it is on a server.
    """

    running: int | None
    counts: Counts
    folders: list[FolderState]
    oldest_due: datetime | None
    analysed_last_hour: int
    failures: list[ReasonCount]
    untagged: list[ReasonCount]
    tags_outside: int
    bundle: str | None
    rescoring_left: int
    jobs: list[ScheduledJob]
    annotations: int
    training: TrainingRun | None
    paused: ServiceNote | None
    confinement: ServiceNote | None
    catalogue_bytes: int
    free_bytes: int | None
    problems: list[Problem]


def status_of(
    catalogue: Catalogue, reconcile_s: float, now: datetime, stats: RunStats | None = None
) -> ServiceStatus:
    """Return the status of a catalogue's service, which compares its folders each `reconcile_s`.

    Only the process of the service itself has `stats`.

    Raises:
        CatalogueError: the catalogue cannot be read.
    """
    url, queries, statistics = catalogue.url, catalogue.queries, catalogue.statistics
    bundle = catalogue.bundles.published()
    running, folders = writer_of(url), queries.folders()
    watched = [folder.path for folder in folders]
    status = ServiceStatus(
        running=running,
        counts=queries.counts(now),
        folders=folders,
        oldest_due=statistics.oldest_due(now),
        analysed_last_hour=statistics.analysed_since(now - AN_HOUR),
        failures=statistics.failures_by_reason(MOST_REASONS),
        untagged=statistics.untagged_by_reason(TagState.NOT_WRITTEN, MOST_REASONS),
        tags_outside=statistics.tags_pending_outside(watched) if running and watched else 0,
        bundle=bundle,
        rescoring_left=0 if bundle is None else catalogue.rescoring.outdated_count(bundle),
        jobs=statistics.jobs(),
        annotations=statistics.annotations(),
        training=catalogue.jobs.last_training(),
        # The notes of a run that was killed are no longer true.
        paused=None if running is None else catalogue.notes.get(PAUSED),
        confinement=None if running is None else catalogue.notes.get(CONFINEMENT),
        catalogue_bytes=size_of(url),
        free_bytes=free_beside(url),
        problems=[],
    )
    status.problems.extend(_folder_problems(status, reconcile_s, now))
    if running is not None:
        status.problems.extend(_service_problems(status, catalogue, now))
    status.problems.extend(_catalogue_problems(status, catalogue))
    if stats is not None:
        status.problems.extend(_process_problems(stats))
    return status


def is_away(folder: FolderState) -> bool:
    """Whether a folder could not be read when it was last compared."""
    return folder.trouble is not None and not folder.trouble.startswith((POLLED_INSTEAD, CLOSED))


def _folder_problems(status: ServiceStatus, reconcile_s: float, now: datetime) -> Iterator[Problem]:
    for folder in status.folders:
        if folder.trouble is not None:
            yield Problem(Promise.FOLDERS, f"{folder.path}: {folder.trouble}")
    latest = now - timedelta(seconds=MISSED_INTERVALS * reconcile_s)
    for folder in status.folders if status.running is not None else []:
        # A single pass compares its folders once.
        if folder.watched_by != "nothing" and folder.reconciled_at < latest:
            since = f"{folder.reconciled_at:%Y-%m-%d %H:%M} UTC"
            yield Problem(Promise.COMPARING, f"{folder.path}: not compared since {since}")


def _service_problems(
    status: ServiceStatus, catalogue: Catalogue, now: datetime
) -> Iterator[Problem]:
    due, last = status.oldest_due, catalogue.statistics.last_analysed_at()
    is_late = due is not None and now - due > STALLED_AFTER
    if is_late and status.paused is None and (last is None or now - last > STALLED_AFTER):
        yield Problem(
            Promise.WORK,
            f"stalled: {status.counts.pending} files are due, and none was analysed for"
            f" {STALLED_AFTER // timedelta(minutes=1)} min",
        )
    for promise, about in ((Promise.SETTINGS, SETTINGS), (Promise.BUNDLE, BUNDLE)):
        if (note := catalogue.notes.get(about)) is not None:
            yield Problem(promise, note.text)


def _catalogue_problems(status: ServiceStatus, catalogue: Catalogue) -> Iterator[Problem]:
    for group in catalogue.statistics.untagged_by_reason(TagState.PENDING, MOST_REASONS):
        # A read-only disk is the operator's choice: only the catalogue is promised there.
        if group.reason != READ_ONLY:
            yield Problem(Promise.TAGS, f"{group.count} files without their tags: {group.reason}")
    for note in catalogue.begun_writes.all():
        if why := problem_with(note, is_running=status.running is not None):
            yield Problem(Promise.TAGS, why)
    if status.training is not None and status.training.outcome == "failed":
        yield Problem(Promise.LEARNING, f"retraining failed: {status.training.reason}")
    if status.free_bytes is not None and status.free_bytes < LEAST_FREE_BYTES:
        free = status.free_bytes >> 20
        yield Problem(
            Promise.ROOM, f"only {free} MiB free where the catalogue is; it needs room to grow"
        )


def _process_problems(stats: RunStats) -> Iterator[Problem]:
    age_s = stats.heartbeat_age_s
    if age_s > LONGEST_TURN_S:
        yield Problem(Promise.LOOP, f"the event loop has not responded for {age_s:.0f} s")
    if stats.stuck is not None:
        yield Problem(Promise.WORK, f"{stats.stuck} hangs; restart the service")
    for problem in dict.fromkeys((stats.problem, stats.stalled)):
        if problem is not None:
            yield Problem(Promise.CATALOGUE, f"stalled: {problem}")
