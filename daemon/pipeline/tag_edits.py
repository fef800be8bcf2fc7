"""Detects values that a user changed in our tags, and records them as annotations."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from daemon.service_errors import TagWriteError
from daemon.tagging import api
from daemon.tagging.basics.keys import (
    PROVENANCE,
    Preset,
    affect_in,
    affect_items,
    affect_range,
    provenance_fields,
)
from storage.annotations import GivenAnnotation

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from config.settings import Settings
    from daemon.tagging.tag_parser import TagParser
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip, Tagged

log = logging.getLogger(__name__)

ANNOTATOR: Final = "tag editor"
SOURCE: Final = "tags"


def tag_edits_for(
    settings: Settings, catalogue: Catalogue, clock: Callable[[], datetime]
) -> Callable[[Clip, TagParser], None] | None:
    """Return what records the tag edits of a clip, None if the settings ask for none."""
    if not settings.annotations.from_tags or settings.tags.mode not in {"replace", "in-place"}:
        return None
    preset = Preset(settings.tags.preset)
    return lambda clip, parser: record_tag_edits(clip, parser, preset, catalogue, clock())


def record_tag_edits(
    clip: Clip, parser: TagParser, preset: Preset, catalogue: Catalogue, now: datetime
) -> None:
    """Compare the tags of a file with what we last wrote, and record what differs.

    Only a file with the provenance tag of that very write counts: one that was restored from a
    backup, or that another catalogue's service has written, holds values which nobody set by hand.
    """
    if clip.tagged is None:
        return
    try:
        items = api.read(clip.path, parser)
    except TagWriteError:
        return
    left = [undo.get("left") for undo in catalogue.tag_journal.undos(clip)[:1]]
    if left and left[0] and left[0].get(PROVENANCE) != items.get(PROVENANCE):
        return
    for key, texts in unusable(items, clip.tagged, preset).items():
        text = "%s: %s = %.40r is no number from %g to %g, and is replaced"
        values = key, "; ".join(texts), *affect_range(preset)
        log.warning(text, clip.path, *values, extra={"clip": clip.path})
    arousal, valence = edited(items, clip.tagged, preset)
    if arousal is None and valence is None:
        return
    given = GivenAnnotation(clip.identity, clip.path, ANNOTATOR, arousal, valence, SOURCE)
    if catalogue.annotations.add([given], now):
        text = "%s: tags set by hand recorded as an annotation"
        log.info(text, clip.path, extra={"clip": clip.path})


def edited(
    items: dict[str, list[str]], tagged: Tagged, preset: Preset
) -> tuple[float | None, float | None]:
    """Return the arousal and the valence, in [-1, 1], that a person set; None where nobody did.

    `items` are the values of our keys in the file, `tagged` is what we last wrote.
    """
    found = zip(_changed(items, tagged, preset), affect_in(items, preset), strict=True)
    arousal, valence = (value if texts else None for (_, texts), value in found)
    return arousal, valence


def unusable(items: dict[str, list[str]], tagged: Tagged, preset: Preset) -> dict[str, list[str]]:
    """Return what a person put into our tags, by key, that is no number of their scale."""
    found = zip(_changed(items, tagged, preset), affect_in(items, preset), strict=True)
    return {key: texts for (key, texts), value in found if texts and value is None}


def _changed(
    items: dict[str, list[str]], tagged: Tagged, preset: Preset
) -> list[tuple[str, list[str]]]:
    """Return the keys of arousal and valence, each with its values if they are not ours."""
    marks = [provenance_fields(text) for text in items.get(PROVENANCE, [])]
    is_own = [mark.get("bundle") for mark in marks] == [tagged.bundle]
    ours = affect_items(tagged.arousal / 100, tagged.valence / 100, preset)
    return [
        (key, found if is_own and (found := items.get(key, [])) != own else [])
        for key, own in ours.items()
    ]
