"""Correcting: what a person heard, given and withdrawn."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt
from starlette.responses import Response

from daemon.page.routes.page_context import PROBLEMS, AsciiJson, Page
from daemon.page.routes.sound_routes import SoundDocument, SoundNumber, document_of

router = APIRouter(prefix="/api/v1/sounds", tags=["annotations"], responses=PROBLEMS)

Value = Annotated[StrictFloat | StrictInt, Field(ge=-1, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=1000, description="This user if left out.")]


class GivenValues(BaseModel):
    """What a person heard; at least one of the two values."""

    model_config = ConfigDict(extra="forbid")

    arousal: Value | None = None
    valence: Value | None = None
    annotator: Name | None = None


@router.put("/{number}/annotation", response_model=SoundDocument)
def annotate(page: Page, number: SoundNumber, given: GivenValues) -> Response:
    """Record what a person heard; it replaces what that person said before."""
    from daemon.page.routes import changes  # noqa: PLC0415 - loaded by the first who annotates

    if given.arousal is None and given.valence is None:
        raise HTTPException(422, "arousal or valence is needed, or both")
    changes.annotate(page, number, given.annotator, given.arousal, given.valence)
    return AsciiJson(document_of(page, number))


@router.delete("/{number}/annotation", response_model=SoundDocument)
def withdraw(
    page: Page, number: SoundNumber, annotator: Annotated[Name | None, Query()] = None
) -> Response:
    """Withdraw what a person said of a sound."""
    from daemon.page.routes import changes  # noqa: PLC0415 - as above

    changes.withdraw(page, number, annotator)
    return AsciiJson(document_of(page, number))
