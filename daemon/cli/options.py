"""The options that commands share, the settings, and the paths that follow from them."""

from __future__ import annotations

import functools
import logging
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.errors import ValencedError
from config.loading import LoadedSettings, load
from daemon.cli.ranges import SCALE
from daemon.paths import printable
from daemon.service.progress import ProgressReporter
from daemon.service.run_config import RunConfig
from daemon.system.log_setup import start_logging, terminal
from daemon.system.private_files import narrow_state
from daemon.training_data.annotation_csv import checked_annotator
from daemon.watch.file_filter import FileFilter
from daemon.watch.symlinks import with_targets
from storage.database.engine import file_of
from storage.schema.catalogue_errors import CatalogueError
from trainer.rating_scale import AFFECT_SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from config.settings import FolderSettings

log = logging.getLogger(__name__)

format_option = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to print the result.",
)


scale_option = click.option(
    "--scale",
    type=SCALE,
    default=str(AFFECT_SCALE),
    metavar="LOW:HIGH",
    help="Scale of the values; -1:1 if not given.",
)


def _annotator(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    try:
        return None if name is None else checked_annotator(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


annotator_option = click.option(
    "--by",
    "annotator",
    metavar="NAME",
    callback=_annotator,
    help="The annotator; you if not given.",
)


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command, and pass it the loaded settings first."""

    @click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Settings file to read instead of the usual ones.",
    )
    @click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a setting, such as watch.settle_s=5; may be repeated.",
    )
    @click.option("--debug", is_flag=True, help="Log everything, and show tracebacks.")
    @functools.wraps(function)
    def command(
        *args: Any, config_file: Path | None, overrides: tuple[str, ...], debug: bool, **kwargs: Any
    ) -> Any:
        loaded = load(environ=os.environ, file=config_file, overrides=overrides)
        start_logging("debug" if debug else loaded.settings.log.level, os.environ)
        log_warnings(loaded)
        with suppress(CatalogueError):
            narrow_state(loaded.paths.state, file_of(catalogue_url(loaded)))
        return function(loaded, *args, **kwargs)

    return command


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
