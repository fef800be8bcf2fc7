"""Sounds: lists, rows of a selection, and all that is known of one."""

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from daemon.page.routes.page_context import PROBLEMS, AsciiJson, Page, PageContext, not_found
from daemon.page.routes.sound_query import LARGEST_NUMBER, SoundQuery, StrictNumber, as_row

router = APIRouter(prefix="/api/v1/sounds", tags=["sounds"], responses=PROBLEMS)

MOST_ROWS: Final = 1000
FARTHEST_ROW: Final = 1_000_000
SoundNumber = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="As the lists give it.")]


class SoundRow(BaseModel):
    """A sound as `valenced query --format json` gives it, and the number of its file."""

    id: int
    path: str
    arousal: float
    arousal_low: float
    arousal_high: float
    valence: float
    valence_low: float
    valence_high: float
    mood: str
    novelty: float
    duration_s: float
    bundle: str
    analysed_at: str
    tag_state: str
    kind: str | None
    kind_probability: float | None


class SoundList(BaseModel):
    """Some rows; `next` is the `after` of those that follow, null at the end."""

    sounds: list[SoundRow]
    next: int | None


class SoundRows(BaseModel):
    """The rows of a selection, in its order, without those that are gone."""

    sounds: list[SoundRow]


class CurveWindow(BaseModel):
    """Both values of the window that starts at a time."""

    start_s: float
    arousal: float
    valence: float


class SoundCurve(BaseModel):
    """The values over the time of a sound."""

    curve: list[CurveWindow]


class AnnotationRow(BaseModel):
    """What a person heard."""

    id: int
    path: str
    arousal: float | None
    valence: float | None
    annotator: str
    made_at: str
    source: str


class SoundDocument(BaseModel):
    """All that the catalogue knows of a sound."""

    id: int
    path: str
    sound: SoundRow
    curve: list[CurveWindow]
    annotations: list[AnnotationRow]


class Selection(BaseModel):
    """A selection by numbers."""

    model_config = ConfigDict(extra="forbid")

    ids: list[StrictNumber] = Field(max_length=MOST_ROWS)


class ListQuery(SoundQuery):
    """Which sounds are wanted, and which of them."""

    limit: int = Field(100, ge=1, le=MOST_ROWS, description="At most so many.")
    after: int = Field(0, ge=0, le=FARTHEST_ROW, description="`next` of the list before.")


@router.get("", response_model=SoundList)
def sounds(page: Page, wanted: Annotated[ListQuery, Query()]) -> Response:
    """The sounds that match, in the order of `sort`, else by path."""
    end = wanted.after + wanted.limit
    asked = SoundQuery(**wanted.model_dump(exclude={"limit", "after"})).asked(page)
    with page.view() as view:
        if asked.journey is None:
            rows = view.sounds(replace(asked.wanted, limit=end + 1), wanted.after)
        else:
            rows = view.numbered(asked.sounds(view.finder))[wanted.after :]
    shown = [as_row(number, sound) for number, sound in rows[: wanted.limit]]
    return AsciiJson({"sounds": shown, "next": end if len(rows) > wanted.limit else None})


@router.post("/rows", response_model=SoundRows)
def rows(page: Page, selection: Selection) -> Response:
    """The rows of a selection."""
    with page.view() as view:
        found = view.sounds_numbered(selection.ids, page.thresholds)
    return AsciiJson({"sounds": [as_row(number, sound) for number, sound in found]})


@router.get("/{number}", response_model=SoundDocument)
def sound(page: Page, number: SoundNumber) -> Response:
    """All that the catalogue knows of one sound."""
    return AsciiJson(document_of(page, number))


@router.get("/{number}/curve", response_model=SoundCurve)
def curve(page: Page, number: SoundNumber) -> Response:
    """The values over the time of one sound."""
    with page.view() as view:
        if view.path_of(number) is None:
            raise not_found(number)
        return AsciiJson({"curve": [vars(point) for point in view.curve_of(number)]})


def document_of(page: PageContext, number: int) -> dict[str, Any]:
    """Return all that the catalogue knows of one sound; raises HTTPException."""
    with page.view() as view:
        found = view.sounds_numbered([number], page.thresholds)
        points = view.curve_of(number)
    if not found:
        raise not_found(number)
    own = found[0].sound
    annotations = page.catalogue.annotations.all(own.path)
    return {
        "id": number,
        "path": str(own.path),
        "sound": as_row(number, own),
        "curve": [vars(point) for point in points],
        "annotations": [{**vars(one), "path": str(one.path)} for one in annotations],
    }
