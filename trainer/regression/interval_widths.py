"""How wide prediction intervals must be, by kind of sound and by novelty.

Half a width is a quantile of absolute errors. Errors for held-out groups of known corpora say how
well a sound like the known ones is predicted, errors for a corpus that was left out how well one
from elsewhere is: its raters, levels and recordings are others. A new library is from elsewhere, so
the second kind counts. Where a kind has several corpora, its width is that of the worst of them;
where it has one, leaving it out leaves the kind unknown, and the width is the geometric mean of
both. A kind without clips has the widest intervals of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from trainer.regression.kind_kernel import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    HeldOutErrors: TypeAlias = tuple[
        bool, NDArray[np.str_], NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]
    ]

_FEWEST: Final = 20
_STEEPEST: Final = 1.0
_NARROWEST: Final = 0.6
_WIDEST: Final = 1.8


@dataclass(frozen=True, slots=True)
class IntervalWidths:
    """Fitted widths.

    Attributes:
        by_kind: half widths at a novelty of `usual`, shape (kinds, dimensions).
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
    """Fit widths to errors of held-out clips.

    Args:
        found: for each split: whether a corpus was left out, then corpus, kind, absolute errors
            of shape (clips, dimensions), and novelty of its clips.
        level: nominal coverage.
    """
    is_corpus = np.concatenate([np.full(len(each[1]), each[0]) for each in found])
    corpus, kind, errors, novelty = (
        np.concatenate([each[place] for each in found]) for place in range(1, 5)
    )
    usual = float(np.median(novelty))
    slope = _slope(errors, novelty - usual, _parts(is_corpus, corpus, kind))
    scaled = errors / _growth(novelty, slope, usual)
    everything = _quantile(scaled, level)
    by_kind: list[NDArray[np.float64] | None] = []
    for name in KINDS:
        within = scaled[~is_corpus & (kind == name)]
        beyond = [
            _quantile(scaled[rows], level)
            for each in np.unique(corpus[kind == name])
            if (rows := is_corpus & (kind == name) & (corpus == each)).sum() >= _FEWEST
        ]
        if not len(within):
            by_kind.append(None)
        elif len(beyond) > 1:
            by_kind.append(np.max(beyond, axis=0))
        elif beyond:
            by_kind.append(np.sqrt(beyond[0] * _quantile(within, level)))
        else:
            by_kind.append(_quantile(within, level))
    known = [each for each in by_kind if each is not None]
    widest = np.max(known, axis=0) if known else everything
    return IntervalWidths(
        np.array([widest if each is None else each for each in by_kind]), slope, usual
    )


def _quantile(errors: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the conformal quantile (Vovk, 2015, the split form), shape (dimensions,)."""
    share = min(1.0, level * (1 + 1 / len(errors)))
    quantile: NDArray[np.float64] = np.quantile(errors, share, axis=0, method="higher")
    positive: NDArray[np.float64] = np.maximum(quantile, 1e-3)
    return positive


def _growth(
    novelty: NDArray[np.float64], slope: NDArray[np.float64], usual: float
) -> NDArray[np.float64]:
    growth = 1.0 + (novelty - usual)[:, None] * slope
    limited: NDArray[np.float64] = np.clip(growth, _NARROWEST, _WIDEST)
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


def _parts(
    is_corpus: NDArray[np.bool_], corpus: NDArray[np.str_], kind: NDArray[np.str_]
) -> NDArray[np.intp]:
    names = [f"{a}\n{b}\n{c}" for a, b, c in zip(is_corpus, corpus, kind, strict=True)]
    parts: NDArray[np.intp] = np.unique(names, return_inverse=True)[1]
    return parts
