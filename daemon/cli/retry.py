"""`valenced retry`: tries again at once what failed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import catalogue_url, with_settings
from daemon.clock import utc_now
from daemon.spelling import located
from storage.catalogue import Catalogue
from storage.engine import writer_of

if TYPE_CHECKING:
    from config.loading import Loaded


@click.command("retry")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@with_settings
def command(loaded: Loaded, paths: tuple[Path, ...]) -> None:
    """Try again what could not be heard: everything, or what is at or below the PATHs.

    A running service takes it up within seconds, the next scan or run otherwise.
    """
    url = catalogue_url(loaded)
    with closing(Catalogue(url)) as catalogue:
        if paths:
            count = sum(catalogue.queue.retry(utc_now(), located(path)) for path in paths)
        else:
            count = catalogue.queue.retry(utc_now())
    when = "now" if writer_of(url) else "at the next run or scan"
    click.echo(f"{count} files are tried again {when}", err=True)
