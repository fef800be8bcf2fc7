"""What a running command works with: the settings, the catalogue, and what follows from them.

The modules behind these functions are imported by the call: help and completion need none of them.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from config.errors import ValencedError
from daemon.paths import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from config.loading import LoadedSettings
    from config.settings import FolderSettings
    from daemon.service.run_config import RunConfig
    from storage.catalogue import Catalogue

log = logging.getLogger(__name__)


def begin(file: Path | None, overrides: Sequence[str], *, debug: bool) -> LoadedSettings:
    """Load the settings, and start the log.

    Args:
        file: a settings file to read instead of the usual ones.
        overrides: `KEY=VALUE` texts.
        debug: log everything.
    """
    from config.loading import load
    from daemon.system.log_setup import start_logging
    from daemon.system.private_files import narrow_state
    from storage.database.engine import file_of
    from storage.schema.catalogue_errors import CatalogueError

    loaded = load(environ=os.environ, file=file, overrides=overrides)
    start_logging("debug" if debug else loaded.settings.log.level, os.environ)
    log_warnings(loaded)
    with suppress(CatalogueError):
        narrow_state(loaded.paths.state, file_of(catalogue_url(loaded)))
    return loaded


@contextmanager
def open_catalogue(loaded: LoadedSettings) -> Iterator[Catalogue]:
    """Open the catalogue within the block."""
    from storage.catalogue import Catalogue

    with closing(Catalogue(catalogue_url(loaded))) as catalogue:
        yield catalogue


def log_warnings(loaded: LoadedSettings) -> LoadedSettings:
    """Log what is spelled as in an earlier release, and return the settings."""
    for line in loaded.warnings:
        log.warning("%s", line)
    return loaded


@contextmanager
def progress_bar(*what: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress within the block, by a function that takes the numbers finished and total.

    Args:
        what: what is being done, and its unit, as `ProgressReporter` takes them.
    """
    from daemon.service.progress import ProgressReporter
    from daemon.system.log_setup import terminal

    reporter = ProgressReporter(terminal if terminal.is_terminal else None, *what)
    try:
        yield lambda done, total: reporter.show(done, total - done, time.monotonic())
    finally:
        reporter.hide()


def not_in_catalogue(path: Path) -> ValencedError:
    """Return the error about a file that was not analysed."""
    advice = f"analyse it first: valenced scan {path.parent}"
    return ValencedError(printable(f"{path}: not in the catalogue; {advice}"))


def run_config(
    loaded: LoadedSettings, folders: Sequence[FolderSettings], **options: Any
) -> RunConfig:
    """Return the configuration of a run over some folders, and over the targets of their links."""
    from daemon.service.run_config import RunConfig
    from daemon.watch.file_filter import FileFilter
    from daemon.watch.symlinks import with_targets

    watch = loaded.settings.watch
    if watch.follow_links:
        folders = with_targets(folders, FileFilter(watch.suffixes, watch.ignore))
    return RunConfig(
        settings=loaded.settings,
        url=catalogue_url(loaded),
        registry=loaded.paths.bundles,
        annotations=annotation_folder(loaded),
        corpora=loaded.paths.corpora,
        folders=folders,
        **options,
    )


def catalogue_url(loaded: LoadedSettings) -> str:
    """Return the URL of the catalogue."""
    return loaded.settings.catalogue.url or f"sqlite:///{loaded.paths.state / 'catalogue.db'}"


def annotation_folder(loaded: LoadedSettings) -> Path:
    """Return the folder for annotation tables."""
    return loaded.settings.annotations.folder or loaded.paths.state / "annotations"
