"""`valenced annotate`: records a person's values for sounds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.errors import ValencedError
from daemon.cli.options import annotator_option, scale_option, with_settings
from daemon.cli.output import say
from daemon.cli.session import not_in_catalogue, open_catalogue
from daemon.clock import utc_now
from daemon.paths import canonical_path, printable
from daemon.querying.ranges import NUMBER
from daemon.wording import counted

if TYPE_CHECKING:
    from config.loading import LoadedSettings
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip
    from trainer.rating_scale import RatingScale

SOURCE = "command"


@click.command("annotate")
@click.argument("file", required=False, type=click.Path(readable=False, path_type=Path))
@click.option("--arousal", type=NUMBER, metavar="A", help="How energetic it is, on the scale.")
@click.option("--valence", type=NUMBER, metavar="V", help="How pleasant it is, on the scale.")
@click.option(
    "--from",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Import a table of annotations, as a whole or not at all.",
)
@scale_option
@annotator_option
@click.option("--withdraw", is_flag=True, help="Withdraw your annotation of FILE, or NAME's.")
@with_settings
def command(
    loaded: LoadedSettings,
    *,
    file: Path | None,
    arousal: float | None,
    valence: float | None,
    table: Path | None,
    scale: RatingScale,
    annotator: str | None,
    withdraw: bool,
) -> None:
    """Record a person's values for FILE, or for the sounds of a table.

    Annotations then replace the prediction in results, queries and tags. A table is a CSV file
    with the columns path (or file), arousal and valence, and optionally annotator and scale.
    """
    values = (arousal, valence)
    if (file is None) == (table is None):
        raise click.UsageError("either a FILE or --from CSV is needed")
    if (table is not None or withdraw) and values != (None, None):
        raise click.UsageError(
            "--arousal and --valence cannot be combined with --from or --withdraw"
        )
    if table is not None and withdraw:
        raise click.UsageError("--withdraw cannot be combined with --from")
    if file is not None and not withdraw and values == (None, None):
        raise click.UsageError("--arousal or --valence is needed, or both")
    _require_on_scale(values, scale)
    require_commands(loaded)
    with open_catalogue(loaded) as catalogue:
        if table is not None:
            may_name = loaded.settings.annotations.annotator_column
            message = imported(catalogue, table, scale, annotator or you(), may_name=may_name)
        else:
            assert file is not None
            path = canonical_path(file)
            clip = catalogue.clip_at(path)
            if clip is None:
                raise not_in_catalogue(loaded, path, catalogue.queries.failures(path))
            if withdraw:
                message = _withdrawn(catalogue, clip, annotator)
            else:
                message = _recorded(catalogue, clip, values, scale, annotator or you())
    say(message, err=True)


def _require_on_scale(values: tuple[float | None, float | None], scale: RatingScale) -> None:
    for name, value in zip(("arousal", "valence"), values, strict=True):
        if value is not None and not scale.low <= value <= scale.high:
            raise click.UsageError(f"--{name} {value:g} is not on the scale {scale}")


def require_commands(loaded: LoadedSettings) -> None:
    """Raise where the settings let no command annotate."""
    key = "annotations.from_commands"
    if not loaded.settings.annotations.from_commands:
        raise ValencedError(f"no annotation is recorded: {key} is false ({loaded.sources[key]})")


def imported(
    catalogue: Catalogue, path: Path, scale: RatingScale, annotator: str, *, may_name: bool
) -> str:
    """Import a table of annotations, and return the message about it.

    Args:
        catalogue: knows the sounds, and takes the annotations.
        path: of the table.
        scale: of the values in lines without one.
        annotator: of lines without one.
        may_name: whether a column says whose each line is.

    Raises:
        ValencedError: it cannot be read, or is refused as a whole.
    """
    from daemon.training_data.annotation_csv import AnnotationTable
    from daemon.training_data.annotation_import import import_table
    from storage.jobs import RETAG

    try:
        with path.open("rb") as stream:
            table = AnnotationTable(str(path), stream, scale, annotator, may_name)
            given, new = import_table(table, catalogue.annotations, utc_now())
        catalogue.jobs.request(RETAG, utc_now())
    except OSError as error:
        raise ValencedError(f"{path}: cannot be read: {error.strerror}") from error
    return f"{counted(given, 'annotation')} imported, {new} new"


def _recorded(
    catalogue: Catalogue,
    clip: Clip,
    values: tuple[float | None, float | None],
    scale: RatingScale,
    annotator: str,
) -> str:
    from daemon.training_data.given_by_hand import record_by_hand
    from storage.annotations import GivenAnnotation

    arousal, valence = (None if value is None else scale.affect(value) for value in values)
    given = GivenAnnotation(clip.identity, clip.path, annotator, arousal, valence, SOURCE)
    new = record_by_hand(catalogue, given, utc_now())
    return printable(f"{clip.path}: {'annotated' if new else 'annotated like this already'}")


def _withdrawn(catalogue: Catalogue, clip: Clip, annotator: str | None) -> str:
    from daemon.training_data.given_by_hand import withdraw_by_hand

    names = [annotator] if annotator else _whose(catalogue, clip.path)
    count = withdraw_by_hand(catalogue, clip.identity, names, utc_now())
    if not count:
        whose = f" by {', '.join(names)}" if names else ""
        return printable(f"{clip.path}: has no annotation{whose}; nothing was withdrawn")
    return printable(f"{clip.path}: {counted(count, 'annotation')} withdrawn")


def _whose(catalogue: Catalogue, path: Path) -> list[str]:
    """Return who annotated a sound; ask at a terminal if others than the user did.

    Raises:
        ValencedError: others did, and there is nobody to ask.
    """
    names = [one.annotator for one in catalogue.annotations.all(path)]
    others = ", ".join(name for name in names if name != you())
    if not others:
        return names
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ValencedError(
            printable(
                f"{path}: nothing is withdrawn, because others annotated it, too: {others}; say "
                "whose annotation to withdraw: --by NAME"
            )
        )
    question = f"{path} was annotated by {others}; withdraw everybody's annotations?"
    if not click.confirm(printable(question), err=True):
        raise ValencedError(f"nothing is withdrawn; only your own: --withdraw --by {you()}")
    return names


def you() -> str:
    """Return the name of the user who runs this."""
    from daemon.training_data.given_by_hand import this_user

    return this_user()
