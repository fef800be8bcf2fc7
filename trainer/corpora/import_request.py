"""A request to import a rated data set, and the kinds of data set that can be imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from trainer.rating_scale import AFFECT_SCALE, RatingScale

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

FAMILIES: Final[Mapping[str, str]] = {
    "pmemo": "",
    "iads-e": "iads",
    "iads-2": "iads",
    "deam": "freemusic",
    "emomusic": "freemusic",
    "manifest": "",
}
"""Kinds of data set; those of one family give a sound the same name. Others have none."""

KINDS: Final = tuple(FAMILIES)

Music: TypeAlias = Literal["keep", "drop", "move"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What to import, and how.

    Attributes:
        folder: the data set as it is distributed; for a manifest, also the CSV file itself.
        name: of the new corpus.
        suffixes: of sound files, in lower case, without their dots.
        music: whether IADS-E's music is kept among the sounds, dropped, or moved to the music.
        scale: of the manifest rows that do not name one.
        emomusic: emoMusic's ratings by song, arousal first, in [-1, 1]; empty if unknown.
    """

    folder: Path
    name: str
    suffixes: Collection[str]
    music: Music = "move"
    scale: RatingScale = AFFECT_SCALE
    emomusic: Mapping[str, tuple[float, float]] | None = None
