"""The options that commands share; nothing here imports what only a running command needs."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from daemon.cli.output import be_quiet
from daemon.querying.ranges import SCALE
from trainer.rating_scale import AFFECT_SCALE

if TYPE_CHECKING:
    from collections.abc import Callable

_SHARED: Final = ("config_file", "overrides", "quiet", "verbose", "debug")

format_option = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
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
    from daemon.training_data.annotation_csv import checked_annotator

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


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about settings; a group takes them for the commands in it."""
    for option in (
        click.option("--debug", is_flag=True, help="Log everything, and show tracebacks."),
        click.option("--verbose", "-v", is_flag=True, help="Log everything."),
        click.option(
            "--quiet", "-q", is_flag=True, help="Print answers, warnings and errors only."
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            shell_complete=_settings_that_begin,
            help="Change a setting, such as watch.settle_s=5; may be repeated.",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Settings file to read instead of the usual ones.",
        ),
    ):
        function = option(function)
    return function


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about settings to a command, and pass it the loaded settings first.

    They count wherever they stand: before the command, or behind it, where they are stronger.
    """

    @settings_options
    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        from daemon.cli.session import begin

        given = take_settings(kwargs)
        loaded = begin(given.file, given.overrides, level=given.level)
        return function(loaded, *args, **kwargs)

    return command


class GivenSettings(NamedTuple):
    """What the options about settings say, before the settings are read.

    Attributes:
        file: the settings file to read, None for the usual ones.
        overrides: `KEY=VALUE` texts, the strongest last.
        level: of the log, None for that of the settings.
    """

    file: Path | None
    overrides: list[str]
    level: str | None


def take_settings(kwargs: dict[str, Any]) -> GivenSettings:
    """Take the options about settings out of a command's, and add those that its groups got.

    With `--quiet`, messages end here.
    """
    own = {name: kwargs.pop(name) for name in _SHARED}
    given = [*_given_to_groups(click.get_current_context()), own]
    files = [each["config_file"] for each in given if each["config_file"]]
    overrides = [text for each in given for text in each["overrides"]]
    quiet, verbose, debug = (any(each[name] for each in given) for name in _SHARED[2:])
    if quiet and (verbose or debug):
        raise click.UsageError("--quiet cannot be combined with --verbose or --debug")
    if quiet:
        be_quiet()
    level = "warning" if quiet else "debug" if verbose or debug else None
    return GivenSettings(files[-1] if files else None, overrides, level)


def cluster_option(does: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the decorator for the option of a Dask cluster that does something."""
    return click.option(
        "--cluster",
        metavar="ADDRESS",
        callback=_cluster_address,
        help=f"{does} on the Dask cluster of this scheduler, such as tcp://host:8786.",
    )


def _cluster_address(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    from config.settings import cluster_address

    try:
        return None if text is None else cluster_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _given_to_groups(ctx: click.Context) -> list[dict[str, Any]]:
    """Return the parameters of the groups around a command, the outermost first."""
    above = ctx.parent
    return [] if above is None else [*_given_to_groups(above), above.params]


def _settings_that_begin(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from config.defaults import default_values

    return [f"{key}=" for key in default_values() if key.startswith(incomplete)]


def complete_bundle(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of bundles that begin so."""
    from config.default_paths import default_paths

    return _folders_that_begin(default_paths(os.environ).bundles, incomplete)


def complete_corpus(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of imported corpora that begin so."""
    from config.default_paths import default_paths

    return _folders_that_begin(default_paths(os.environ).corpora, incomplete)


def _folders_that_begin(folder: Path, incomplete: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(incomplete)
                and entry.name.isprintable()
                and not entry.name.startswith(".")
                and entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []
