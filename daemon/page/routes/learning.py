"""Bundles and review, as the commands do.

Imported when somebody asks for them: the libraries that train take more memory than all else.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException

from daemon.page.routes.sound_query import as_row
from daemon.service.renewal import renew_predictions
from daemon.training_data import bundle_overview
from daemon.training_data.review_choice import sounds_to_review
from trainer.bundles import registry
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from daemon.page.routes.page_context import PageContext

MOST_SUGGESTED: Final = 100


def bundle_rows(page: PageContext) -> list[dict[str, Any]]:
    """Return the bundles."""
    return bundle_overview.bundle_rows(page.config.registry)


def manifest_of(page: PageContext, name: str) -> dict[str, Any]:
    """Return the manifest of a bundle; raises HTTPException."""
    _, bundles = bundle_overview.bundles_in(page.config.registry)
    found = bundles.get(name)
    if found is None:
        raise HTTPException(
            404, f"there is no bundle of this name; there are: {', '.join(bundles)}"
        )
    if isinstance(found, BundleError):
        raise HTTPException(409, str(found))
    return found.model_dump()


def publish(page: PageContext, name: str) -> dict[str, str]:
    """Publish a bundle, and renew the predictions; raises HTTPException."""
    with _one_at_a_time:
        if name not in bundle_overview.bundles_in(page.config.registry)[1]:
            raise HTTPException(404, "there is no bundle of this name")
        return _renewed(page, registry.publish(page.config.registry, name).name)


def rollback(page: PageContext) -> dict[str, str]:
    """Publish the bundle before, and renew the predictions."""
    with _one_at_a_time:
        return _renewed(page, registry.rollback(page.config.registry))


def next_to_review(page: PageContext, after: int | None) -> dict[str, Any]:
    """Return the sound to annotate next."""
    numbers = _suggested.numbers(page)
    start = numbers.index(after) + 1 if after in numbers else 0
    with page.view() as view:
        found = view.sounds_numbered(numbers[start:], page.thresholds)
    # Who has annotated it meanwhile, has taught what it could.
    for number, sound in found:
        if sound.bundle != "annotation":
            return {"sound": as_row(number, sound), "uncertainty": _suggested.uncertainty[number]}
    return {"sound": None, "uncertainty": None}


_one_at_a_time = Lock()


class _Suggestions:
    """The suggestions for one bundle, until they are used up."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of: str | None = None
        self.uncertainty: dict[int, float] = {}

    def numbers(self, page: PageContext) -> list[int]:
        """Return the numbers of the sounds, the one that teaches most first."""
        with self._lock:
            bundle = page.catalogue.bundles.published()
            if self._of != bundle or not self._some_left(page):
                chosen = sounds_to_review(page.catalogue, page.config.registry, MOST_SUGGESTED)
                paths = [each.path for each in chosen]
                with page.view() as view:
                    numbers = view.numbers_of(paths)
                self._of = bundle
                self.uncertainty = {
                    numbers[each.path]: each.uncertainty for each in chosen if each.path in numbers
                }
            return [*self.uncertainty]

    def _some_left(self, page: PageContext) -> bool:
        with page.view() as view:
            found = view.sounds_numbered([*self.uncertainty], page.thresholds)
        return any(sound.bundle != "annotation" for _, sound in found)


_suggested = _Suggestions()


def _renewed(page: PageContext, name: str) -> dict[str, str]:
    config = page.config
    renewed = renew_predictions(config.url, config.registry, config.settings.tags.step)
    return {"name": name, "renewed": renewed}
