"""Names the clips of a training table whose sound occurs in it more than once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable


@dataclass(frozen=True, slots=True)
class RepeatedClip:
    """A clip with the sound of a clip that stands before it in a table.

    Attributes:
        corpus: of the clip.
        path: of the clip.
        first_corpus: of the clip before it.
        first_path: likewise.
    """

    corpus: str
    path: str
    first_corpus: str
    first_path: str

    def __str__(self) -> str:
        """Return which sound it has, in one line."""
        return f"same sound as {self.first_path} of {self.first_corpus}"


def repeated_clips(table: TrainingTable, same: NDArray[np.intp]) -> list[RepeatedClip]:
    """Return the clips that repeat a sound, in the order of the table.

    `same`, shape (clips,), gives one number to all clips of a sound.
    """
    first: dict[int, int] = {}
    found = []
    for row, sound in enumerate(same.tolist()):
        before = first.setdefault(sound, row)
        if before != row:
            names = (str(each[at]) for at in (row, before) for each in (table.corpus, table.path))
            found.append(RepeatedClip(*names))
    return found


def repeats_told(repeated: Sequence[RepeatedClip]) -> Iterator[str]:
    """Yield a line for each pair of corpora that share sounds."""
    pairs: dict[tuple[str, str], list[RepeatedClip]] = defaultdict(list)
    for each in repeated:
        pairs[each.corpus, each.first_corpus].append(each)
    for (corpus, before), clips in pairs.items():
        one = len(clips) == 1
        where = "the same corpus" if corpus == before else before
        yield (
            f"{len(clips)} {'clip' if one else 'clips'} of {corpus} {'is' if one else 'are'} also "
            f"in {where} ({clips[0].path} is {clips[0].first_path}{'' if one else ', …'})"
        )
