"""`valenced query`: finds sounds by arousal, valence, mood or similarity."""

from __future__ import annotations

import csv
import io
import os
from contextlib import closing
from dataclasses import asdict, astuple, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.options import with_settings
from daemon.cli.output import is_on_terminal, print_bytes, print_json, say
from daemon.cli.ranges import PAIR, RANGE
from daemon.cli.session import open_catalogue
from daemon.paths import canonical_path, playlist_entry, printable
from storage.schema.records import Mood, Sound
from storage.schema.sound_filter import OPEN_RANGE, SORT_KEYS, SoundFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.loading import LoadedSettings
    from storage.catalogue import Catalogue


SORT_CHOICES = [*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS)]


@click.command("query")
@click.argument("mood", required=False, type=click.Choice([mood.value for mood in Mood]))
@click.option("--arousal", type=RANGE, metavar="LO:HI", help="Range of arousal, from -1 to 1.")
@click.option("--valence", type=RANGE, metavar="LO:HI", help="Range of valence, from -1 to 1.")
@click.option("--near", type=PAIR, metavar="A,V", help="Sort by distance from this point.")
@click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Sort by similarity to this file, which need not be in the catalogue.",
)
@click.option("--under", type=click.Path(path_type=Path), metavar="DIR", help="Only below DIR.")
@click.option(
    "--percentile",
    type=click.FloatRange(0, 50, min_open=True),
    metavar="P",
    help="Moods relative to this library: its lowest and highest P percent.",
)
@click.option(
    "--sort",
    type=click.Choice(SORT_CHOICES),
    metavar="KEY",
    help="Column to sort by; - in front reverses the order.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N sounds.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "csv", "m3u8", "paths", "paths0"]),
    default="table",
    help="How to print the result.",
)
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
    **options: Any,
) -> None:
    """Find sounds, all of one MOOD (calm, energetic, tense, sad) or of any."""
    thresholds = loaded.settings.mood
    wanted = SoundFilter(
        mood=Mood(mood) if mood else None,
        thresholds=(thresholds.arousal_threshold, thresholds.valence_threshold),
        arousal=arousal or OPEN_RANGE,
        valence=valence or OPEN_RANGE,
        under=None if under is None else canonical_path(under),
        limit=None if like else limit,
        **options,
    )
    with open_catalogue(loaded) as catalogue:
        sounds = catalogue.queries.sounds(wanted)
        if like is not None:
            sounds = _by_similarity(loaded, like, sounds, catalogue)[:limit]
    PRINTERS[output](sounds)


def _by_similarity(
    loaded: LoadedSettings, like: Path, sounds: Sequence[Sound], catalogue: Catalogue
) -> list[Sound]:
    from daemon.pipeline.similarity import sorted_by_similarity
    from daemon.worker.worker_client import WorkerClient

    with closing(WorkerClient(loaded.settings.analysis)) as worker:
        return sorted_by_similarity(like, sounds, catalogue, worker, loaded.paths.bundles)


def _print_table(sounds: Sequence[Sound]) -> None:
    from rich.console import Console
    from rich.table import Table

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
    print_json(rows)


def _print_csv(sounds: Sequence[Sound]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.name for column in fields(Sound))
    writer.writerows(astuple(replace(sound, path=_shown(sound.path))) for sound in sounds)
    print_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


def _print_playlist(sounds: Sequence[Sound]) -> None:
    lines = ["#EXTM3U"]
    for sound in sounds:
        lines.append(f"#EXTINF:{round(sound.duration_s)},{printable(sound.path.stem)}")
        lines.append(playlist_entry(sound.path))
    say(*lines)


def _print_paths(sounds: Sequence[Sound], end: bytes = b"\n") -> None:
    print_bytes(b"".join(os.fsencode(_shown(sound.path)) + end for sound in sounds))


def _shown(path: Path) -> Path:
    """Return a path as it is for programs, escaped for a terminal."""
    return Path(printable(str(path))) if is_on_terminal() else path


PRINTERS: dict[str, Callable[[Sequence[Sound]], None]] = {
    "table": _print_table,
    "json": _print_json,
    "csv": _print_csv,
    "m3u8": _print_playlist,
    "paths": _print_paths,
    "paths0": partial(_print_paths, end=b"\0"),
}
