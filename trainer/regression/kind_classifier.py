"""Telling music, voices and everyday sounds apart.

A logistic regression on the leading principal components of the normal scores, folded into one
linear function of the scores for each kind, so that predicting needs NumPy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from trainer.regression.kind_kernel import KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COMPONENTS: Final = 60


def fit_kinds(
    scores: NDArray[np.float32], kind: NDArray[np.str_], penalty: float, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Fit the classifier.

    Args:
        scores: normal scores, shape (clips, descriptors).
        kind: of each clip, shape (clips,).
        penalty: inverse strength of the penalty.
        seed: of the principal components.

    Returns:
        Weights of shape (descriptors, kinds) and offsets of shape (kinds,), for
        `kind_kernel.probabilities`; a kind without clips has a probability of 0.
    """
    present = [each for each in KINDS if (kind == each).any()]
    weights = np.zeros((scores.shape[1], len(KINDS)), dtype=np.float32)
    offsets = np.array([0.0 if each in present else -50.0 for each in KINDS])
    if len(present) > 1:
        count = min(_COMPONENTS, *scores.shape)
        space = PCA(count, svd_solver="randomized", random_state=seed).fit(scores)
        unit = np.float32(1 / np.sqrt(space.explained_variance_[0]))
        logistic = LogisticRegression(C=penalty, class_weight="balanced", max_iter=2000).fit(
            space.transform(scores) * unit, kind
        )
        coefficients, intercepts = logistic.coef_, logistic.intercept_
        if len(present) == 2:  # noqa: PLR2004 - of two classes only the second has weights
            coefficients = np.vstack([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        directions = (coefficients @ space.components_ * unit).astype(np.float32)
        columns = [KINDS.index(str(each)) for each in logistic.classes_]
        weights[:, columns] = directions.T
        offsets[columns] = intercepts - directions @ space.mean_
    return weights, offsets
