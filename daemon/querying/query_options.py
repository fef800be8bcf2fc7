"""The options that say which sounds are wanted, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from daemon.paths import canonical_path
from daemon.querying.ranges import DURATION, END, LENGTH, NOVELTY, PAIR, PERCENT, RANGE, WIDTH
from storage.schema.records import SOUND_KINDS, Mood
from storage.schema.sound_filter import OPEN_RANGE, SORT_KEYS, SoundFilter
from storage.search.journey import journey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from config.settings import MoodSettings
    from storage.schema.records import Sound
    from storage.search.found_rows import SoundSearch

    End = tuple[float, float] | Mood

SORT_CHOICES = [*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS)]

_OPTIONS = (
    click.argument("mood", required=False, type=click.Choice([mood.value for mood in Mood])),
    click.option("--arousal", type=RANGE, metavar="LO:HI", help="Range of arousal, from -1 to 1."),
    click.option("--valence", type=RANGE, metavar="LO:HI", help="Range of valence, from -1 to 1."),
    click.option("--kind", type=click.Choice(SOUND_KINDS), help="Only sounds of this kind."),
    click.option(
        "--duration",
        "duration_s",
        type=DURATION,
        metavar="LO:HI",
        help="Range of duration, in seconds or such as 90s:5m.",
    ),
    click.option(
        "--novelty",
        type=NOVELTY,
        metavar="LO:HI",
        help="Range of novelty, from 0; above 1 is unlike the training set.",
    ),
    click.option(
        "--interval",
        type=WIDTH,
        metavar="WIDTH",
        help="Only what is sure: both intervals are at most this wide, from 0 to 2.",
    ),
    click.option(
        "--text",
        multiple=True,
        metavar="TEXT",
        help="Only with this text in the path; may be repeated. Case is ignored in ASCII.",
    ),
    click.option("--near", type=PAIR, metavar="A,V", help="Sort by distance from this point."),
    click.option("--under", type=click.Path(path_type=Path), metavar="DIR", help="Only below DIR."),
    click.option(
        "--percentile",
        type=PERCENT,
        metavar="P",
        help="With a MOOD: its thresholds are the lowest and highest P percent of this library.",
    ),
    click.option(
        "--sort",
        type=click.Choice(SORT_CHOICES),
        metavar="KEY",
        help="Column to sort by, or interval: its width; - in front reverses the order.",
    ),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N sounds."),
    click.option(
        "--from",
        "start",
        type=END,
        metavar="MOOD|A,V",
        help="With --to and --length: a playlist that glides from here, by the smallest jumps.",
    ),
    click.option("--to", "end", type=END, metavar="MOOD|A,V", help="Where the playlist ends."),
    click.option(
        "--length", "length_s", type=LENGTH, metavar="TIME", help="How long it is, such as 45m."
    ),
)


class Journey(NamedTuple):
    """Both ends of a playlist that glides, and its length in seconds."""

    ends: tuple[End, End]
    length_s: float


@dataclass(frozen=True)
class Asked:
    """What a query asks for: the conditions, and a journey if one is wanted."""

    wanted: SoundFilter
    journey: Journey | None

    def sounds(self, finder: SoundSearch) -> list[Sound]:
        """Return the sounds, in order."""
        if self.journey is None:
            return finder.sounds(self.wanted)
        return journey(finder, self.wanted, *self.journey)


def with_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets their values by name."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("query", add_help_option=False)
@with_filter
def _query(**values: object) -> dict[str, object]:
    return values


def values_in(words: Sequence[str]) -> dict[str, Any]:
    """Return the values of the options in the words of a command line; raises ClickException."""
    values: dict[str, Any] = _query.main([*words], "query", standalone_mode=False)
    return values


def asked_of(values: Mapping[str, Any], thresholds: MoodSettings) -> Asked:
    """Return what the values of the options ask for.

    Raises:
        click.UsageError: they make no sense together.
    """
    wanted = _filter_of(values, thresholds)
    way = values["start"], values["end"], values["length_s"]
    if all(part is None for part in way):
        return Asked(wanted, None)
    if any(part is None for part in way):
        raise click.UsageError("--from, --to and --length belong together")
    if wanted.near or wanted.sort or wanted.limit:
        raise click.UsageError("--from, --to and --length say the order and the number of sounds")
    start, end, length_s = way
    return Asked(wanted, Journey((start, end), length_s))


def _filter_of(values: Mapping[str, Any], thresholds: MoodSettings) -> SoundFilter:
    mood, percentile, under = values["mood"], values["percentile"], values["under"]
    if percentile is not None and mood is None:
        raise click.UsageError(
            "--percentile says what a mood is in this library, so a MOOD is needed: "
            f"valenced query calm --percentile {percentile:g}"
        )
    return SoundFilter(
        mood=Mood(mood) if mood else None,
        kind=values["kind"],
        thresholds=(thresholds.arousal_threshold, thresholds.valence_threshold),
        percentile=percentile,
        arousal=values["arousal"] or OPEN_RANGE,
        valence=values["valence"] or OPEN_RANGE,
        novelty=values["novelty"] or (None, None),
        duration_s=values["duration_s"] or (None, None),
        interval=values["interval"],
        text=values["text"],
        near=values["near"],
        under=None if under is None else canonical_path(under),
        sort=values["sort"],
        limit=values["limit"],
    )
