"""`valenced backup`: writes the catalogue, the bundles and the imported corpora into one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import with_settings
from daemon.cli.output import say
from daemon.cli.session import catalogue_url
from daemon.clock import utc_now
from daemon.service_errors import BackupError

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace FILE if it is an earlier backup.")
@with_settings
def command(loaded: LoadedSettings, file: Path, *, replace: bool) -> None:
    """Write a snapshot of catalogue, bundles and imported corpora into FILE, a tar archive.

    The service may be running. With --replace, an earlier backup in FILE is replaced once the new
    one is complete. Sound files and settings are not included.
    """
    from daemon.backup.archive import BackupPaths, pack
    from daemon.backup.restore_archive import is_restore_interrupted
    from storage.database.catalogue_copy import copy_catalogue
    from storage.database.catalogue_file import file_of
    from storage.database.server_address import is_on_server
    from storage.schema.column_formats import as_text

    if is_on_server(catalogue_url(loaded)):
        raise BackupError(
            "the catalogue is on a server: save it with pg_dump, and the bundles and corpora by"
            f" copying {loaded.paths.bundles} and {loaded.paths.corpora}"
        )
    catalogue, archive = file_of(catalogue_url(loaded)), file.absolute()
    if not catalogue.exists():
        raise BackupError(f"{catalogue}: there is no catalogue yet")
    if os.path.lexists(archive) and not replace:
        raise BackupError(f"{archive}: exists; name another file, or replace it with --replace")
    if not archive.parent.is_dir():
        raise BackupError(f"{archive.parent}: no such folder")
    if is_restore_interrupted(catalogue_url(loaded)):
        raise BackupError(
            f"{catalogue}: a restore was interrupted; restore again, or start valenced"
        )
    # Others may write to the archive's folder, and a name there may be too long for a second one.
    copy = catalogue.with_name(f".backup.{os.getpid()}.db")
    try:
        copy_catalogue(catalogue, copy)
        places = BackupPaths(copy, loaded.paths.bundles, loaded.paths.corpora)
        pack(places, archive, as_text(utc_now()))
    finally:
        copy.unlink(missing_ok=True)
    size = archive.stat().st_size / 2**20
    say(f"{archive}: {size:.1f} MiB", err=True)
