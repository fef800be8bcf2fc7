"""Changes in the catalogue that the page makes, as the commands do.

Imported when somebody changes something: SQLAlchemy takes a good part of the memory of a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import HTTPException

from daemon.clock import utc_now
from daemon.page.routes.page_context import not_found
from daemon.pipeline.retries import Retried, retry_failed
from daemon.training_data.annotation_csv import checked_annotator
from daemon.training_data.given_by_hand import record_by_hand, this_user, withdraw_by_hand
from storage.annotations import GivenAnnotation

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.page.routes.page_context import PageContext
    from storage.catalogue import Catalogue

SOURCE: Final = "page"


def annotate(
    page: PageContext, number: int, name: str | None, arousal: float | None, valence: float | None
) -> None:
    """Record what a person heard; raises HTTPException."""
    annotator = _annotator(page, name)
    with page.writing() as catalogue:
        path, identity = _sound(page, catalogue, number)
        given = GivenAnnotation(
            identity, path, annotator, _number(arousal), _number(valence), SOURCE
        )
        record_by_hand(catalogue, given, utc_now())


def withdraw(page: PageContext, number: int, name: str | None) -> None:
    """Withdraw what a person said of a sound; raises HTTPException."""
    annotator = _annotator(page, name)
    with page.writing() as catalogue:
        _, identity = _sound(page, catalogue, number)
        if not withdraw_by_hand(catalogue, identity, [annotator], utc_now()):
            raise HTTPException(404, f"{annotator} has not annotated this sound")


def retry(page: PageContext, numbers: list[int] | None) -> Retried:
    """Try again the failures with some numbers, or all."""
    paths: list[Path] = []
    if numbers is not None:
        with page.view() as view:
            paths = view.paths_of_failures(numbers)
        if not paths:
            return Retried(0, 0)
    with page.writing() as catalogue:
        return retry_failed(catalogue, page.config.settings, paths, utc_now())


def _annotator(page: PageContext, name: str | None) -> str:
    """Return whose annotation it is."""
    settings = page.config.settings.annotations
    if not settings.from_commands:
        raise HTTPException(403, "no annotation is recorded: annotations.from_commands is false")
    if not name:
        return this_user()
    try:
        checked = checked_annotator(name)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    if not settings.annotator_column and checked != this_user():
        raise HTTPException(403, "annotations.annotator_column is false: nobody else is named")
    return checked


def _sound(page: PageContext, catalogue: Catalogue, number: int) -> tuple[Path, str]:
    with page.view() as view:
        path = view.path_of(number)
    clip = None if path is None else catalogue.clip_at(path)
    if path is None or clip is None:
        raise not_found(number)
    return path, clip.identity


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
