from __future__ import annotations

import numpy as np
import pytest

from trainer.regression.shared_errors import SharedErrors, SpannedFit, same_norm, same_origin

SIZE = 40
NOISE = 0.15


def test_clips_of_a_corpus_share_an_origin_only_if_their_ratings_are_proxies() -> None:
    corpus = np.array(["true", "proxy", "true", "proxy", "half"])
    weight = np.array([1.0, 0.4, 0.2, 0.6, 0.51])
    assert same_origin(weight, corpus).tolist() == [-1, 0, -1, 0, -1]


def test_only_repeated_ratings_of_one_corpus_are_the_norm_of_a_class() -> None:
    ratings = np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.3], [0.1, 0.2]])
    assert same_norm(ratings, np.array(["a", "a", "a", "b"])).tolist() == [0, 0, -1, -1]


def test_errors_are_shared_within_a_group_alone() -> None:
    errors = SharedErrors(np.array([0, 0, -1, 1]), np.array([0, 0, 0, -1]), 0.1, 0.5)
    assert errors.covariance().tolist() == [
        [0.6, 0.6, 0.5, 0.0],
        [0.6, 0.6, 0.5, 0.0],
        [0.5, 0.5, 0.5, 0.0],
        [0.0, 0.0, 0.0, 0.1],
    ]


@pytest.mark.parametrize("norm_noise", [0.0, 0.1, 5.0])
@pytest.mark.parametrize("origin_noise", [0.0, 0.5])
def test_a_kernel_that_all_clips_span_is_fitted_as_the_gaussian_process(
    norm_noise: float, origin_noise: float
) -> None:
    """Norms of one clip, of several, within an origin and without; blocks that cut them apart."""
    drawing = np.random.default_rng(3)
    origin = np.repeat([-1, 0, 1, -1], SIZE // 4)
    norm = np.where(drawing.random(SIZE) < 0.5, origin * 3 + drawing.integers(3, 6, SIZE), -1)
    errors = SharedErrors(norm, origin, norm_noise, origin_noise)
    place = drawing.normal(size=(SIZE, 2))
    kernel = np.exp(-np.square(place[:, None] - place).sum(axis=2))
    residual, weight = drawing.normal(size=SIZE), drawing.uniform(0.2, 1.0, SIZE)
    fit = SpannedFit(kernel, NOISE, errors)
    for start in range(0, SIZE, 7):
        block = slice(start, start + 7)
        fit.add(block, kernel[block], residual[block], weight[block])
    exact = np.linalg.solve(kernel + errors.covariance() + np.diag(NOISE / weight), residual)
    np.testing.assert_allclose(kernel @ fit.duals(), kernel @ exact, atol=2e-3)


def test_a_kernel_that_some_clips_span_is_the_best_of_its_kind() -> None:
    """No other coefficients explain the residuals better, given their noise and the prior."""
    drawing = np.random.default_rng(4)
    origin = np.repeat([-1, 0], SIZE // 2)
    norm = np.where(origin == 0, drawing.integers(0, 5, SIZE), -1)
    errors = SharedErrors(norm, origin, 0.3, 0.5)
    place = drawing.normal(size=(SIZE, 2))
    kernel = np.exp(-np.square(place[:, None] - place[::4]).sum(axis=2))
    residual, weight = drawing.normal(size=SIZE), drawing.uniform(0.2, 1.0, SIZE)
    fit = SpannedFit(kernel[::4], NOISE, errors)
    fit.add(slice(0, SIZE), kernel, residual, weight)
    duals = fit.duals()
    noise = np.linalg.inv(errors.covariance() + np.diag(NOISE / weight))

    def loss(coefficients: np.ndarray) -> float:
        left = residual - kernel @ coefficients
        return float(left @ noise @ left + coefficients @ kernel[::4] @ coefficients)

    nearby = [duals + drawing.normal(scale=0.03, size=len(duals)) for _ in range(200)]
    assert loss(duals) < min(map(loss, nearby))
