"""`valenced query`: finds sounds by how they feel."""

from __future__ import annotations

import csv
import io
import json
import os
from contextlib import closing
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from daemon.cli.options import (
    FORMAT_HELP,
    catalogue_url,
    registry_folder,
    with_settings,
)
from daemon.cli.ranges import PAIR, RANGE
from daemon.paths import canonical_path, playlist_entry, printable
from daemon.pipeline.worker_client import WorkerClient
from storage.catalogue import Catalogue
from storage.queries import OPEN_RANGE, SORT_KEYS, SoundFilter
from storage.schema.records import Mood, Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.loading import LoadedSettings

FORMATS = ("table", "json", "csv", "m3u8", "paths", "paths0")


class _SortKey(click.ParamType[str]):
    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value).removeprefix("-") not in SORT_KEYS:
            self.fail(f"{value!r}: {', '.join(SORT_KEYS)} are accepted", param, ctx)
        return str(value)


@click.command("query")
@click.argument("mood", required=False, type=click.Choice([mood.value for mood in Mood]))
@click.option("--arousal", type=RANGE, metavar="LO:HI", help="Only within, from -1 to 1.")
@click.option("--valence", type=RANGE, metavar="LO:HI", help="Only within, from -1 to 1.")
@click.option("--near", type=PAIR, metavar="A,V", help="The nearest to this point first.")
@click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What sounds most like this file first; it need not be in the catalogue.",
)
@click.option("--under", type=click.Path(path_type=Path), metavar="DIR", help="Only below DIR.")
@click.option(
    "--percentile",
    type=click.FloatRange(0, 50, min_open=True),
    metavar="P",
    help="Cut moods relative to this library: its lowest and highest P percent.",
)
@click.option("--sort", type=_SortKey(), help="A column; with - in front, falling.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N sounds.")
@click.option("--format", "output", type=click.Choice(FORMATS), default="table", help=FORMAT_HELP)
@with_settings
def command(
    loaded: LoadedSettings,
    *,
    mood: str | None,
    arousal: tuple[float, float] | None,
    valence: tuple[float, float] | None,
    under: Path | None,
    like: Path | None,
    output: str,
    limit: int | None,
    **asked: Any,
) -> None:
    """Find sounds, all of one MOOD (calm, energetic, tense, sad) or of any."""
    thresholds = loaded.settings.mood
    asked_for = SoundFilter(
        mood=Mood(mood) if mood else None,
        thresholds=(thresholds.arousal_threshold, thresholds.valence_threshold),
        arousal=arousal or OPEN_RANGE,
        valence=valence or OPEN_RANGE,
        under=None if under is None else canonical_path(under),
        limit=None if like else limit,
        **asked,
    )
    with closing(Catalogue(catalogue_url(loaded))) as catalogue:
        sounds = catalogue.queries.sounds(asked_for)
        if like is not None:
            sounds = _sorted_by_likeness(loaded, like, sounds, catalogue)[:limit]
    PRINTERS[output](sounds)


def _sorted_by_likeness(
    loaded: LoadedSettings, like: Path, sounds: Sequence[Sound], catalogue: Catalogue
) -> list[Sound]:
    from daemon.pipeline.similarity import sorted_by_similarity  # noqa: PLC0415 - loads what nothing else needs

    with closing(WorkerClient(loaded.settings.analysis)) as worker:
        return sorted_by_similarity(like, sounds, catalogue, worker, registry_folder(loaded))


def _print_table(sounds: Sequence[Sound]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("mood", "arousal", "valence", "length", "path"):
        table.add_column(
            heading,
            justify="left" if heading in {"mood", "path"} else "right",
            overflow="fold" if heading == "path" else "ellipsis",
            no_wrap=heading != "path",
        )
    for sound in sounds:
        minutes, seconds = divmod(round(sound.duration_s), 60)
        table.add_row(
            sound.mood.value,
            _spread(sound.arousal, sound.arousal_low, sound.arousal_high),
            _spread(sound.valence, sound.valence_low, sound.valence_high),
            f"{minutes}:{seconds:02d}",
            printable(str(sound.path)),
        )
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 32767
    console.print(table)


def _spread(value: float, low: float, high: float) -> str:
    return f"{value:+.2f} ± {(high - low) / 2:.2f}"


def _print_json(sounds: Sequence[Sound]) -> None:
    rows = [{**asdict(sound), "path": str(sound.path)} for sound in sounds]
    click.echo(json.dumps(rows, indent=2))


def _print_csv(sounds: Sequence[Sound]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.name for column in fields(Sound))
    writer.writerows(astuple(sound) for sound in sounds)
    click.echo(text.getvalue().encode("utf-8", "surrogateescape"), nl=False)


def _print_playlist(sounds: Sequence[Sound]) -> None:
    lines = ["#EXTM3U"]
    for sound in sounds:
        lines.append(f"#EXTINF:{round(sound.duration_s)},{printable(sound.path.stem)}")
        lines.append(playlist_entry(sound.path))
    click.echo("\n".join(lines))


def _print_paths(sounds: Sequence[Sound]) -> None:
    click.echo(b"".join(os.fsencode(sound.path) + b"\n" for sound in sounds), nl=False)


def _print_paths0(sounds: Sequence[Sound]) -> None:
    click.echo(b"".join(os.fsencode(sound.path) + b"\0" for sound in sounds), nl=False)


PRINTERS: dict[str, Callable[[Sequence[Sound]], None]] = {
    "table": _print_table,
    "json": _print_json,
    "csv": _print_csv,
    "m3u8": _print_playlist,
    "paths": _print_paths,
    "paths0": _print_paths0,
}
