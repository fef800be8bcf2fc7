"""The options that commands share, the settings, and the paths that follow from them."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.loading import LoadedSettings, load
from daemon.system.log_setup import start_logging

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT_HELP = "How to print the result."

log = logging.getLogger(__name__)


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the shared options, and call it with the loaded settings first."""

    @click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read this settings file instead of the usual ones.",
    )
    @click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set one setting, such as watch.settle_s=5. May be repeated.",
    )
    @click.option("--debug", is_flag=True, help="Log everything, and show tracebacks.")
    @functools.wraps(function)
    def command(
        *args: Any, config_file: Path | None, overrides: tuple[str, ...], debug: bool, **kwargs: Any
    ) -> Any:
        loaded = load(environ=os.environ, file=config_file, overrides=overrides)
        start_logging("debug" if debug else loaded.settings.log.level, os.environ)
        log_warnings(loaded)
        return function(loaded, *args, **kwargs)

    return command


def log_warnings(loaded: LoadedSettings) -> LoadedSettings:
    """Log what is spelled as in an earlier release, and return the settings."""
    for line in loaded.warnings:
        log.warning("%s", line)
    return loaded


def catalogue_url(loaded: LoadedSettings) -> str:
    """Return the URL of the catalogue in force."""
    return loaded.settings.catalogue.url or f"sqlite:///{loaded.paths.state / 'catalogue.db'}"


def registry_folder(loaded: LoadedSettings) -> Path:
    """Return the folder of the bundles."""
    return loaded.paths.state / "bundles"


def corpus_folder(loaded: LoadedSettings) -> Path:
    """Return the folder of the imported corpora."""
    return loaded.paths.state / "corpora"


def annotation_folder(loaded: LoadedSettings) -> Path:
    """Return the folder into which tables of annotations are dropped."""
    return loaded.settings.annotations.folder or loaded.paths.state / "annotations"
