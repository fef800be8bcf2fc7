"""All readers of rated data sets: those that users may import, and those of the starter bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.corpora.data_sets import csv_manifest, deam, emomusic, iads, pmemo
from trainer.corpora.data_sets.class_norms import read_esc10, read_esc50, read_naturalsounds
from trainer.corpora.data_sets.emotify import read_emotify
from trainer.corpora.data_sets.sonancia import read_sonancia
from trainer.corpora.data_sets.tava import read_tava
from trainer.corpora.data_sets.vgmidi import read_vgmidi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest
    from trainer.corpora.rated_clip import RatedClip
    from trainer.corpora.tables.rating_rows import RatingTable


@dataclass(frozen=True, slots=True)
class Importer:
    """The reader of one kind of data set, and its terms in one line."""

    read: Callable[[ImportRequest], RatingTable]
    licence: str


IMPORTERS: Final[Mapping[str, Importer]] = {
    "pmemo": Importer(pmemo.read_pmemo, pmemo.LICENCE),
    "iads-e": Importer(iads.read_iads_e, iads.LICENCE),
    "iads-2": Importer(iads.read_iads_2, iads.LICENCE),
    "deam": Importer(deam.read_deam, deam.LICENCE),
    "emomusic": Importer(emomusic.read_emomusic, emomusic.LICENCE),
    "manifest": Importer(csv_manifest.read_manifest, csv_manifest.LICENCE),
}
"""By the kinds of `trainer.corpora.import_request.KINDS`."""

STARTER_READERS: Final[Mapping[str, Callable[[Path], list[RatedClip]]]] = {
    "vgmidi": read_vgmidi,
    "emotify": read_emotify,
    "sonancia": read_sonancia,
    "esc10": read_esc10,
    "naturalsounds": read_naturalsounds,
    "tava": read_tava,
    "esc50": read_esc50,
}
"""By corpus, in the order of the starter's table; each reads from the folder of all corpora."""


def read_starter_corpora(corpora_dir: Path) -> list[RatedClip]:
    """Read every corpus of the starter bundle, in a fixed order.

    Raises:
        CorpusError: one of them is missing or wrong.
    """
    return [clip for read in STARTER_READERS.values() for clip in read(corpora_dir)]
