"""The conditions of a query as parameters of a request, by the names of the command's options."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from daemon.page.routes.filter_texts import SECONDS, affect_point, affect_range, open_range
from daemon.page.routes.page_context import PageContext, not_found
from storage.schema.records import Mood
from storage.schema.sound_filter import OPEN_RANGE, SORT_KEYS, SoundFilter

LARGEST_NUMBER: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exact."""

Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
Text = Annotated[str, Field(max_length=4096)]
SortKey = Literal[*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS)]  # type: ignore[valid-type]
_Value = TypeVar("_Value")


class SoundQuery(BaseModel):
    """Which sounds are wanted: the options of `valenced query`."""

    model_config = ConfigDict(extra="forbid")

    mood: Mood | None = Field(None, description="Only of this mood.")
    arousal: Text | None = Field(None, description="LO:HI from -1 to 1.", examples=["0:0.5"])
    valence: Text | None = Field(None, description="LO:HI from -1 to 1.", examples=["-0.2:"])
    kind: Literal["music", "voice", "sound"] | None = Field(None, description="Of this kind.")
    duration: Text | None = Field(None, description="LO:HI, in seconds or with units.")
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

    def filter(self, page: PageContext, limit: int | None = None) -> SoundFilter:
        """Return the filter that it means; raises HTTPException."""
        if self.percentile is not None and self.mood is None:
            raise HTTPException(422, "percentile says what a mood is, so a mood is needed")
        if self.near is not None and self.like is not None:
            raise HTTPException(422, "like and near are two orders: use one of them")
        wanted = SoundFilter(
            mood=self.mood,
            kind=self.kind,
            thresholds=page.thresholds,
            percentile=self.percentile,
            arousal=_read("arousal", self.arousal, affect_range) or OPEN_RANGE,
            valence=_read("valence", self.valence, affect_range) or OPEN_RANGE,
            novelty=_read("novelty", self.novelty, lambda text: open_range(text, {}))
            or (None, None),
            duration_s=_read("duration", self.duration, lambda text: open_range(text, SECONDS))
            or (None, None),
            interval=self.interval,
            text=tuple(self.text),
            near=_read("near", self.near, affect_point),
            under=_read("under", self.under, _folder),
            sort=self.sort,
            limit=limit,
        )
        return wanted if self.like is None else _alike(page, self.like, wanted)

    def command(self, page: PageContext, limit: int | None = None) -> str:
        """Return the line that finds the same sounds in a shell."""
        words = ["valenced", "query", *([self.mood.value] if self.mood else [])]
        for name, value in self._options(page):
            words += [f"--{name}={value}" if value.startswith("-") else f"--{name} {value}"]
        return " ".join([*words, *([f"--limit {limit}"] if limit else [])])

    def _options(self, page: PageContext) -> Iterator[tuple[str, str]]:
        for name, value in self.model_dump(exclude={"mood", "like"}, exclude_none=True).items():
            for each in value if isinstance(value, list) else [value]:
                yield name, shlex.quote(f"{each:g}" if isinstance(each, float) else str(each))
        if self.like is not None:
            yield "like", shlex.quote(str(_path_of(page, self.like)))


Wanted = Annotated[SoundQuery, Query()]
"""The parameters of a request."""


def _alike(page: PageContext, number: int, wanted: SoundFilter) -> SoundFilter:
    with page.view() as view:
        own = view.sounds_numbered([number], page.thresholds)
    if not own:
        raise not_found(number)
    sound = own[0].sound
    return replace(wanted, near=(sound.arousal, sound.valence), but=sound.path)


def _path_of(page: PageContext, number: int) -> Path:
    with page.view() as view:
        path = view.path_of(number)
    if path is None:
        raise not_found(number)
    return path


def _folder(text: str) -> Path:
    if not text.startswith("/") or "\0" in text:
        raise ValueError("an absolute path is accepted")
    return Path(text)


def _read(name: str, text: str | None, read: Callable[[str], _Value]) -> _Value | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise HTTPException(422, f"{name}: {error}") from error


def as_row(number: int, sound: Any) -> dict[str, Any]:
    """Return a sound as `valenced query --format json` gives it, and its number."""
    return {"id": number, **vars(sound), "path": str(sound.path)}
