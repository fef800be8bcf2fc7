from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainer.experiments.paired_test import NOTHING, PairedTest, corrected_t, holm, paired


def test_without_any_overlap_it_is_the_paired_t_test() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1.0, 20)
    error, p = corrected_t(differences, 0.0)
    plain = stats.ttest_1samp(differences, 0.0)
    assert p == pytest.approx(plain.pvalue)
    assert error == pytest.approx(differences.std(ddof=1) / np.sqrt(20))


def test_the_correction_is_that_of_nadeau_and_bengio() -> None:
    differences = np.array([0.1, 0.3, 0.2, 0.4, 0.0, 0.2, 0.3, 0.1, 0.2, 0.2])
    error, _ = corrected_t(differences, 0.25)
    assert error**2 == pytest.approx((1 / 10 + 1 / 4) * differences.var(ddof=1))


def test_false_positives_are_rare() -> None:
    """Ten clips a fold out of one sample, drawn again and again, as cross-validation does."""
    drawing = np.random.default_rng(2)
    found = {"plain": 0, "corrected": 0}
    for _ in range(300):
        sample = drawing.normal(size=50)
        folds = [sample[drawing.permutation(50)[:10]].mean() for _ in range(30)]
        found["plain"] += corrected_t(np.array(folds), 0.0)[1] < 0.05
        found["corrected"] += corrected_t(np.array(folds), 0.25)[1] < 0.05
    assert found["corrected"] <= 0.08 * 300 < 0.2 * 300 < found["plain"]


def test_constant_differences_are_certain_or_none() -> None:
    assert corrected_t(np.zeros(5), 0.25) == (0.0, 1.0)
    assert corrected_t(np.ones(5), 0.25) == (0.0, 0.0)
    assert corrected_t(np.ones(1), 0.25)[1] == 1.0


def test_a_gain_is_relative_to_the_second_error() -> None:
    found = paired(
        ("joint", "alone"), ("music", "arousal"), (np.full(5, 0.9), np.full(5, 1.0)), 0.25
    )
    assert found.gain == pytest.approx(0.1)
    assert found.verdict == "better"
    back = paired(
        ("alone", "joint"), ("music", "arousal"), (np.full(5, 1.0), np.full(5, 0.9)), 0.25
    )
    assert back.verdict == "worse"


def test_holm_corrects_the_smallest_p_most() -> None:
    def test(p: float) -> PairedTest:
        return PairedTest(
            first="a", second="b", domain="music", dimension="arousal", gain=0.1, low=0.0,
            high=0.2, folds=5, p=p, p_holm=p,
        )  # fmt: skip

    corrected = holm([test(0.04), test(0.01), test(0.03), test(0.9)])
    assert [each.p_holm for each in corrected] == pytest.approx([0.09, 0.04, 0.09, 0.9])
    assert [each.verdict for each in corrected] == [NOTHING, "better", NOTHING, NOTHING]
