"""A paired test of two conditions over repeated folds.

The folds share most of their clips, so their differences are not independent, and the plain t test
is too liberal. The corrected resampled t test (Nadeau and Bengio, Inference for the generalization
error, Machine Learning 52, 2003) increases the variance of the mean of J differences from 1/J to
1/J plus the ratio of test clips to training clips.
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
    "two-sided; p Holm-corrected over the dimensions and kinds (or groups) of each pair, in the "
    "ablation also over all families"
)
P_LEVEL: Final = 0.05
NOTHING: Final = "no significant difference"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """The errors of one condition compared with another, in one dimension of one kind.

    Attributes:
        first: the condition in question.
        second: the condition that it is compared with.
        domain: kind, or value of the grouping column, of the held-out clips.
        dimension: arousal or valence.
        gain: share by which the first lowers the mean squared error; negative if it raises it.
        low: lower end of its 95 % interval, not corrected.
        high: upper end.
        folds: number of differences.
        p: two-sided, not corrected.
        p_holm: Holm-corrected.
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

    @property
    def strict_verdict(self) -> str:
        """As `verdict`, but ``worse`` already without correcting: for a claim that nothing is."""
        return "worse" if self.high < 0 else self.verdict


def corrected_t(differences: NDArray[np.float64], test_to_train: float) -> tuple[float, float]:
    """Return the standard error of a mean difference over folds, and the two-sided p in [0, 1].

    `test_to_train` is the ratio of test clips to training clips in a fold. Without variance p is 1
    if there is no difference, else 0.
    """
    count = len(differences)
    if count < 2:  # noqa: PLR2004 - one difference has no variance
        return float("nan"), 1.0
    mean = float(differences.mean())
    error = float(np.sqrt((1.0 / count + test_to_train) * differences.var(ddof=1)))
    if error == 0.0:
        return 0.0, 1.0 if mean == 0.0 else 0.0
    return error, float(2.0 * student.sf(abs(mean) / error, count - 1))


def paired(
    names: tuple[str, str],
    part: tuple[str, str],
    errors: tuple[NDArray[np.float64], NDArray[np.float64]],
    test_to_train: float,
) -> PairedTest:
    """Compare the mean squared errors of two conditions, shape (folds,) each, without correcting p.

    `names` and `errors` begin with the condition in question; `part` is kind and dimension.
    """
    differences = errors[1] - errors[0]
    base = max(float(errors[1].mean()), 1e-12)
    error, p = corrected_t(differences, test_to_train)
    gain = float(differences.mean()) / base
    reach = float(student.isf(0.025, max(len(differences) - 1, 1))) * error / base
    return PairedTest(
        first=names[0],
        second=names[1],
        domain=part[0],
        dimension=part[1],
        gain=gain,
        low=gain - reach,
        high=gain + reach,
        folds=len(differences),
        p=p,
        p_holm=p,
    )


def holm(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """Correct p for multiple tests (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort([each.p for each in tests])
    corrected, largest = list(tests), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, tests[index].p * (len(tests) - rank)))
        corrected[index] = replace(tests[index], p_holm=largest)
    return corrected


def against_best(tests: Sequence[PairedTest], names: Sequence[str]) -> list[PairedTest]:
    """Return for each kind and dimension the test against the best of some conditions.

    All are tests of the same first condition, so the best second one is that which it gains least
    on. p is corrected over the tests returned; choosing the best by its errors here favours it.
    """
    found: dict[tuple[str, str], PairedTest] = {}
    for test in tests:
        cell = (test.domain, test.dimension)
        if test.second in names and (cell not in found or test.gain < found[cell].gain):
            found[cell] = test
    return holm(list(found.values()))
