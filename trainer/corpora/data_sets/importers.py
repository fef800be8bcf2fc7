"""The rated data sets that an operator may bring in, in one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.corpora.data_sets import csv_manifest, deam, emomusic, iads, pmemo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trainer.corpora.import_request import ImportRequest
    from trainer.corpora.tables.rating_rows import RatingTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """How one kind of data set is read.

    Attributes:
        read: raises CorpusError where the data set as a whole is wrong.
        licence: its terms, in one line.
    """

    read: Callable[[ImportRequest], RatingTable]
    licence: str


IMPORTERS: Final[Mapping[str, Importer]] = {
    "pmemo": Importer(read=pmemo.read_pmemo, licence=pmemo.LICENCE),
    "iads-e": Importer(read=iads.read_iads_e, licence=iads.LICENCE),
    "iads-2": Importer(read=iads.read_iads_2, licence=iads.LICENCE),
    "deam": Importer(read=deam.read_deam, licence=deam.LICENCE),
    "emomusic": Importer(read=emomusic.read_emomusic, licence=emomusic.LICENCE),
    "manifest": Importer(read=csv_manifest.read_manifest, licence=csv_manifest.LICENCE),
}
"""By the kinds of `trainer.corpora.import_request.KINDS`."""
