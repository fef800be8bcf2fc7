from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

from tests.trainer.regression.rated import of_two_corpora, small_table
from trainer.evaluation.scores import r2
from trainer.experiments.fitting import Fitting, Regression
from trainer.experiments.paper import SupportVectorPipeline
from trainer.regression.joint import JointRegression
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from trainer.regression.training_table import TrainingTable

REGRESSIONS = get_args(Regression)
OWN = JointRegression().get_params()


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    table = of_two_corpora(small_table(150, 120))
    return replace(table, vectors=np.log(table.vectors))


@pytest.mark.parametrize("regression", REGRESSIONS)
@pytest.mark.parametrize("domain", ["music", "both"])
def test_each_regression_learns_with_valid_intervals(
    table: TrainingTable, regression: Regression, domain: str
) -> None:
    test = np.arange(len(table)) % 3 == 0
    wanted = table.domain == domain if domain != "both" else np.full(len(table), fill_value=True)
    fitted = Fitting(regression, OWN).fit(table.subset(~test & wanted), intervals=True, seed=1)
    asked = table.subset(test & wanted)
    said = fitted.predict(asked.vectors)
    assert r2(asked.ratings[:, 0], said.affect[:, 0]) > 0.3
    assert said.low is not None
    assert said.high is not None
    assert ((said.low <= said.affect) & (said.affect <= said.high)).all()
    covered = (said.low <= asked.ratings) & (asked.ratings <= said.high)
    assert covered.mean() > 0.6
    # Ratings spread over 0.68 from the first decile to the last.
    assert (said.high - said.low).mean() < 0.55


def test_predictions_do_not_depend_on_intervals(table: TrainingTable) -> None:
    with_them = Fitting("own", OWN).fit(table, intervals=True, seed=1).predict(table.vectors)
    without = Fitting("own", OWN).fit(table, intervals=False, seed=1).predict(table.vectors)
    np.testing.assert_allclose(with_them.affect, without.affect)
    assert without.low is None


def test_principal_components_are_those_of_scikit_learn(table: TrainingTable) -> None:
    from sklearn.decomposition import PCA  # noqa: PLC0415 - a yardstick, not a part
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from sklearn.svm import SVR  # noqa: PLC0415

    ours = SupportVectorPipeline(table, seed=1).predict(table.vectors)[:, 0]
    theirs = []
    for cost in (0.3, 1.0, 3.0, 10.0):
        plain = make_pipeline(
            StandardScaler(), PCA(0.99, svd_solver="full"), SVR(C=cost, epsilon=0.1)
        )
        plain.fit(table.vectors.astype(np.float64), table.ratings[:, 0])
        theirs.append(plain.predict(table.vectors.astype(np.float64)))
    assert min(np.abs(ours - each).max() for each in theirs) < 5e-3


@pytest.mark.parametrize("regression", REGRESSIONS)
def test_a_constant_descriptor_is_accepted(table: TrainingTable, regression: Regression) -> None:
    vectors = table.vectors.copy()
    vectors[:, 3] = 2.0
    still = replace(table, vectors=vectors)
    said = Fitting(regression, OWN).fit(still, intervals=False, seed=1).predict(vectors)
    assert np.isfinite(said.affect).all()


@pytest.mark.parametrize("regression", REGRESSIONS)
def test_an_empty_training_set_is_refused_but_one_group_is_not(
    table: TrainingTable, regression: Regression
) -> None:
    fitting = Fitting(regression, OWN)
    with pytest.raises(TrainingError, match="nothing to fit on"):
        fitting.fit(table.subset(np.arange(0)), intervals=False, seed=1)
    one = replace(table, group=np.full(len(table), "one")).subset(table.domain == "music")
    said = fitting.fit(one, intervals=False, seed=1).predict(table.vectors)
    assert np.isfinite(said.affect).all()
