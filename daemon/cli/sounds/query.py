"""`valenced query`: finds sounds by arousal, valence, mood or similarity."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.options import with_settings
from daemon.cli.output import say
from daemon.cli.ranges import PAIR, RANGE
from daemon.cli.session import open_catalogue
from daemon.cli.sounds.sound_printers import PRINTERS
from daemon.paths import canonical_path
from storage.schema.records import SOUND_KINDS, Mood
from storage.schema.sound_filter import OPEN_RANGE, SORT_KEYS, SoundFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.loading import LoadedSettings
    from daemon.pipeline.similarity import SimilarSound
    from storage.catalogue import Catalogue
    from storage.schema.records import Sound


SORT_CHOICES = [*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS)]


@click.command("query")
@click.argument("mood", required=False, type=click.Choice([mood.value for mood in Mood]))
@click.option("--arousal", type=RANGE, metavar="LO:HI", help="Range of arousal, from -1 to 1.")
@click.option("--valence", type=RANGE, metavar="LO:HI", help="Range of valence, from -1 to 1.")
@click.option("--kind", type=click.Choice(SOUND_KINDS), help="Only sounds of this kind.")
@click.option("--near", type=PAIR, metavar="A,V", help="Sort by distance from this point.")
@click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Sort by distance from this file, which need not be in the catalogue; it is left out.",
)
@click.option("--under", type=click.Path(path_type=Path), metavar="DIR", help="Only below DIR.")
@click.option(
    "--percentile",
    type=click.FloatRange(0, 50, min_open=True),
    metavar="P",
    help="With a MOOD: its thresholds are the lowest and highest P percent of this library.",
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
    if options["percentile"] is not None and mood is None:
        raise click.UsageError(
            "--percentile says what a mood is in this library, so a MOOD is needed: "
            f"valenced query calm --percentile {options['percentile']:g}"
        )
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
    distances = None
    with open_catalogue(loaded) as catalogue:
        sounds = catalogue.queries.sounds(wanted)
        is_empty = not sounds and not catalogue.queries.sounds(SoundFilter(limit=1))
        if like is not None:
            similar = _similar(loaded, canonical_path(like), sounds, catalogue)[:limit]
            sounds = [sound for sound, _ in similar]
            distances = {sound.path: distance for sound, distance in similar}
    PRINTERS[output](sounds, distances)
    if is_empty:
        say("the catalogue has no sound yet; to analyse some: valenced scan DIR", err=True)
    elif not sounds:
        say("no sound matches", err=True)


def _similar(
    loaded: LoadedSettings, like: Path, sounds: Sequence[Sound], catalogue: Catalogue
) -> list[SimilarSound]:
    from daemon.pipeline.similarity import sorted_by_distance
    from daemon.worker.worker_client import WorkerClient

    with closing(WorkerClient(loaded.settings.analysis)) as worker:
        return sorted_by_distance(like, sounds, catalogue, worker, loaded.paths.bundles)
