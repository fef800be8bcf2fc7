"""`valenced retry`: retries failed analyses and tag writes now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import with_settings
from daemon.cli.output import say
from daemon.cli.session import catalogue_url, open_catalogue
from daemon.clock import utc_now
from daemon.paths import canonical_path
from daemon.wording import counted

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("retry")
@click.argument(
    "paths", metavar="[PATH]...", nargs=-1, type=click.Path(readable=False, path_type=Path)
)
@with_settings
def command(loaded: LoadedSettings, paths: tuple[Path, ...]) -> None:
    """Retry failed analyses and tag writes: all, or those at or below the PATHs.

    A running service starts within seconds; otherwise the next scan or run does.
    """
    from daemon.pipeline.retries import retry_failed
    from storage.database.catalogue_file import writer_of

    with open_catalogue(loaded) as catalogue:
        selected = [canonical_path(path) for path in paths]
        files, tags = retry_failed(catalogue, loaded.settings, selected, utc_now())
    when = "now" if writer_of(catalogue_url(loaded)) else "at the next run or scan"
    say(f"{counted(files, 'file')} will be retried {when}", err=True)
    if tags:
        say(f"the tags of {counted(tags, 'file')} will be retried {when}", err=True)
