"""What could not be analysed, and how it is tried again."""

from typing import Annotated, Final, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from daemon.page.routes.page_context import PROBLEMS, AsciiJson, Page
from daemon.page.routes.sound_query import StrictNumber

router = APIRouter(prefix="/api/v1", tags=["service"], responses=PROBLEMS)

MOST_FAILURES: Final = 1000


class FailureRow(BaseModel):
    """A file that could not be analysed; without `retry_at` it is given up until it changes."""

    id: int
    path: str
    reason: str
    attempts: int
    retry_at: str | None


class Failures(BaseModel):
    """Failures by path."""

    failures: list[FailureRow]


class Retry(BaseModel):
    """What to try again: the failures with some numbers, or everything that failed."""

    model_config = ConfigDict(extra="forbid")

    ids: list[StrictNumber] | None = Field(None, max_length=MOST_FAILURES)
    all: bool = False

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.ids is None) == (not self.all):
            raise ValueError("either ids or all are needed")
        return self


class RetriedCounts(BaseModel):
    """How many files will be analysed, and how many tagged, again."""

    files: int
    tags: int


@router.get("/failures", response_model=Failures)
def failures(
    page: Page, limit: Annotated[int, Query(ge=1, le=MOST_FAILURES)] = MOST_FAILURES
) -> Response:
    """The files that could not be analysed."""
    with page.view() as view:
        found = view.failures(limit)
    rows = [{"id": number, **vars(failure), "path": str(failure.path)} for number, failure in found]
    return AsciiJson({"failures": rows})


@router.post("/failures/retry", response_model=RetriedCounts)
def retry(page: Page, wanted: Retry) -> Response:
    """Try again; a running service starts within seconds."""
    from daemon.page.routes import changes  # noqa: PLC0415 - loaded by the first who changes something

    return AsciiJson(changes.retry(page, wanted.ids)._asdict())
