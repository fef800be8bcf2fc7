"""How wide prediction intervals must be, by kind of sound and by novelty.

Half a width is a quantile of absolute errors, for a corpus that was left out: a new library, too,
has other raters, levels and recordings than the known corpora, so errors for held-out clips of
known corpora would be too small. A kind has the widths of the worst of its corpora; where no corpus
of the kind could be left out, nothing is known, and the intervals say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from trainer.regression.kind_kernel import DIMENSIONS, KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FEWEST: Final = 20
_STEEPEST: Final = 1.0
_WIDEST: Final = 1.8

_UNKNOWN: Final = 0.8
"""Half a width that holds 80 % of a scale of [-1, 1] if all values are as likely."""


class HeldOutErrors(NamedTuple):
    """Errors of the clips of a corpus for a fit that left it out.

    Attributes:
        corpus: shape (clips,).
        group: shape (clips,).
        kind: shape (clips,).
        errors: absolute, shape (clips, dimensions).
        novelty: shape (clips,).
    """

    corpus: NDArray[np.str_]
    group: NDArray[np.str_]
    kind: NDArray[np.str_]
    errors: NDArray[np.float64]
    novelty: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IntervalWidths:
    """Fitted widths.

    Attributes:
        by_kind: half widths at a novelty of `usual` or less, shape (kinds, dimensions).
        slope: relative growth with novelty, shape (dimensions,).
        usual: median novelty of the errors that the widths come from.
    """

    by_kind: NDArray[np.float64]
    slope: NDArray[np.float64]
    usual: float

    def half_widths(
        self, kinds: NDArray[np.float64], novelty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return half widths, shape (clips, dimensions), for probabilities of kinds and novelty."""
        half: NDArray[np.float64] = (kinds @ self.by_kind) * _growth(
            novelty, self.slope, self.usual
        )
        return half


def fit_widths(found: Sequence[HeldOutErrors], level: float) -> IntervalWidths:
    """Fit widths of a nominal coverage to the errors for corpora that were left out."""
    by_kind = np.full((len(KINDS), len(DIMENSIONS)), _UNKNOWN)
    if not found:
        return IntervalWidths(by_kind, np.zeros(len(DIMENSIONS)), 1.0)
    corpus, group, kind, errors, novelty = map(np.concatenate, zip(*found, strict=True))
    usual = float(np.median(novelty))
    parts = np.unique(np.char.add(corpus, kind), return_inverse=True)[1]
    slope = _slope(errors, novelty - usual, parts)
    scaled = errors / _growth(novelty, slope, usual)
    for place, name in enumerate(KINDS):
        widths = [
            _half_width(scaled[rows], len(np.unique(group[rows])), level)
            for each in np.unique(corpus[kind == name])
            if (rows := (kind == name) & (corpus == each)).sum() >= _FEWEST
        ]
        if widths:
            by_kind[place] = np.max(widths, axis=0)
    return IntervalWidths(by_kind, slope, usual)


def _half_width(errors: NDArray[np.float64], groups: int, level: float) -> NDArray[np.float64]:
    """Return the conformal quantile (Vovk, 2015, the split form), shape (dimensions,).

    Clips of a group resemble each other, so groups are counted, and what is said without any counts
    like one more.
    """
    share = min(1.0, level * (1 + 1 / groups))
    quantile: NDArray[np.float64] = np.quantile(errors, share, axis=0, method="higher")
    shrunk: NDArray[np.float64] = (groups * quantile + _UNKNOWN) / (groups + 1)
    return shrunk


def _growth(
    novelty: NDArray[np.float64], slope: NDArray[np.float64], usual: float
) -> NDArray[np.float64]:
    """Return by how much intervals are wider; what resembles the known clips is no safer."""
    growth = 1.0 + (novelty - usual)[:, None] * slope
    limited: NDArray[np.float64] = np.clip(growth, 1.0, _WIDEST)
    return limited


def _slope(
    errors: NDArray[np.float64], excess: NDArray[np.float64], parts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the relative growth of errors with novelty within parts, by least squares."""
    count = np.bincount(parts)[:, None]
    mean = np.stack([np.bincount(parts, each) for each in errors.T], axis=1) / count
    centred = excess - (np.bincount(parts, excess) / count[:, 0])[parts]
    relative = errors / np.maximum(mean, 1e-6)[parts] - 1
    slope = centred @ relative / max(float(centred @ centred), 1e-9)
    limited: NDArray[np.float64] = np.clip(slope, 0.0, _STEEPEST)
    return limited
