"""`valenced query`: finds sounds by arousal, valence, mood or similarity."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from daemon.cli.options import with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import open_catalogue, open_finder
from daemon.cli.sounds.smart_playlist import smart_playlist
from daemon.cli.sounds.sound_printers import PRINTERS
from daemon.paths import canonical_path
from daemon.querying.playlist_lines import playlist_lines
from daemon.querying.query_options import asked_of, with_filter
from daemon.watch.file_state import is_gone
from storage.schema.sound_filter import SoundFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from config.loading import LoadedSettings
    from daemon.querying.query_options import Asked
    from storage.schema.records import Sound
    from storage.search.found_rows import SoundSearch

    Found = tuple[list[Sound], Mapping[Path, float | None] | None]


_SAID_EACH: Final = 512 * 40
_SHORT: Final = 0.9
"""A playlist that glides is told to be short below this share of what was asked for."""


@click.command("query")
@with_filter
@click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Sort by distance from this file, which need not be in the catalogue; it is left out.",
)
@click.option(
    "--by",
    type=click.Choice(["feeling", "sound"]),
    default="feeling",
    show_default=True,
    help="With --like: by arousal and valence, or by how the files sound.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice([*PRINTERS, "m3u8", "nsp"]),
    default="table",
    show_default=True,
    help="How to print the result; nsp is a smart playlist for Navidrome, of the query itself.",
)
@click.option(
    "--relative-to",
    type=click.Path(readable=False, path_type=Path),
    metavar="DIR",
    help="With m3u8: paths relative to DIR. With nsp: Navidrome's music folder.",
)
@click.option(
    "--titles", is_flag=True, help="With m3u8: artist and title from the files' own tags."
)
@with_settings
def command(
    loaded: LoadedSettings, *, output: str, relative_to: Path | None, titles: bool, **options: Any
) -> None:
    """Find sounds, all of one MOOD (calm, energetic, tense, sad) or of any."""
    asked = asked_of(options, loaded.settings.mood)
    order = _own_order(options["like"], asked)
    if options["by"] == "sound" and order != "--like":
        raise click.UsageError("--by sound needs --like FILE")
    if (titles and output != "m3u8") or (relative_to and output not in {"m3u8", "nsp"}):
        raise click.UsageError("--titles is for --format m3u8, --relative-to for m3u8 and nsp")
    folder = None if relative_to is None else canonical_path(relative_to)
    with open_finder(loaded) as finder:
        if output == "nsp":
            if order is not None:
                raise click.UsageError(f"--format nsp: Navidrome has no rule for {order}")
            print_json(smart_playlist(asked.wanted, finder.thresholds(asked.wanted), folder))
            return
        if order == "--like":
            find = _alike if options["by"] == "feeling" else _similar
            found = find(loaded, canonical_path(options["like"]), asked.wanted, finder)
        else:
            found = asked.sounds(finder), None
        is_empty = not found[0] and finder.is_empty()
    if output == "m3u8":
        _print_playlist(loaded, found[0], folder, titles=titles)
    else:
        PRINTERS[output](*found)
    if is_empty:
        say("the catalogue has no sound yet; to analyse some: valenced scan DIR", err=True)
    elif not found[0]:
        under = asked.wanted.under
        is_lost = under is not None and is_gone(under)
        say(f"no sound matches; there is no {under}" if is_lost else "no sound matches", err=True)
    elif asked.journey is not None:
        _say_if_short(found[0], asked.journey.length_s)


def _say_if_short(sounds: Sequence[Sound], wanted_s: float) -> None:
    found_s = sum(sound.duration_s for sound in sounds)
    if found_s < _SHORT * wanted_s:
        lasts, wanted = (f"{s // 60:.0f}:{s % 60:02.0f}" for s in (found_s, wanted_s))
        say(f"the playlist lasts {lasts}, not {wanted}: no more sounds lie on the way", err=True)


def _print_playlist(
    loaded: LoadedSettings, sounds: Sequence[Sound], folder: Path | None, *, titles: bool
) -> None:
    if not titles:
        say(*playlist_lines(sounds, folder))
        return
    from daemon.worker.worker_client import WorkerClient
    from trainer.trainer_errors import ClipError

    def credits_of(path: Path) -> tuple[str, str]:
        try:
            return worker.credits(path)
        except ClipError:
            return "", ""

    with closing(WorkerClient(loaded.settings.analysis)) as worker:
        say(*playlist_lines(sounds, folder, credits_of))


def _own_order(like: Path | None, asked: Asked) -> str | None:
    """Return which option other than --sort and --near says the order, None if none does."""
    if like is None:
        return None if asked.journey is None else "--from"
    if asked.journey is not None or asked.wanted.near is not None:
        raise click.UsageError("--like, --near and --from are orders: use one of them")
    return "--like"


def _alike(loaded: LoadedSettings, like: Path, wanted: SoundFilter, finder: SoundSearch) -> Found:
    """Find the sounds that feel like a file, the nearest first."""
    own = finder.sounds(SoundFilter(path=like))
    affect = (own[0].arousal, own[0].valence) if own else _affect_of(loaded, like)
    sounds = finder.sounds(replace(wanted, near=affect, but=like))
    return sounds, {
        sound.path: hypot(sound.arousal - affect[0], sound.valence - affect[1]) for sound in sounds
    }


def _affect_of(loaded: LoadedSettings, file: Path) -> tuple[float, float]:
    from daemon.pipeline.similarity import affect_of_file
    from daemon.worker.worker_client import WorkerClient

    with (
        open_catalogue(loaded) as catalogue,
        closing(WorkerClient(loaded.settings.analysis)) as worker,
    ):
        return affect_of_file(file, catalogue, worker, loaded.paths.bundles)


def _similar(loaded: LoadedSettings, like: Path, wanted: SoundFilter, finder: SoundSearch) -> Found:
    """Find the sounds that sound like a file, the most similar first."""
    from daemon.pipeline.similarity import Similarity
    from daemon.worker.worker_client import WorkerClient

    with (
        open_catalogue(loaded) as catalogue,
        closing(WorkerClient(loaded.settings.analysis)) as worker,
    ):
        similarity = Similarity(catalogue, worker, loaded.paths.bundles)
        similar = similarity.nearest(like, wanted, finder, _say_sketched)
    return [sound for sound, _ in similar], {sound.path: distance for sound, distance in similar}


def _say_sketched(count: int) -> None:
    if count % _SAID_EACH == 0:
        say(f"preparing the comparison: {count} sounds", err=True)
