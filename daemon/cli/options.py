"""The options that commands share; nothing here imports what only a running command needs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.ranges import SCALE
from trainer.rating_scale import AFFECT_SCALE

if TYPE_CHECKING:
    from collections.abc import Callable

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
        from daemon.cli.session import begin

        return function(begin(config_file, overrides, debug=debug), *args, **kwargs)

    return command
