"""How much a mean rating counts, from how far its raters were apart and how many they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL_SPREAD: Final = 0.5
"""Standard deviation of single ratings around their mean, on [-1, 1]: two of nine points."""

# What no number of raters would take away: ratings depart from anything that sound explains by far
# more than their means waver, so that ten raters count less than thirty, but not a third.
_BEYOND_RATERS: Final = 0.02

_FULL_RATERS: Final = 30
_PRIOR_RATERS: Final = 4


class RatingSpread(NamedTuple):
    """Standard deviation of one item's ratings, on [-1, 1] (None: not told), and their number."""

    deviation: float | None
    raters: int


def weight_of(spreads: Sequence[RatingSpread]) -> float:
    """Return the weight of a rating beside a mean of thirty raters of the usual spread.

    A deviation among few raters is itself rough, so it is drawn towards the usual one, which counts
    as four raters more.

    Args:
        spreads: of its dimensions, one or more.

    Returns:
        In (0, 1].
    """
    errors = [_variance(spread) / spread.raters for spread in spreads]
    full = _BEYOND_RATERS + USUAL_SPREAD**2 / _FULL_RATERS
    return min(1.0, full / (_BEYOND_RATERS + sum(errors) / len(errors)))


def _variance(spread: RatingSpread) -> float:
    if spread.deviation is None:
        return USUAL_SPREAD**2
    seen = spread.raters * spread.deviation**2
    return (seen + _PRIOR_RATERS * USUAL_SPREAD**2) / (spread.raters + _PRIOR_RATERS)
