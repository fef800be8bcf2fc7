"""`valenced annotations`: lists what people recorded, writes it as a table, and reads tables."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from daemon.cli.command_groups import CommandGroup
from daemon.cli.learning.annotate import imported, require_commands, you
from daemon.cli.options import (
    annotator_option,
    format_option,
    scale_option,
    settings_options,
    with_settings,
)
from daemon.cli.output import is_on_terminal, print_bytes, print_json, say
from daemon.cli.session import open_catalogue
from daemon.paths import canonical_path, printable

if TYPE_CHECKING:
    from config.loading import LoadedSettings
    from storage.annotations import Annotation
    from trainer.rating_scale import RatingScale

_COLUMNS: Final = ("path", "arousal", "valence", "annotator", "made_at", "source")

under_option = click.option(
    "--under",
    type=click.Path(readable=False, path_type=Path),
    metavar="PATH",
    help="Only this file, or below it.",
)
by_option = click.option("--by", "annotator", metavar="NAME", help="Only those of this annotator.")


@click.group("annotations", cls=CommandGroup)
@settings_options
def command(**_: Any) -> None:
    """List, export and import people's values."""


@command.command("list")
@under_option
@by_option
@format_option
@with_settings
def list_(
    loaded: LoadedSettings, *, under: Path | None, annotator: str | None, output: str
) -> None:
    """List the annotations in force, by path and annotator."""
    found = _selected(loaded, under, annotator)
    if output == "json":
        print_json([{**asdict(one), "path": str(one.path)} for one in found])
        return
    if not found:
        say("no annotation matches; to record one: valenced annotate FILE", err=True)
    width = max((len(one.annotator) for one in found), default=0)
    for one in found:
        values = f"{_shown(one.arousal)}  {_shown(one.valence)}"
        say(f"{values}  {one.annotator:<{width}}  {one.made_at[:10]}  {one.path}")


@command.command("export")
@under_option
@by_option
@with_settings
def export(loaded: LoadedSettings, *, under: Path | None, annotator: str | None) -> None:
    """Print the annotations in force as CSV, which `annotations import` reads.

    The columns are path, arousal, valence, annotator, made_at and source. Values are on the scale
    from -1 to 1. The import ignores the last two, and records its own time and source.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for one in _selected(loaded, under, annotator):
        row = [str(one.path), one.arousal, one.valence, one.annotator, one.made_at, one.source]
        writer.writerow([printable(str(cell)) for cell in row] if is_on_terminal() else row)
    print_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


@command.command("import")
@click.argument(
    "table", metavar="CSV", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@scale_option
@annotator_option
@with_settings
def import_(
    loaded: LoadedSettings, *, table: Path, scale: RatingScale, annotator: str | None
) -> None:
    """Record the annotations of a table, as a whole or not at all.

    It has the columns path (or file), arousal and valence, and optionally annotator and scale. A
    line replaces the same person's earlier values of the same sound. NAME stands for lines without
    an annotator.
    """
    require_commands(loaded)
    may_name = loaded.settings.annotations.annotator_column
    with open_catalogue(loaded) as catalogue:
        message = imported(catalogue, table, scale, annotator or you(), may_name=may_name)
    say(message, err=True)


def _selected(
    loaded: LoadedSettings, under: Path | None, annotator: str | None
) -> list[Annotation]:
    with open_catalogue(loaded) as catalogue:
        found = catalogue.annotations.all()
    folder = None if under is None else canonical_path(under)
    return [
        one
        for one in found
        if (folder is None or one.path.is_relative_to(folder))
        and annotator in {None, one.annotator}
    ]


def _shown(value: float | None) -> str:
    return "  -  " if value is None else f"{value:+.2f}"
