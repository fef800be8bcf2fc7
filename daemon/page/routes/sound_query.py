"""The conditions of a query as parameters of a request, by the names of the command's options."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import click
from fastapi import HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from daemon.page.routes.page_context import PageContext, not_found
from daemon.querying.query_options import Asked, asked_of, values_in
from storage.schema.records import Mood, Sound
from storage.schema.sound_filter import SORT_KEYS, SoundFilter

LARGEST_NUMBER: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exact."""

Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
StrictNumber = Annotated[int, Field(strict=True, ge=1, le=LARGEST_NUMBER)]
Text = Annotated[str, Field(max_length=4096)]
SortKey = Annotated[str, Field(pattern=f"^-?({'|'.join(SORT_KEYS)})$")]


class SoundQuery(BaseModel):
    """Which sounds are wanted: the options of `valenced query`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    mood: Mood | None = Field(None, description="Only of this mood.")
    arousal: Text | None = Field(None, description="LO:HI from -1 to 1.", examples=["0:0.5"])
    valence: Text | None = Field(None, description="LO:HI from -1 to 1.", examples=["-0.2:"])
    kind: Literal["music", "voice", "sound"] | None = Field(None, description="Of this kind.")
    duration: Text | None = Field(None, description="LO:HI, in seconds or such as 90s:5m.")
    novelty: Text | None = Field(None, description="LO:HI from 0.")
    interval: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, description="Both intervals at most so wide."
    )
    text: list[Text] = Field([], max_length=16, description="Only with this text in the path.")
    near: Text | None = Field(None, description="A,V: the nearest to this point first.")
    like: Number | None = Field(None, description="Those that feel like this sound first.")
    under: Text | None = Field(None, description="Only below this folder.")
    percentile: float | None = Field(
        None, gt=0, le=50, allow_inf_nan=False, description="With a mood: relative to the library."
    )
    sort: SortKey | None = Field(None, description="Key to sort by; - in front reverses.")
    start: Text | None = Field(None, alias="from", description="Where a journey begins.")
    to: Text | None = Field(None, description="Where it ends.")
    length: Text | None = Field(None, description="How long it is, such as 45m.")

    def asked(self, page: PageContext) -> Asked:
        """Return what it asks for; raises HTTPException."""
        try:
            asked = asked_of(values_in([*self._words()]), page.config.settings.mood)
        except click.ClickException as error:
            raise HTTPException(422, error.format_message()) from error
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        if self.like is None:
            return asked
        if asked.journey is not None or asked.wanted.near is not None:
            raise HTTPException(422, "like, near and from are orders: use one of them")
        return replace(asked, wanted=_alike(page, self.like, asked.wanted))

    def filter(self, page: PageContext) -> SoundFilter:
        """Return its conditions alone; raises HTTPException."""
        return self.asked(page).wanted

    def command(self, page: PageContext) -> str:
        """Return the line that finds the same sounds in a shell; raises HTTPException."""
        self.asked(page)
        words = ["valenced", "query", *self._words()]
        if self.like is not None:
            words.append(f"--like={path_of(page, self.like)}")
        return shlex.join(words)

    def _words(self) -> Iterator[str]:
        """Yield the words of the command line that mean it, without `like`."""
        if self.mood is not None:
            yield self.mood.value
        others = self.model_dump(exclude={"mood", "like"}, exclude_none=True, by_alias=True)
        for name, value in others.items():
            for each in value if isinstance(value, list) else [value]:
                yield f"--{name}={each}"


Wanted = Annotated[SoundQuery, Query()]
"""The parameters of a request."""


def path_of(page: PageContext, number: int) -> Path:
    """Return the path of a sound; raises HTTPException."""
    with page.view() as view:
        path = view.path_of(number)
    if path is None:
        raise not_found(number)
    return path


def as_row(number: int, sound: Sound) -> dict[str, Any]:
    """Return a sound as `valenced query --format json` gives it, and its number."""
    return {"id": number, **vars(sound), "path": str(sound.path)}


def _alike(page: PageContext, number: int, wanted: SoundFilter) -> SoundFilter:
    with page.view() as view:
        own = view.sounds_numbered([number], page.thresholds)
    if not own:
        raise not_found(number)
    sound = own[0].sound
    return replace(wanted, near=(sound.arousal, sound.valence), but=sound.path)
