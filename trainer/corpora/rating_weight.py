"""The weight of a mean rating, from the number of its raters and the spread of their ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL_SPREAD: Final = 0.5
"""Usual standard deviation of single ratings, on [-1, 1]: two of nine points."""

# Variance that no number of raters removes: ratings differ from any prediction from sound by far
# more than their means vary, so that ten raters weigh less than thirty, but not a third.
_BEYOND_RATERS: Final = 0.02

_FULL_RATERS: Final = 30
_PRIOR_RATERS: Final = 4


class RatingSpread(NamedTuple):
    """Standard deviation of one item's ratings, on [-1, 1] (None if unknown), and their number."""

    deviation: float | None
    raters: int


def weight_of(spreads: Sequence[RatingSpread]) -> float:
    """Return the weight relative to a mean of thirty raters of the usual spread, in (0, 1].

    The deviation among few raters is itself uncertain, so it is shrunk towards the usual one with
    the weight of four raters. `spreads` are those of each dimension.
    """
    errors = [_variance(spread) / spread.raters for spread in spreads]
    full = _BEYOND_RATERS + USUAL_SPREAD**2 / _FULL_RATERS
    return min(1.0, full / (_BEYOND_RATERS + sum(errors) / len(errors)))


def _variance(spread: RatingSpread) -> float:
    if spread.deviation is None:
        return USUAL_SPREAD**2
    observed = spread.raters * spread.deviation**2
    return (observed + _PRIOR_RATERS * USUAL_SPREAD**2) / (spread.raters + _PRIOR_RATERS)
