"""Whether one way of fitting is better than another, over repeated folds.

The folds share most of their clips, so their differences are not independent, and the plain t test
finds too much. The corrected resampled t test (Nadeau and Bengio, Inference for the generalization
error, Machine Learning 52, 2003) widens the variance of the mean difference from 1/J to 1/J plus
the number of tested clips over that of fitted ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import t as student

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TEST: Final = (
    "corrected resampled t test (Nadeau and Bengio, 2003) on the mean squared error of each fold, "
    "two-sided; p by Holm over the two dimensions and domains of each pair, in the ablation over "
    "all families, too"
)
P_LEVEL: Final = 0.05
NOTHING: Final = "no difference that chance would not make"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """How much less one way errs than another, in one dimension of one domain.

    Attributes:
        first: the one that is asked about.
        second: what it is compared with.
        domain: whose held-out clips are predicted.
        dimension: arousal or valence.
        gain: share by which the mean squared error falls; negative where it rises.
        low: lower end of its 95 % interval, before Holm.
        high: upper end.
        folds: how many differences there are.
        p: two-sided, before Holm.
        p_holm: after.
    """

    first: str
    second: str
    domain: str
    dimension: str
    gain: float
    low: float
    high: float
    folds: int
    p: float
    p_holm: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or `NOTHING`."""
        if self.p_holm > P_LEVEL:
            return NOTHING
        return "better" if self.gain > 0 else "worse"


def corrected_t(differences: NDArray[np.float64], tested_to_fitted: float) -> tuple[float, float]:
    """Return the standard error of a mean difference over folds, and the two-sided p.

    Args:
        differences: shape (folds,), over all repeats.
        tested_to_fitted: clips tested in a fold over clips fitted on.

    Returns:
        The standard error, and p in [0, 1]; without any variance p is 1 if there is no difference,
        else 0.
    """
    count = len(differences)
    if count < 2:  # noqa: PLR2004 - one difference has no variance
        return float("nan"), 1.0
    mean = float(differences.mean())
    error = float(np.sqrt((1.0 / count + tested_to_fitted) * differences.var(ddof=1)))
    if error == 0.0:
        return 0.0, 1.0 if mean == 0.0 else 0.0
    return error, float(2.0 * student.sf(abs(mean) / error, count - 1))


def paired(
    names: tuple[str, str],
    place: tuple[str, str],
    errors: tuple[NDArray[np.float64], NDArray[np.float64]],
    tested_to_fitted: float,
) -> PairedTest:
    """Compare the mean squared errors of two ways, fold by fold; Holm comes later.

    Args:
        names: of the way that is asked about, and of the other.
        place: domain and dimension.
        errors: mean squared errors of both, shape (folds,) each.
        tested_to_fitted: clips tested in a fold over clips fitted on.
    """
    differences = errors[1] - errors[0]
    base = max(float(errors[1].mean()), 1e-12)
    error, p = corrected_t(differences, tested_to_fitted)
    gain = float(differences.mean()) / base
    reach = float(student.isf(0.025, max(len(differences) - 1, 1))) * error / base
    return PairedTest(
        first=names[0],
        second=names[1],
        domain=place[0],
        dimension=place[1],
        gain=gain,
        low=gain - reach,
        high=gain + reach,
        folds=len(differences),
        p=p,
        p_holm=p,
    )


def holm(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """Correct p for how many tests there are (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort([each.p for each in tests])
    corrected, reached = list(tests), 0.0
    for rank, place in enumerate(order):
        reached = max(reached, min(1.0, tests[place].p * (len(tests) - rank)))
        corrected[place] = replace(tests[place], p_holm=reached)
    return corrected
