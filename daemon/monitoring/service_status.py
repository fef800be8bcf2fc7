"""How the service is: one account of it, for `status`, `/health` and `/metrics` alike."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from daemon.install.sandbox_check import CLOSED
from daemon.pipeline.run_stats import LONGEST_TURN_S
from daemon.tagging.formats.tag_errors import READ_ONLY
from daemon.watch.watcher import POLLED_INSTEAD
from storage.database.engine import file_of, writer_of
from storage.database.maintenance import size_of
from storage.schema.records import TagState
from storage.service_notes import BUNDLE, PAUSED, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from daemon.pipeline.run_stats import RunStats
    from storage.catalogue import Catalogue
    from storage.jobs import TrainingRun
    from storage.schema.records import Counts, FolderState
    from storage.service_notes import ServiceNote
    from storage.statistics import CatalogueStatistics, ReasonCount, ScheduledJob

LEAST_FREE_BYTES: Final = 256 << 20
STANDSTILL: Final = timedelta(minutes=30)
"""Work that is due and of which nothing comes for so long stands still."""

MISSED_ROUNDS: Final = 3
"""So many comparisons in a row are not late by chance."""

MOST_REASONS: Final = 10
AN_HOUR: Final = timedelta(hours=1)


class Promise(StrEnum):
    """What is promised, and can be found broken."""

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
"""What the service itself knows more of than the catalogue tells."""


@dataclass(frozen=True)
class Problem:
    """A promise that is not kept at the moment, and why, in one line."""

    promise: Promise
    why: str


@dataclass(frozen=True)
class ServiceStatus:
    """How a service and its catalogue stand.

    Attributes:
        running: process number of the service or scan at work, None if none is.
        counts: of files.
        folders: of the run that goes on, or of the last one.
        oldest_due: since when the file waits that is due longest, None if none is due.
        analysed_last_hour: sounds heard within the last hour.
        failures: why files could not be heard, the commonest reasons first.
        untagged: why files are left without tags, the commonest reasons first.
        bundle: name of the bundle in service, None before the first start.
        rescoring_left: predictions that are by another bundle.
        jobs: what is due when.
        annotations: number of those in force.
        training: the last one, None if there was none.
        paused: why work waits for others, None if it does not.
        catalogue_bytes: what the catalogue takes on its disk.
        free_bytes: what is left there.
        problems: the promises that are not kept.
    """

    running: int | None
    counts: Counts
    folders: list[FolderState]
    oldest_due: datetime | None
    analysed_last_hour: int
    failures: list[ReasonCount]
    untagged: list[ReasonCount]
    bundle: str | None
    rescoring_left: int
    jobs: list[ScheduledJob]
    annotations: int
    training: TrainingRun | None
    paused: ServiceNote | None
    catalogue_bytes: int
    free_bytes: int
    problems: list[Problem]

    @property
    def degraded(self) -> list[str]:
        """One line for each promise that is not kept."""
        return [problem.why for problem in self.problems]


def status_of(
    catalogue: Catalogue, reconcile_s: float, now: datetime, vitals: RunStats | None = None
) -> ServiceStatus:
    """Look at a service from outside, or from inside.

    Args:
        catalogue: where the service leaves word.
        reconcile_s: how often the folders are to be compared, in seconds.
        now: the time.
        vitals: what only the service itself knows; None from outside.

    Raises:
        CatalogueError: the catalogue cannot be read.
    """
    url, queries, overview, notes = (
        catalogue.url,
        catalogue.queries,
        catalogue.statistics,
        catalogue.notes,
    )
    bundle = queries.bundle_in_service()
    running = writer_of(url)
    found = ServiceStatus(
        running=running,
        counts=queries.counts(now),
        folders=queries.folders(),
        oldest_due=overview.oldest_due(now),
        analysed_last_hour=overview.analysed_since(now - AN_HOUR),
        failures=overview.failures_by_reason(MOST_REASONS),
        untagged=overview.untagged_by_reason(TagState.NOT_WRITTEN, MOST_REASONS),
        bundle=None if bundle is None else bundle.name,
        rescoring_left=0 if bundle is None else catalogue.rescoring.outdated_count(bundle.name),
        jobs=overview.jobs(),
        annotations=overview.annotations(),
        training=catalogue.jobs.last_training(),
        # What was noted by a run that was killed holds no more.
        paused=None if running is None else notes.get(PAUSED),
        catalogue_bytes=size_of(url),
        free_bytes=shutil.disk_usage(file_of(url).parent).free,
        problems=[],
    )
    found.problems.extend(_of_service(found, overview, reconcile_s, now))
    for promise, about in ((Promise.SETTINGS, SETTINGS), (Promise.BUNDLE, BUNDLE)):
        if running is not None and (note := notes.get(about)) is not None:
            found.problems.append(Problem(promise, note.text))
    found.problems.extend(_of_catalogue(found, overview))
    if vitals is not None:
        found.problems.extend(_of_vitals(vitals))
    return found


def is_away(folder: FolderState) -> bool:
    """Tell whether a folder could not be looked into when it was last compared."""
    return folder.trouble is not None and not folder.trouble.startswith((POLLED_INSTEAD, CLOSED))


def _of_service(
    found: ServiceStatus, overview: CatalogueStatistics, reconcile_s: float, now: datetime
) -> Iterator[Problem]:
    for folder in found.folders:
        if folder.trouble is not None:
            yield Problem(Promise.FOLDERS, f"{folder.path}: {folder.trouble}")
    if found.running is None:
        return
    latest = now - timedelta(seconds=MISSED_ROUNDS * reconcile_s)
    for folder in found.folders:
        # A single pass compares its folders once.
        if folder.watched_by != "nothing" and folder.reconciled_at < latest:
            since = f"{folder.reconciled_at:%Y-%m-%d %H:%M} UTC"
            yield Problem(Promise.COMPARING, f"{folder.path}: not compared since {since}")
    due, last = found.oldest_due, overview.last_analysed_at()
    is_late = due is not None and now - due > STANDSTILL
    if is_late and found.paused is None and (last is None or now - last > STANDSTILL):
        yield Problem(
            Promise.WORK,
            f"work stands still: {found.counts.pending} files are due, and none was heard for"
            f" {STANDSTILL // timedelta(minutes=1)} min",
        )


def _of_catalogue(found: ServiceStatus, overview: CatalogueStatistics) -> Iterator[Problem]:
    for group in overview.untagged_by_reason(TagState.PENDING, MOST_REASONS):
        if group.reason == READ_ONLY:
            # Somebody wants it so, and the catalogue is all that is promised there.
            continue
        yield Problem(Promise.TAGS, f"{group.count} files without their tags: {group.reason}")
    if found.training is not None and found.training.outcome == "failed":
        yield Problem(Promise.LEARNING, f"learning failed: {found.training.reason}")
    if found.free_bytes < LEAST_FREE_BYTES:
        yield Problem(
            Promise.ROOM,
            f"only {found.free_bytes >> 20} MiB free where the catalogue is; it needs room to grow",
        )


def _of_vitals(vitals: RunStats) -> Iterator[Problem]:
    age_s = vitals.heartbeat_age_s
    if age_s > LONGEST_TURN_S:
        yield Problem(Promise.LOOP, f"the main loop gave no sign of life for {age_s:.0f} s")
    if vitals.stuck is not None:
        yield Problem(Promise.WORK, f"{vitals.stuck} hangs; the service should be started anew")
    for trouble in dict.fromkeys((vitals.problem, vitals.stalled)):
        if trouble is not None:
            yield Problem(Promise.CATALOGUE, f"work waits: {trouble}")
