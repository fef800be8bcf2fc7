"""`valenced status`: how the service is."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import FORMAT_HELP, catalogue_url, with_settings
from daemon.clock import utc_now
from daemon.install.units import other_catalogue_hint
from daemon.monitoring.endpoints import fetch_problems
from daemon.monitoring.service_status import KNOWN_TO_PROCESS, is_away, status_of
from daemon.paths import printable
from storage.catalogue import Catalogue
from storage.database.engine import file_of
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.tables import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from config.loading import LoadedSettings
    from daemon.monitoring.service_status import ServiceStatus
    from storage.statistics import ReasonCount


@dataclass(frozen=True)
class FolderStatus:
    """A folder of the last run: `watched_by` is `events`, `polling` or `nothing`."""

    path: str
    watched_by: str
    away: bool
    reconciled_at: str


@dataclass(frozen=True)
class JobStatus:
    """What recurs by a schedule, and when it is due next."""

    job: str
    next_at: str


@dataclass(frozen=True)
class TrainingStatus:
    """The last time that was learned: `outcome` is `published`, `kept back` or `failed`."""

    begun_at: str
    annotations: int
    outcome: str
    reason: str
    bundle: str | None


@dataclass(frozen=True)
class Status:
    """The document that `status --format json` prints.

    Attributes:
        running: process number of the service or scan at work, None if none is.
        known: files with a result.
        pending: files that are due or in hand.
        failed: files that could not be heard, waiting for another try or given up.
        tags_pending: files whose tags are still to be written.
        tags_given_up: files that are left without tags until they change, or `retry` is asked for.
        degraded: one line for each promise that is not being kept at the moment.
        broken: the names of these promises, in the same order.
        bundle: name of the bundle in service, None before the first start.
        catalogue: the file.
        folders: the folders of the run that goes on, or of the last one.
        oldest_due_s: how long the file waits that is due longest, in seconds; None if none is due.
        files_per_hour: sounds heard within the last hour.
        failures: the commonest reasons.
        untagged: the commonest reasons why files are left without tags.
        paused: why work waits for others, None if it does not.
        rescoring_left: predictions that are still by another bundle.
        annotations: number of those in force.
        training: the last one, None if there was none.
        jobs: what is due when, the next first.
        catalogue_bytes: what the catalogue takes on its disk.
        free_bytes: what is left there.
    """

    running: int | None
    known: int
    pending: int
    failed: int
    tags_pending: int
    tags_given_up: int
    degraded: list[str]
    broken: list[str]
    bundle: str | None
    catalogue: str
    folders: list[FolderStatus]
    oldest_due_s: float | None
    files_per_hour: int
    failures: list[ReasonCount]
    untagged: list[ReasonCount]
    paused: str | None
    rescoring_left: int
    annotations: int
    training: TrainingStatus | None
    jobs: list[JobStatus]
    catalogue_bytes: int
    free_bytes: int


@click.command("status")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def command(loaded: LoadedSettings, *, output: str) -> None:
    """Say how the service is: files, folders, failures, what comes next, what is degraded."""
    file = file_of(catalogue_url(loaded))
    elsewhere = other_catalogue_hint(file, Path(sys.argv[0]).absolute())
    _demand_there(file, elsewhere)
    status = _status(loaded)
    if status.running is None and elsewhere:
        click.echo(elsewhere, err=True)
    if output == "json":
        click.echo(json.dumps(asdict(status), indent=2))
        return
    for word, text in _lines(status):
        click.echo(f"{word:<10} {printable(text)}")


def _demand_there(file: Path, elsewhere: str | None) -> None:
    # Made now, it would belong to whoever asks, perhaps not to the service's user.
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = f"; {elsewhere}" if elsewhere else ": the first run or scan makes it"
        raise CatalogueError(f"{file}: there is no catalogue{hint}") from error
    except OSError as error:
        raise CatalogueError(f"{file}: {error.strerror}; ask as the service's user") from error


def _lines(status: Status) -> Iterator[tuple[str, str]]:
    """Yield what is said, line by line, each with the word in front of it."""
    yield "service", f"process {status.running}" if status.running else "not running"
    if status.paused:
        yield "", status.paused
    yield "known", f"{status.known}   ({status.files_per_hour} heard within the last hour)"
    waits = f"   (the first for {status.oldest_due_s:.0f} s)" if status.oldest_due_s else ""
    yield "pending", f"{status.pending}{waits}"
    yield "failed", f"{status.failed}{'   (valenced show FILE says why)' * bool(status.failed)}"
    for failure in status.failures:
        yield "", f"{failure.count:>6}  {failure.reason}"
    given_up = f"; {status.tags_given_up} left without"
    yield "tags", f"{status.tags_pending} to be written{given_up * bool(status.tags_given_up)}"
    for group in status.untagged:
        yield "", f"{group.count:>6}  {group.reason}"
    left = f"; {status.rescoring_left} sounds still to be scored by it"
    yield "bundle", f"{status.bundle or 'none yet'}{left * bool(status.rescoring_left)}"
    yield "learning", f"{status.annotations} annotations"
    if status.training is not None:
        outcome = f"{status.training.outcome}: {status.training.reason}"
        yield "", f"last at {status.training.begun_at}, {outcome}"
    for job in status.jobs:
        yield "next", f"{job.job} at {job.next_at}"
    size, free = status.catalogue_bytes / 2**20, status.free_bytes / 2**20
    yield "catalogue", f"{status.catalogue}   ({size:.1f} MiB, {free:.0f} MiB free)"
    for folder in status.folders:
        seen = f"{folder.watched_by}{', away' * folder.away}, compared at {folder.reconciled_at}"
        yield "folder", f"{folder.path}   ({seen})"
    for line in status.degraded:
        yield "degraded", line


def _status(loaded: LoadedSettings) -> Status:
    now = utc_now()
    settings = loaded.settings
    with closing(Catalogue(catalogue_url(loaded))) as catalogue:
        found = status_of(catalogue, settings.watch.reconcile_s, now)
    if found.running is not None and settings.page.listen:
        # What only the process itself can know of itself.
        known = {problem.promise for problem in found.problems} - KNOWN_TO_PROCESS
        told = fetch_problems(settings.page.listen)
        found.problems.extend(
            each for each in told if each.promise not in known and each not in found.problems
        )
    return _document(found, str(file_of(catalogue_url(loaded))), now)


def _document(found: ServiceStatus, catalogue: str, now: datetime) -> Status:
    due, training = found.oldest_due, found.training
    return Status(
        running=found.running,
        known=found.counts.known,
        pending=found.counts.pending,
        failed=found.counts.failed,
        tags_pending=found.counts.tags_pending,
        tags_given_up=found.counts.tags_given_up,
        degraded=[problem.why for problem in found.problems],
        broken=[problem.promise for problem in found.problems],
        bundle=found.bundle,
        catalogue=catalogue,
        folders=[
            FolderStatus(
                str(state.path), state.watched_by, is_away(state), as_text(state.reconciled_at)
            )
            for state in found.folders
        ],
        oldest_due_s=None if due is None else round((now - due).total_seconds(), 1),
        files_per_hour=found.analysed_last_hour,
        failures=found.failures,
        untagged=found.untagged,
        paused=None if found.paused is None else found.paused.text,
        rescoring_left=found.rescoring_left,
        annotations=found.annotations,
        training=None
        if training is None
        else TrainingStatus(
            as_text(training.begun_at),
            training.annotations,
            training.outcome,
            training.reason,
            training.bundle,
        ),
        jobs=[JobStatus(job.job, as_text(job.next_at)) for job in found.jobs],
        catalogue_bytes=found.catalogue_bytes,
        free_bytes=found.free_bytes,
    )
