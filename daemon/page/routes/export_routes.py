"""Exports: a selection or a query as a playlist, a table or a list of paths."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from typing import Any, Final, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from daemon.page.routes.page_context import PROBLEMS, Page
from daemon.page.routes.sound_query import SoundQuery, StrictNumber, Wanted
from daemon.querying.playlist_lines import playlist_lines
from storage.schema.records import Sound

router = APIRouter(prefix="/api/v1", tags=["sounds"], responses=PROBLEMS)

MOST_EXPORTED: Final = 20_000
_TYPES: Final = {
    "m3u8": "application/vnd.apple.mpegurl",
    "csv": "text/csv; charset=utf-8",
    "paths": "text/plain; charset=utf-8",
}


class Export(BaseModel):
    """What is exported: the sounds with some numbers, in their order, or those that match."""

    model_config = ConfigDict(extra="forbid")

    ids: list[StrictNumber] | None = Field(None, max_length=MOST_EXPORTED)
    filters: SoundQuery | None = None
    format: Literal["m3u8", "csv", "paths"]

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.ids is None) == (self.filters is None):
            raise ValueError("either ids or filters are needed")
        return self


class CommandLine(BaseModel):
    """A line for a shell."""

    command: str


@router.post(
    "/export",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in _TYPES.values()}, "description": "A file"}},
)
def export(page: Page, wanted: Export) -> Response:
    """A file with the sounds; at most 20,000."""
    with page.view() as view:
        if wanted.ids is not None:
            sounds = [each.sound for each in view.sounds_numbered(wanted.ids, page.thresholds)]
        else:
            assert wanted.filters is not None
            asked = wanted.filters.asked(page)
            limited = replace(asked, wanted=replace(asked.wanted, limit=MOST_EXPORTED))
            sounds = (asked if asked.journey is not None else limited).sounds(view.finder)
    name = f'attachment; filename="sounds.{wanted.format.replace("paths", "txt")}"'
    content = _content(wanted.format, sounds)
    return Response(
        content, media_type=_TYPES[wanted.format], headers={"Content-Disposition": name}
    )


@router.get("/command", response_model=CommandLine)
def command(page: Page, wanted: Wanted) -> Any:
    """The command that finds the same sounds."""
    return {
        "command": wanted.command(page).encode(errors="surrogateescape").decode(errors="replace")
    }


def _content(kind: str, sounds: Sequence[Sound]) -> bytes:
    if kind == "m3u8":
        return "".join(f"{line}\n" for line in playlist_lines(sounds, None)).encode()
    if kind == "paths":
        return b"".join(os.fsencode(sound.path) + b"\n" for sound in sounds)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([column.name for column in fields(Sound)])
    writer.writerows(astuple(sound) for sound in sounds)
    return text.getvalue().encode("utf-8", "surrogateescape")
