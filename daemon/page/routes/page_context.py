"""What all answers of the page are made from."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from fastapi import Depends, HTTPException, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse

from daemon.monitoring.page_messages import PageConfig, Reply, Subject
from daemon.page.routes.transcoder import Transcoder
from storage.search.catalogue_view import CatalogueView, open_view
from storage.search.revision import CatalogueRevision

if TYPE_CHECKING:
    from storage.catalogue import Catalogue


class ServiceReplies(Protocol):
    """The service that the page belongs to, or what stands for it where there is none."""

    def ask(self, about: Subject) -> Reply:
        """Return its reply about a subject."""


class Refusal(BaseModel):
    """Why a request was refused or failed."""

    detail: str


@dataclass
class PageContext:
    """The parts of one page process.

    Attributes:
        config: as it was started.
        service: tells how the service is.
        revision: of the catalogue.
        transcoder: encodes sounds for browsers that lack their formats.
    """

    config: PageConfig
    service: ServiceReplies
    revision: CatalogueRevision
    transcoder: Transcoder

    @property
    def thresholds(self) -> tuple[float, float]:
        """Return the thresholds of the moods (arousal, valence)."""
        mood = self.config.settings.mood
        return mood.arousal_threshold, mood.valence_threshold

    @cached_property
    def catalogue(self) -> "Catalogue":
        """The catalogue, for reading only; what it needs is loaded when somebody looks."""
        from storage.catalogue import Catalogue  # noqa: PLC0415

        return Catalogue(self.config.url, reads_only=True)

    @contextmanager
    def writing(self) -> Iterator["Catalogue"]:
        """Open the catalogue for writing within the block."""
        from storage.catalogue import Catalogue  # noqa: PLC0415

        with closing(Catalogue(self.config.url)) as catalogue:
            yield catalogue

    @contextmanager
    def view(self) -> Iterator[CatalogueView]:
        """Look at the catalogue within the block."""
        with open_view(self.config.url) as view:
            yield view


def _context(request: Request) -> PageContext:
    context: PageContext = request.app.state.context
    return context


Page = Annotated[PageContext, Depends(_context)]
"""The parameter by which an answer gets the context."""

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Refusal, "description": "Refused"},
    "5XX": {"model": Refusal, "description": "Failed"},
}
"""What every answer may be instead."""


class AsciiJson(JSONResponse):
    """A JSON document in ASCII: names of files need not be UTF-8."""

    def render(self, content: Any) -> bytes:
        """Return the document."""
        return json.dumps(content, separators=(",", ":"), default=str).encode("ascii")


def not_found(number: int) -> HTTPException:
    """Return the error that there is no sound with a number."""
    return HTTPException(404, f"there is no sound with the number {number}")
