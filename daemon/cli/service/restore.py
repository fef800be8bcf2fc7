"""`valenced restore`: replaces catalogue, bundles and corpora by those of a backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import with_settings
from daemon.cli.output import say
from daemon.cli.session import catalogue_url
from daemon.clock import utc_now
from daemon.paths import printable
from daemon.service_errors import BackupError

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
def command(loaded: LoadedSettings, file: Path) -> None:
    """Replace catalogue, bundles and corpora by those of the backup FILE, and keep the old ones.

    Stop the service first. Tags that were written into sound files since the backup stay.
    """
    from daemon.backup.restore_archive import restore
    from storage.database.server_address import is_on_server

    if is_on_server(catalogue_url(loaded)):
        raise BackupError("the catalogue is on a server: restore what pg_dump saved with psql")
    stamp = f"{utc_now():%Y%m%dT%H%M%S%fZ}"
    url, registry = catalogue_url(loaded), loaded.paths.bundles
    label, aside = restore(url, registry, file.absolute(), stamp)
    say(f"restored as of {printable(label.made_at)}", err=True)
    for old in aside:
        say(f"the old one is kept: {old}", err=True)
