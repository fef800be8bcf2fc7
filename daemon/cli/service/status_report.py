"""The answer of `valenced status` as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.monitoring.service_status import is_away
from daemon.wording import counted
from storage.schema.column_formats import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from daemon.monitoring.service_status import ServiceStatus
    from storage.statistics import ReasonCount

_DISPLAYED: Final = {"kept back": "not published", "learn": "training"}
"""Words of the catalogue, and what is shown instead."""


def lines_of(status: ServiceStatus, catalogue: str, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield the lines of the text, each with its heading."""
    counts = status.counts
    yield "service", f"process {status.running}" if status.running else "not running"
    if status.paused:
        yield "", status.paused.text
    if status.confinement:
        yield "workers", status.confinement.text
    yield "known", f"{counts.known}   ({status.analysed_last_hour} analysed in the last hour)"
    due = status.oldest_due
    waits = f"   (the first for {(now - due).total_seconds():.0f} s)" if due else ""
    yield "pending", f"{counts.pending}{waits}"
    more = "   (one file of each reason; more: valenced show FILE)" * bool(counts.failed)
    yield "failed", f"{counts.failed}{more}"
    yield from _groups(status.failures)
    given_up = f"; {counts.tags_given_up} given up" * bool(counts.tags_given_up)
    yield "tags", f"{counts.tags_pending} pending{given_up}"
    if status.tags_outside:
        do = "add theirs to the settings, or stop the service for valenced scan FOLDER"
        yield "", f"{status.tags_outside:>6}  in none of the folders below: {do}"
    yield from _groups(status.untagged)
    left = f"; {counted(status.rescoring_left, 'prediction')} to be renewed"
    left *= bool(status.rescoring_left)
    yield "bundle", f"{status.bundle or 'none yet'}{left}"
    yield "training", counted(status.annotations, "annotation")
    if (last := status.training) is not None:
        outcome = _DISPLAYED.get(last.outcome, last.outcome)
        yield "", f"last at {as_text(last.begun_at)}, {outcome}: {last.reason}"
    then = "" if status.running else ", if the service runs then"
    for job in status.jobs:
        yield "next", f"{_DISPLAYED.get(job.job, job.job)} at {as_text(job.next_at)}{then}"
    free = "" if status.free_bytes is None else f", {status.free_bytes / 2**20:.0f} MiB free"
    yield "catalogue", f"{catalogue}   ({status.catalogue_bytes / 2**20:.1f} MiB{free})"
    for folder in status.folders:
        is_watched = status.running and folder.watched_by != "nothing"
        watched = folder.watched_by if is_watched else "not watched"
        state = watched + ", away" * is_away(folder)
        yield "folder", f"{folder.path}   ({state}, compared at {as_text(folder.reconciled_at)})"
    for problem in status.problems:
        yield "problem", problem.why


def _groups(groups: list[ReasonCount]) -> Iterator[tuple[str, str]]:
    for group in groups:
        yield "", f"{group.count:>6}  {group.reason}"
        yield "", f"        {group.example}"
