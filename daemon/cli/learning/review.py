"""`valenced review`: the sounds whose rating would teach most."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from daemon.cli.learning.annotate import you
from daemon.cli.options import FORMAT_HELP, catalogue_url, registry_folder, with_settings
from daemon.cli.ranges import SCALE
from daemon.clock import utc_now
from daemon.paths import printable
from daemon.service.background_job import RETAG
from storage.annotations import GivenAnnotation
from storage.catalogue import Catalogue
from trainer.rating_scale import AFFECT_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.loading import LoadedSettings
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
@click.option(
    "--scale", type=SCALE, default=str(AFFECT_SCALE), metavar="LOW:HIGH", help="Of your answers."
)
@click.option("--by", "annotator", metavar="NAME", help="Who hears; you if not given.")
@click.option("--list", "only_list", is_flag=True, help="Name the sounds, and ask nothing.")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
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
    """Offer the sounds whose rating would teach most, play them, and take your answers.

    They are those that the bundle in service is least sure of, unlike those rated already and
    unlike one another. Where nobody sits at a terminal they are only listed.
    """
    with closing(Catalogue(catalogue_url(loaded))) as catalogue:
        sounds = _offered(catalogue, registry_folder(loaded), limit)
        if output == "json":
            click.echo(json.dumps([_document(sound) for sound in sounds], indent=2))
        elif only_list or not sys.stdin.isatty():
            for sound in sounds:
                click.echo(printable(str(sound.path)))
        else:
            _Review(catalogue, scale, annotator or you()).hold(sounds)


@dataclass(frozen=True)
class _Review:
    """A person at a terminal, asked about one sound after another."""

    catalogue: Catalogue
    scale: RatingScale
    annotator: str

    def hold(self, sounds: list[UnratedSound]) -> None:
        """Ask until every sound was answered or passed over, or the person has had enough."""
        click.echo(
            f"Answer with arousal and valence, both {self.scale}, such as"
            f" {self.scale.low:g} {self.scale.high:g}. Enter passes over, q ends."
        )
        for number, sound in enumerate(sounds, start=1):
            click.echo(printable(f"\n{number} of {len(sounds)}  {sound.path}"))
            with _playing(sound.path):
                if not self._asked(sound):
                    break
        self.catalogue.jobs.request(RETAG, utc_now())

    def _asked(self, sound: UnratedSound) -> bool:
        """Take one answer, and tell whether to go on."""
        while True:
            answer = click.prompt("arousal valence", default="", show_default=False).split()
            if answer in ([], ["q"]):
                return not answer
            values = [_number(text, self.scale) for text in answer]
            if len(values) == 2 and None not in values:  # noqa: PLR2004 - arousal and valence
                arousal, valence = values
                said = GivenAnnotation(
                    sound.identity, sound.path, self.annotator, arousal, valence, SOURCE
                )
                self.catalogue.annotations.add([said], utc_now())
                return True
            click.echo(f"two numbers on the scale {self.scale}, Enter, or q")


def _offered(catalogue: Catalogue, registry: Path, limit: int) -> list[UnratedSound]:
    import numpy as np  # noqa: PLC0415 - spares every other command the import

    from trainer.bundles.bundle import load  # noqa: PLC0415
    from trainer.bundles.registry import prepare  # noqa: PLC0415
    from trainer.features.vector_codec import unpack  # noqa: PLC0415
    from trainer.personal.active_learning import most_informative  # noqa: PLC0415

    bundle = load(prepare(registry)[0])
    lessons = catalogue.training_examples
    unrated = lessons.unrated(bundle.manifest.hearing, CANDIDATES)
    if not unrated:
        return []
    rated = lessons.rated(bundle.manifest.hearing)
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
    """Play a sound while the block lasts, where a player is there."""
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


def _document(sound: UnratedSound) -> dict[str, Any]:
    return {
        "path": str(sound.path),
        "arousal": sound.arousal,
        "valence": sound.valence,
        "uncertainty": sound.uncertainty,
    }


def _number(text: str, scale: RatingScale) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return scale.affect(value) if scale.low <= value <= scale.high else None
