"""The answer of `valenced status` as a document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon.monitoring.service_status import is_away
from storage.schema.column_formats import as_text

if TYPE_CHECKING:
    from datetime import datetime

    from daemon.monitoring.service_status import ServiceStatus
    from storage.statistics import ReasonCount


def document_of(status: ServiceStatus, catalogue: str, now: datetime) -> dict[str, Any]:
    """Return what `status --format json` prints, mostly the fields of `ServiceStatus`.

    `broken` names the promises of `degraded`, in the same order. `oldest_due_s` is how long the
    first file has been due, in seconds. `files_per_hour` counts the sounds of the last hour.
    """
    due, training = status.oldest_due, status.training
    return {
        "running": status.running,
        **asdict(status.counts),
        "degraded": [problem.why for problem in status.problems],
        "broken": [problem.promise for problem in status.problems],
        "bundle": status.bundle,
        "catalogue": catalogue,
        "folders": [
            {
                "path": str(folder.path),
                "watched_by": folder.watched_by,
                "away": is_away(folder),
                "reconciled_at": as_text(folder.reconciled_at),
            }
            for folder in status.folders
        ],
        "oldest_due_s": None if due is None else round((now - due).total_seconds(), 1),
        "files_per_hour": status.analysed_last_hour,
        "failures": [_group(group) for group in status.failures],
        "untagged": [_group(group) for group in status.untagged],
        "paused": None if status.paused is None else status.paused.text,
        "confinement": None if status.confinement is None else status.confinement.text,
        "rescoring_left": status.rescoring_left,
        "annotations": status.annotations,
        "training": training
        and {
            "begun_at": as_text(training.begun_at),
            "annotations": training.annotations,
            "outcome": training.outcome,
            "reason": training.reason,
            "bundle": training.bundle,
        },
        "jobs": [{"job": job.job, "next_at": as_text(job.next_at)} for job in status.jobs],
        "catalogue_bytes": status.catalogue_bytes,
        "free_bytes": status.free_bytes,
    }


def _group(group: ReasonCount) -> dict[str, Any]:
    return asdict(group) | {"example": str(group.example)}
