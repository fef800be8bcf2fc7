"""What a running command works with: the settings, the catalogue, and what follows from them.

The modules behind these functions are imported by the call: help and completion need none of them.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.errors import ValencedError
from daemon.cli.output import is_quiet
from daemon.paths import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from config.loading import LoadedSettings
    from config.settings import FolderSettings
    from daemon.service.run_config import RunConfig
    from storage.catalogue import Catalogue
    from storage.schema.records import Failure
    from storage.search.found_rows import SoundSearch

log = logging.getLogger(__name__)


def begin(file: Path | None, overrides: Sequence[str], *, level: str | None) -> LoadedSettings:
    """Load the settings, and start the log.

    Args:
        file: a settings file to read instead of the usual ones.
        overrides: `KEY=VALUE` texts.
        level: of the log; None takes that of the settings.
    """
    from config.loading import load
    from daemon.system.log_setup import start_logging
    from daemon.system.private_files import narrow_state
    from storage.database.catalogue_file import file_of
    from storage.schema.catalogue_errors import CatalogueError

    loaded = load(environ=os.environ, file=file, overrides=overrides)
    require_schedule(loaded)
    if is_quiet() and loaded.settings.log.level == "error":
        level = None
    start_logging(level or loaded.settings.log.level, os.environ)
    log_warnings(loaded)
    log.debug("settings: %s", ", ".join(sorted({*loaded.sources.values()})))
    log.debug("catalogue: %s", catalogue_url(loaded))
    with suppress(CatalogueError):
        narrow_state(loaded.paths.state, file_of(catalogue_url(loaded)))
    return loaded


def require_schedule(loaded: LoadedSettings) -> None:
    """Raise SettingsError if the schedule of training is no cron line."""
    from config.defaults import default_values

    schedule = loaded.settings.retrain.schedule
    # What reads such lines is loaded only for one that may be wrong.
    if schedule and schedule != default_values()["retrain.schedule"]:
        from daemon.service.scheduler import cron_trigger

        cron_trigger(schedule)


@contextmanager
def open_catalogue(loaded: LoadedSettings, *, may_create: bool = False) -> Iterator[Catalogue]:
    """Open the catalogue within the block.

    Args:
        loaded: the settings.
        may_create: create it if there is none.

    Raises:
        CatalogueError: it cannot be opened, or there is none.
    """
    from storage.catalogue import Catalogue

    if not may_create:
        require_catalogue(loaded)
    with closing(Catalogue(catalogue_url(loaded))) as catalogue:
        yield catalogue


@contextmanager
def open_finder(loaded: LoadedSettings) -> Iterator[SoundSearch]:
    """Open the catalogue for searches only, within the block.

    Raises:
        CatalogueError: it cannot be opened, or there is none.
    """
    from storage.search.reader import open_finder as opened

    require_catalogue(loaded)
    with opened(catalogue_url(loaded)) as finder:
        yield finder


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

    reporter = ProgressReporter(progress_terminal(), *what)
    try:
        yield lambda done, total: reporter.show(done, total - done, time.monotonic())
    finally:
        reporter.hide()


def progress_terminal() -> Console | None:
    """Return the terminal for progress bars; None if there is none, or with `--quiet`."""
    from daemon.system.log_setup import terminal

    return None if is_quiet() else terminal()


def require_catalogue(loaded: LoadedSettings) -> None:
    """Raise unless the catalogue exists: created here, it could belong to the wrong user.

    Raises:
        CatalogueError: there is none, or it cannot be reached.
    """
    from storage.database.catalogue_file import file_of
    from storage.database.server_address import is_on_server
    from storage.schema.catalogue_errors import CatalogueError

    if is_on_server(catalogue_url(loaded)):
        return
    file = file_of(catalogue_url(loaded))
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = other_catalogue(loaded)
        then = f"; {hint}" if hint else ": the first run or scan creates it"
        raise CatalogueError(f"{file}: there is no catalogue{then}") from error
    except OSError as error:
        raise CatalogueError(f"{file}: {error.strerror}; run this as the service's user") from error


def other_catalogue(loaded: LoadedSettings, ask: str = "status") -> str | None:
    """Return how to `ask` the machine's service, if there is one and it has another catalogue."""
    from daemon.install.units import other_catalogue_hint
    from storage.database.catalogue_file import file_of
    from storage.database.server_address import is_on_server

    if is_on_server(catalogue_url(loaded)):
        return None
    command = Path(sys.argv[0]).absolute()
    return other_catalogue_hint(file_of(catalogue_url(loaded)), command, ask=ask)


def not_in_catalogue(
    loaded: LoadedSettings, path: Path, failures: Sequence[Failure] = ()
) -> ValencedError:
    """Return the error about a file that was not analysed, with its failures if there are any."""
    from daemon.watch.file_filter import FileFilter
    from daemon.watch.file_state import is_gone
    from storage.database.catalogue_file import writer_of

    # The functions of `Path` would raise below a folder that is closed.
    if os.path.isdir(path):  # noqa: PTH112
        return ValencedError(f"{path}: is a folder; name a file in it")
    if is_gone(path):
        return ValencedError(f"{path}: there is no such file, and the catalogue knows none there")
    watch = loaded.settings.watch
    if failures:
        return ValencedError(printable(f"{path}: could not be analysed: {failures[0].reason}"))
    if not FileFilter(watch.suffixes, watch.ignore).allows_file(path.name):
        advice = "files of such names are not analysed (watch.suffixes, watch.ignore)"
    elif os.path.islink(path):  # noqa: PTH114
        advice = "it is a link: name the file that it leads to"
    elif os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        advice = "it is no regular file"
    elif writer_of(catalogue_url(loaded)) is not None:
        advice = "the running service analyses it once it is in a watched folder: valenced status"
    else:
        advice = f"analyse it first: valenced scan {shlex.quote(str(path))}"
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
        **{"cluster": loaded.settings.analysis.cluster, **options},
    )


def catalogue_url(loaded: LoadedSettings) -> str:
    """Return the URL of the catalogue."""
    return loaded.settings.catalogue.url or f"sqlite:///{loaded.paths.state / 'catalogue.db'}"


def annotation_folder(loaded: LoadedSettings) -> Path:
    """Return the folder for annotation tables."""
    return loaded.settings.annotations.folder or loaded.paths.state / "annotations"
