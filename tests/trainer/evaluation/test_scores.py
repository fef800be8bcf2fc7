from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.evaluation.scores import ccc, estimate, interval_score, mae, r2, rmse

RATED = np.array([1.0, 2.0, 3.0, 4.0])
PREDICTED = np.array([1.0, 2.0, 3.0, 6.0])


def test_scores_equal_a_manual_calculation() -> None:
    # Squared errors sum to 4, the ratings' squares around their mean 2.5 to 5.
    assert r2(RATED, PREDICTED) == pytest.approx(0.2)
    assert rmse(RATED, PREDICTED) == pytest.approx(1.0)
    assert mae(RATED, PREDICTED) == pytest.approx(0.5)
    # Covariance 2, variances 1.25 and 3.5, means 0.5 apart.
    assert ccc(RATED, PREDICTED) == pytest.approx(2 * 2.0 / (1.25 + 3.5 + 0.25))


def test_a_perfect_prediction_scores_best() -> None:
    assert (r2(RATED, RATED), rmse(RATED, RATED), ccc(RATED, RATED)) == (1.0, 0.0, 1.0)


def test_an_interval_costs_its_width_and_what_lies_outside() -> None:
    rated, low, high = np.array([0.0, 0.5, -0.4]), np.full(3, -0.2), np.full(3, 0.3)
    # Two of the three lie .2 outside; at 80 % that counts ten times.
    assert interval_score(rated, low, high, 0.8) == pytest.approx(0.5 + 10 * 0.4 / 3)


def test_constant_ratings_have_no_r2() -> None:
    assert math.isnan(r2(np.ones(3), PREDICTED[:3]))
    assert math.isnan(ccc(np.ones(3), np.ones(3)))


def test_the_interval_contains_the_value_and_depends_on_the_seed() -> None:
    drawing = np.random.default_rng(0)
    rated = drawing.normal(size=100)
    predicted = rated + drawing.normal(size=100)
    groups = np.array([f"g{i // 4}" for i in range(100)])
    found = estimate(rmse, rated, predicted, groups, seed=1)
    assert found.low < found.value < found.high
    assert found == estimate(rmse, rated, predicted, groups, seed=1)
    assert found != estimate(rmse, rated, predicted, groups, seed=2)


def test_dependent_clips_widen_the_interval() -> None:
    drawing = np.random.default_rng(0)
    shift = np.repeat(drawing.normal(size=20), 10)
    rated = drawing.normal(size=200)
    alone = estimate(rmse, rated, rated + shift, np.arange(200).astype(str), seed=1)
    grouped = estimate(rmse, rated, rated + shift, np.repeat(np.arange(20), 10).astype(str), seed=1)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
