"""`valenced restore`: a backup takes the place of what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.backup.restore_archive import restore
from daemon.cli.options import catalogue_url, registry_folder, with_settings
from daemon.clock import utc_now
from daemon.paths import printable

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
def command(loaded: LoadedSettings, file: Path) -> None:
    """Put what a backup holds in the place of what is there; the old ones are kept aside.

    No service may run on the catalogue meanwhile. What was written into the sounds' own tags
    since the backup stays there.
    """
    stamp = f"{utc_now():%Y%m%dT%H%M%S%fZ}"
    url, registry = catalogue_url(loaded), registry_folder(loaded)
    label, aside = restore(url, registry, file.absolute(), stamp)
    click.echo(f"restored as of {printable(label.made_at)}", err=True)
    for old in aside:
        click.echo(f"the old one is kept: {printable(str(old))}", err=True)
