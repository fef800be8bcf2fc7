"""`valenced review`: asks for annotations of the sounds that would improve predictions most."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from daemon.cli.learning.annotate import require_commands, you
from daemon.cli.options import annotator_option, format_option, scale_option, with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import open_catalogue
from daemon.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.loading import LoadedSettings
    from storage.catalogue import Catalogue
    from storage.training_examples import UnratedSound
    from trainer.rating_scale import RatingScale

CANDIDATES: Final = 2000
SOURCE: Final = "review"
PLAYERS: Final = (
    ("mpv", "--no-video", "--really-quiet", "--"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
    ("play", "-q"),
    ("paplay",),
    ("aplay", "-q"),
)


@click.command("review")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, help="How many sounds.")
@scale_option
@annotator_option
@click.option("--list", "only_list", is_flag=True, help="List the sounds, and ask nothing.")
@format_option
@with_settings
def command(
    loaded: LoadedSettings,
    *,
    limit: int,
    scale: RatingScale,
    annotator: str | None,
    only_list: bool,
    output: str,
) -> None:
    """Play the sounds whose annotation would improve predictions most, and record your answers.

    The published bundle is least certain of them, and they differ from the annotated ones and from
    each other. Without a terminal they are only listed.
    """
    with open_catalogue(loaded) as catalogue:
        sounds = _selected(catalogue, loaded.paths.bundles, limit)
        if output == "json":
            keys = ("arousal", "valence", "uncertainty")
            rows = [
                {"path": str(sound.path)} | {key: getattr(sound, key) for key in keys}
                for sound in sounds
            ]
            print_json(rows)
        elif only_list or not sys.stdin.isatty():
            for sound in sounds:
                say(str(sound.path))
        else:
            require_commands(loaded)
            _Review(catalogue, scale, annotator or you()).run(sounds)


@dataclass(frozen=True)
class _Review:
    """A dialogue at the terminal about one sound after another."""

    catalogue: Catalogue
    scale: RatingScale
    annotator: str

    def run(self, sounds: list[UnratedSound]) -> None:
        """Ask until every sound is annotated or skipped, or the person quits."""
        from daemon.service.background_job import RETAG

        say(
            f"Answer with arousal and valence, both {self.scale}, such as"
            f" {self.scale.low:g} {self.scale.high:g}. Enter skips a sound, q quits."
        )
        for number, sound in enumerate(sounds, start=1):
            say("", f"{number} of {len(sounds)}  {sound.path}")
            with _playing(sound.path):
                if not self._annotate(sound):
                    break
        self.catalogue.jobs.request(RETAG, utc_now())

    def _annotate(self, sound: UnratedSound) -> bool:
        """Record one answer, and return whether to continue."""
        from storage.annotations import GivenAnnotation

        while True:
            answer = click.prompt("arousal valence", default="", show_default=False).split()
            if answer in ([], ["q"]):
                return not answer
            values = [_number(text, self.scale) for text in answer]
            if len(values) == 2 and None not in values:  # noqa: PLR2004 - arousal and valence
                arousal, valence = values
                annotation = GivenAnnotation(
                    sound.identity, sound.path, self.annotator, arousal, valence, SOURCE
                )
                self.catalogue.annotations.add([annotation], utc_now())
                return True
            say(f"two numbers on the scale {self.scale}, Enter, or q")


def _selected(catalogue: Catalogue, registry: Path, limit: int) -> list[UnratedSound]:
    import numpy as np

    from trainer.bundles.bundle import load
    from trainer.bundles.registry import prepare
    from trainer.features.vector_codec import unpack
    from trainer.personal.active_learning import most_informative

    bundle = load(prepare(registry)[0])
    examples = catalogue.training_examples
    unrated = examples.unrated(bundle.manifest.hearing, CANDIDATES)
    if not unrated:
        return []
    rated = examples.rated(bundle.manifest.hearing)
    packed = [sound.vector for sound in unrated] + [sound.vector for sound in rated]
    scores = bundle.normal_scores(np.stack([unpack(vector) for vector in packed]))
    chosen = most_informative(
        scores[: len(unrated)],
        np.array([sound.uncertainty for sound in unrated]),
        scores[len(unrated) :],
        limit,
    )
    return [unrated[row] for row in chosen]


@contextmanager
def _playing(path: Path) -> Iterator[None]:
    """Play a sound within the block, if a player is installed."""
    line = next((player for player in PLAYERS if shutil.which(player[0])), None)
    if line is None:
        yield
        return
    process = subprocess.Popen(  # noqa: S603 - a player that the user has installed
        [*line, path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _number(text: str, scale: RatingScale) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return scale.affect(value) if scale.low <= value <= scale.high else None
