"""`valenced catalogue`: moves the catalogue between an SQLite file and a PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from daemon.cli.command_groups import CommandGroup
from daemon.cli.options import settings_options, with_settings
from daemon.cli.output import say
from daemon.wording import counted

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.group("catalogue", cls=CommandGroup)
@settings_options
def command(**_: Any) -> None:
    """Copy the catalogue to another database."""


@command.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@with_settings
def copy(_loaded: LoadedSettings, source: str, target: str) -> None:
    """Copy the catalogue FROM one URL TO another, which holds none yet.

    A URL is that of an SQLite file, sqlite:////path.db, or that of a database on a PostgreSQL
    server, postgresql+psycopg://user@host/database. Stop the services that work on them first. The
    catalogue that is copied stays as it is.
    """
    from storage.database.catalogue_transfer import copy_between

    rows = copy_between(source, target)
    say(f"{counted(rows, 'row')} copied", err=True)
