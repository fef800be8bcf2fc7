from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation.scores import estimate, mean_r2, r2


def test_r2_and_its_interval_are_those_of_the_bootstrap_of_groups() -> None:
    drawing = np.random.default_rng(4)
    rated = drawing.normal(0.2, 0.3, 200)
    said = rated + drawing.normal(0.0, 0.2, (1, 200))
    groups = np.array([f"g{i // 4}" for i in range(200)])
    ours, plain = mean_r2(rated, said, groups, 1), estimate(r2, rated, said[0], groups, 1)
    assert ours.value == pytest.approx(plain.value)
    assert ours.low == pytest.approx(plain.low, abs=0.02)
    assert ours.high == pytest.approx(plain.high, abs=0.02)


def test_repeats_are_averaged() -> None:
    drawing = np.random.default_rng(4)
    rated, groups = drawing.normal(size=50), np.arange(50).astype(np.str_)
    said = rated + drawing.normal(size=(3, 50))
    found = mean_r2(rated, said, groups, 1)
    assert found.value == pytest.approx(np.mean([r2(rated, each) for each in said]))


def test_constant_ratings_have_no_mean_r2() -> None:
    found = mean_r2(np.full(9, 0.3), np.zeros((1, 9)), np.arange(9).astype(np.str_), 1)
    assert np.isnan(found.value)
    assert np.isnan(found.low)
