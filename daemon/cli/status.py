"""`valenced status`: how the service is."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from daemon.cli.options import FORMAT_HELP, catalogue_url, with_settings
from daemon.clock import utc_now
from daemon.spelling import printable
from storage.catalogue import Catalogue
from storage.engine import file_of, writer_of
from storage.queries import Queries
from storage.tables import as_text

if TYPE_CHECKING:
    from config.loading import Loaded


@dataclass(frozen=True)
class FolderStatus:
    """A folder of the last run: `watched_by` is `events`, `polling` or `nothing`."""

    path: str
    watched_by: str
    reconciled_at: str


@dataclass(frozen=True)
class Status:
    """The document that `status --format json` prints.

    Attributes:
        running: process number of the service or scan at work, None if none is.
        known: files with a result.
        pending: files that are due or in hand.
        failed: files that could not be heard, waiting for another try or given up.
        tags_pending: files whose tags are still to be written.
        degraded: one line for each promise that is not being kept at the moment.
        bundle: name of the bundle in service, None before the first start.
        catalogue: the file.
        folders: the folders of the run that goes on, or of the last one.
    """

    running: int | None
    known: int
    pending: int
    failed: int
    tags_pending: int
    degraded: list[str]
    bundle: str | None
    catalogue: str
    folders: list[FolderStatus]


@click.command("status")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def command(loaded: Loaded, *, output: str) -> None:
    """Say how many files are known, pending and failed, and what is not as it should be."""
    status = _status(loaded)
    if output == "json":
        click.echo(json.dumps(asdict(status), indent=2))
        return
    click.echo(
        f"service    {'process ' + str(status.running) if status.running else 'not running'}"
    )
    click.echo(f"known      {status.known}")
    click.echo(f"pending    {status.pending}")
    click.echo(
        f"failed     {status.failed}{'   (valenced show FILE says why)' * bool(status.failed)}"
    )
    click.echo(f"tags       {status.tags_pending} still to be written")
    click.echo(f"bundle     {status.bundle or 'none yet'}")
    click.echo(f"catalogue  {status.catalogue}")
    for folder in status.folders:
        seen = f"{folder.watched_by}, compared at {folder.reconciled_at}"
        click.echo(f"folder     {printable(folder.path)}   ({seen})")
    for line in status.degraded:
        click.echo(f"degraded   {printable(line)}")


def _status(loaded: Loaded) -> Status:
    url = catalogue_url(loaded)
    running = writer_of(url)
    with closing(Catalogue(url)) as catalogue:
        queries = Queries(catalogue.engine)
        counts = queries.counts(utc_now())
        bundle = queries.bundle_in_service()
        folders = queries.folders()
    return Status(
        running=running,
        known=counts.known,
        pending=counts.pending,
        failed=counts.failed,
        tags_pending=counts.tags_pending,
        degraded=[f"{state.path}: {state.trouble}" for state in folders if state.trouble],
        bundle=None if bundle is None else bundle.name,
        catalogue=str(file_of(url)),
        folders=[
            FolderStatus(str(state.path), state.watched_by, as_text(state.reconciled_at))
            for state in folders
        ],
    )
