from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri

from trainer.features.vector_codec import rounded
from trainer.regression.quantile_scale import QuantileScale

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
TO_THE_EYE = 1e-4


def by_definition(scale: QuantileScale, vectors: np.ndarray) -> np.ndarray:
    """Interpolate between quantiles, value by value, as the docstring says."""
    places = np.empty(vectors.shape)
    for (row, column), value in np.ndenumerate(vectors.astype(np.float64)):
        quantiles = scale.quantiles[:, column].astype(np.float64)
        below, upto = int((quantiles < value).sum()), int((quantiles <= value).sum())
        if upto == 0:
            place = 0.0
        elif below == 51:
            place = 50.0
        elif upto > below:
            place = (below + upto - 1) / 2
        else:
            left, right = quantiles[below - 1], quantiles[below]
            place = below - 1 + (value - left) / (right - left)
        places[row, column] = place / 50
    scores: np.ndarray = np.clip(ndtri(places), -3.0, 3.0)
    return scores


@pytest.mark.parametrize("keep", [rounded, lambda vectors: vectors], ids=["rounded", "as it is"])
@pytest.mark.parametrize("width", [1, 7, 3000])
def test_scores_equal_their_definition(keep: object, width: int) -> None:
    assert callable(keep)
    drawing = np.random.default_rng(width)
    spread = np.exp(drawing.normal(scale=4, size=width))
    values = drawing.normal(size=(90, width)) * spread + drawing.normal(size=width) * spread * 30
    values[:, ::3] = np.round(values[:, ::3] / spread[::3])
    values[:, ::5] = np.maximum(values[:, ::5], 0.0)
    vectors = keep(values.astype(np.float32))
    scale = QuantileScale(vectors[:60])
    np.testing.assert_allclose(
        scale.scores(vectors[58:]), by_definition(scale, vectors[58:]), atol=TO_THE_EYE
    )


@settings(deadline=None)
@given(arrays(np.float32, (12, 3), elements=finite), arrays(np.float32, (4, 3), elements=finite))
def test_scores_are_always_in_range_and_in_order(fitted: np.ndarray, others: np.ndarray) -> None:
    # Beyond what vectors hold, differences may be larger than any float.
    scale = QuantileScale(np.clip(fitted, -3e37, 3e37))
    scores = scale.scores(np.sort(others, axis=0))
    assert (np.abs(scores) <= 3).all()
    assert (np.diff(scores, axis=0) >= -TO_THE_EYE).all()


def test_an_empty_table_has_no_scores() -> None:
    scale = QuantileScale(np.ones((3, 5), np.float32))
    assert scale.scores(np.empty((0, 5), np.float32)).shape == (0, 5)


def test_only_quantiles_are_pickled() -> None:
    vectors = np.random.default_rng(3).normal(size=(100, 4)).astype(np.float32)
    scale = QuantileScale(vectors)
    assert list(scale.__getstate__()) == ["quantiles"]
    again = pickle.loads(pickle.dumps(scale))
    assert np.array_equal(again.scores(vectors), scale.scores(vectors))
