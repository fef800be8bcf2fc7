"""`valenced retry`: tries again at once what failed: hearing, or writing tags."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import catalogue_url, with_settings
from daemon.clock import utc_now
from daemon.paths import canonical_path
from daemon.service.background_job import RETAG
from daemon.tagging.formats.tag_errors import READ_ONLY
from storage.catalogue import Catalogue
from storage.database.engine import writer_of

if TYPE_CHECKING:
    from config.loading import LoadedSettings
    from config.settings import Settings


@click.command("retry")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@with_settings
def command(loaded: LoadedSettings, paths: tuple[Path, ...]) -> None:
    """Try again what could not be heard or tagged: everything, or what is at or below the PATHs.

    A running service takes it up within seconds, the next scan or run otherwise.
    """
    url = catalogue_url(loaded)
    wanted = partial(_wants_tags, loaded.settings)
    places: list[Path | None] = [canonical_path(path) for path in paths]
    places = places or [None]
    with closing(Catalogue(url)) as catalogue:
        heard = sum(catalogue.queue.retry(utc_now(), place) for place in places)
        tagged = sum(
            catalogue.tag_journal.retry(wanted, but=READ_ONLY, under=place) for place in places
        )
        if tagged:
            catalogue.jobs.request(RETAG, utc_now())
    when = "now" if writer_of(url) else "at the next run or scan"
    click.echo(f"{heard} files are tried again {when}", err=True)
    if tagged:
        click.echo(f"the tags of {tagged} files are tried again {when}", err=True)


def _wants_tags(settings: Settings, path: Path) -> bool:
    homes = [folder for folder in settings.watch.folder if path.is_relative_to(folder.path)]
    # One that was named on the command line of `run` is known there alone.
    inner = max(homes, key=lambda home: len(home.path.parts), default=None)
    return settings.tags.mode != "none" and (inner is None or inner.tags)
