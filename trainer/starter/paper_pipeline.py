"""The pipeline of the paper, with which the regression of the starter bundle is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from trainer.regression.kind_kernel import DIMENSIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

# The best of the paper's thousands of settings on these corpora; see docs/starter.md.
_PAPER_CHOICES: Final = {"svr__C": [0.3, 1.0, 3.0]}


def paper_predictions(
    table: TrainingTable, vectors: NDArray[np.float32], folds: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """Predict each corpus by the pipeline of the paper, out of fold, shape (clips, 2).

    Standard scaling, principal components and support vector regression, tuned by an inner grouped
    search (Simonetta, Certo and Ntalampiras, 2024), for each corpus and dimension separately.

    Args:
        table: the clips.
        vectors: replace those of the table, shape (clips, descriptors).
        folds: of each clip; no group spans two.
        seed: of the components.
    """
    pipeline = make_pipeline(StandardScaler(), PCA(0.99, random_state=seed), SVR(epsilon=0.1))
    predicted = np.empty(table.ratings.shape)
    for corpus in sorted(set(table.corpus.tolist())):
        for fold in np.unique(folds):
            train = np.flatnonzero((table.corpus == corpus) & (folds != fold))
            test = np.flatnonzero((table.corpus == corpus) & (folds == fold))
            for dim in range(len(DIMENSIONS)):
                search = GridSearchCV(pipeline, _PAPER_CHOICES, cv=GroupKFold(3))
                search.fit(vectors[train], table.ratings[train, dim], groups=table.group[train])
                predicted[test, dim] = search.predict(vectors[test])
    return predicted
