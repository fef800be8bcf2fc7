"""What an operator asks to be brought in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from trainer.rating_scale import AFFECT_SCALE, RatingScale

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

KINDS: Final = ("pmemo", "iads-e", "iads-2", "deam", "emomusic", "manifest")

FAMILIES: Final[Mapping[str, str]] = {
    "iads-e": "iads",
    "iads-2": "iads",
    "deam": "freemusic",
    "emomusic": "freemusic",
}
"""Kinds of one family call the same sounds by the same names."""

Music: TypeAlias = Literal["keep", "drop", "move"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What is to be read, and how.

    Attributes:
        folder: the data set as its users receive it; for a manifest, also the CSV file itself.
        name: of the corpus to be.
        suffixes: of sound files, in small letters, without their dots.
        music: what becomes of IADS-E's music: kept among the sounds, left out, or moved to the
            domain of music.
        scale: of a manifest whose rows do not say.
        emomusic: emoMusic's ratings by song, arousal first, in [-1, 1]; empty if not at hand.
    """

    folder: Path
    name: str
    suffixes: Collection[str]
    music: Music = "move"
    scale: RatingScale = AFFECT_SCALE
    emomusic: Mapping[str, tuple[float, float]] | None = None
