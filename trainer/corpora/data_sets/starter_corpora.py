"""The corpora that the starter bundle is fitted on, in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.corpora.data_sets.class_norms import read_esc10, read_naturalsounds
from trainer.corpora.data_sets.emotify import read_emotify
from trainer.corpora.data_sets.sonancia import read_sonancia
from trainer.corpora.data_sets.vgmidi import read_vgmidi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from trainer.corpora.rated_clip import RatedClip

READERS: Final[Mapping[str, Callable[[Path], list[RatedClip]]]] = {
    "vgmidi": read_vgmidi,
    "emotify": read_emotify,
    "sonancia": read_sonancia,
    "esc10": read_esc10,
    "naturalsounds": read_naturalsounds,
}


def read_starter_corpora(corpora_dir: Path) -> list[RatedClip]:
    """Read every corpus of the starter bundle, in a fixed order.

    Raises:
        CorpusError: one of them is missing or wrong.
    """
    return [clip for read in READERS.values() for clip in read(corpora_dir)]
