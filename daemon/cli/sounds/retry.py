"""`valenced retry`: retries failed analyses and tag writes now."""

from __future__ import annotations

from functools import partial
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
    from config.settings import Settings


@click.command("retry")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@with_settings
def command(loaded: LoadedSettings, paths: tuple[Path, ...]) -> None:
    """Retry failed analyses and tag writes: all, or those at or below the PATHs.

    A running service starts within seconds; otherwise the next scan or run does.
    """
    from daemon.tagging.basics.tag_errors import READ_ONLY
    from storage.database.catalogue_file import writer_of
    from storage.jobs import RETAG

    wanted = partial(_wants_tags, loaded.settings)
    selected: list[Path | None] = [*map(canonical_path, paths)] or [None]
    with open_catalogue(loaded) as catalogue:
        files = sum(catalogue.queue.retry(utc_now(), path) for path in selected)
        tags = sum(
            catalogue.tag_journal.retry(wanted, but=READ_ONLY, under=path) for path in selected
        )
        if tags:
            catalogue.jobs.request(RETAG, utc_now())
    when = "now" if writer_of(catalogue_url(loaded)) else "at the next run or scan"
    say(f"{counted(files, 'file')} will be retried {when}", err=True)
    if tags:
        say(f"the tags of {counted(tags, 'file')} will be retried {when}", err=True)


def _wants_tags(settings: Settings, path: Path) -> bool:
    around = [folder for folder in settings.watch.folder if path.is_relative_to(folder.path)]
    # Folders that were named on the command line of `run` are not known here.
    inner = max(around, key=lambda folder: len(folder.path.parts), default=None)
    return settings.tags.mode != "none" and (inner is None or inner.tags)
