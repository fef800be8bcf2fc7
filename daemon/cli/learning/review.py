"""`valenced review`: asks for annotations of the sounds that would improve predictions most."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

import click

from daemon.cli.learning.annotate import require_commands, you
from daemon.cli.learning.player import PLAYERS, find_player, playing
from daemon.cli.options import annotator_option, format_option, scale_option, with_settings
from daemon.cli.output import print_json, say, warn
from daemon.cli.session import open_catalogue
from daemon.clock import utc_now
from daemon.wording import counted
from trainer.rating_scale import number_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.loading import LoadedSettings
    from storage.catalogue import Catalogue
    from storage.training_examples import UnratedSound
    from trainer.rating_scale import RatingScale

SOURCE: Final = "review"
# No comma without a space, which may stand for a decimal point.
_SEPARATOR: Final = re.compile(r"[,;]?\s+")


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
    from daemon.training_data.review_choice import sounds_to_review

    with open_catalogue(loaded) as catalogue:
        sounds = sounds_to_review(catalogue, loaded.paths.bundles, limit)
        if not sounds:
            say("no sound is left to annotate; to analyse more: valenced scan DIR", err=True)
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
        elif sounds:
            require_commands(loaded)
            ReviewDialogue(catalogue, scale, annotator or you(), sounds).run()


class Answer(Enum):
    """What a person wants at a sound, other than to rate it."""

    SKIP = ("", "s")
    AGAIN = ("r",)
    BACK = ("b",)
    UNDO = ("u",)
    QUIT = ("q",)


@dataclass
class ReviewDialogue:
    """A dialogue at the terminal about one sound after another.

    Attributes:
        catalogue: takes the annotations.
        scale: of the answers.
        annotator: whose they are.
        sounds: in the order in which they are asked for.
    """

    catalogue: Catalogue
    scale: RatingScale
    annotator: str
    sounds: Sequence[UnratedSound]
    _rated: list[int] = field(default_factory=list)

    def run(self) -> None:
        """Ask until every sound is rated or skipped, or the person quits."""
        from storage.jobs import RETAG

        player = find_player()
        if player is None:
            names = ", ".join(name for name, *_ in PLAYERS)
            warn(f"no player is installed ({names}): listen to the files by other means")
        low, high = self._range
        say(
            f"Answer with two numbers, such as {low} {high}:",
            f"  arousal, from {low} (calm) to {high} (energetic), and then",
            f"  valence, from {low} (unpleasant) to {high} (pleasant).",
            "Enter skips a sound, r plays it again, b goes back, u undoes an answer, q quits.",
        )
        try:
            place: int | None = 0
            while place is not None and place < len(self.sounds):
                sound = self.sounds[place]
                say("", f"{place + 1} of {len(self.sounds)}  {sound.path}")
                with playing(player, sound.path):
                    answer = self._ask()
                place = self._next(place, answer)
        finally:
            self.catalogue.jobs.request(RETAG, utc_now())
        say("", f"{counted(len(self._rated), 'sound')} annotated", err=True)

    def _next(self, place: int, answer: Answer | tuple[float, float]) -> int | None:
        """Do what was answered, and return the place of the next sound, None for the end."""
        if isinstance(answer, tuple):
            self._rate(place, answer)
            return place + 1
        match answer:
            case Answer.QUIT:
                return None
            case Answer.AGAIN:
                return place
            case Answer.BACK:
                return max(place - 1, 0)
            case Answer.UNDO:
                return self._undo(place)
        return place + 1

    def _ask(self) -> Answer | tuple[float, float]:
        """Return an answer, or arousal and valence in [-1, 1]."""
        while True:
            try:
                text = click.prompt("arousal valence", default="", show_default=False)
            except click.Abort:
                return Answer.QUIT
            for answer in Answer:
                if text.strip().lower() in answer.value:
                    return answer
            match [_number(word, self.scale) for word in _SEPARATOR.split(text.strip())]:
                case [float(arousal), float(valence)]:
                    return arousal, valence
            low, high = self._range
            say(
                f"not understood: type two numbers from {low} to {high}, such as {low} {high}; or "
                "Enter to skip, or one of r, b, u, q"
            )

    @property
    def _range(self) -> tuple[str, str]:
        return f"{self.scale.low:g}", f"{self.scale.high:g}"

    def _rate(self, place: int, values: tuple[float, float]) -> None:
        from storage.annotations import GivenAnnotation

        sound = self.sounds[place]
        given = GivenAnnotation(sound.identity, sound.path, self.annotator, *values, SOURCE)
        self.catalogue.annotations.add([given], utc_now())
        self._rated = [*(each for each in self._rated if each != place), place]

    def _undo(self, place: int) -> int:
        """Withdraw the last answer, and return its place."""
        if not self._rated:
            say("nothing is annotated yet that could be undone")
            return place
        last = self._rated.pop()
        sound = self.sounds[last]
        self.catalogue.annotations.withdraw(sound.identity, self.annotator, utc_now())
        say(f"withdrawn: {sound.path}")
        return last


def _number(text: str, scale: RatingScale) -> float | None:
    try:
        value = number_in(text)
    except ValueError:
        return None
    return scale.affect(value) if scale.low <= value <= scale.high else None
