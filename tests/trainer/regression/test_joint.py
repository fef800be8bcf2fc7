from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.trainer.regression.rated import DESCRIPTORS, small_table
from trainer.evaluation.cross_validation import cross_validate, held_out_scores
from trainer.evaluation.scores import r2
from trainer.regression.joint import JointRegression, Predictions, regression_from
from trainer.regression.quantile_scale import QuantileScale
from trainer.regression.training_table import steadiness_of
from trainer.trainer_errors import TrainingError


@pytest.fixture(scope="module")
def fitted() -> JointRegression:
    return JointRegression().fit(small_table())


@pytest.fixture(scope="module")
def said(fitted: JointRegression) -> Predictions:
    return fitted.predict_all(small_table(seed=6).vectors)


def test_both_domains_are_learned(said: Predictions) -> None:
    unmet = small_table(seed=6)
    music = unmet.domain == "music"
    assert r2(unmet.ratings[music, 0], said.arousal[music]) > 0.5
    assert r2(unmet.ratings[music, 1], said.valence[music]) > 0.5
    # Opposite rules of the two domains do not cancel out.
    assert spearmanr(unmet.ratings[~music, 1], said.valence[~music]).statistic > 0.3


def test_predictions_and_intervals_stay_on_the_scale_and_in_order(said: Predictions) -> None:
    for name in ("arousal", "valence"):
        low, middle, high = (getattr(said, name + end) for end in ("_low", "", "_high"))
        assert (low >= -1).all()
        assert (high <= 1).all()
        assert (low <= middle).all()
        assert (middle <= high).all()
    assert (said.novelty >= 0).all()


def test_intervals_have_at_least_their_nominal_coverage() -> None:
    table = small_table(music=160, sounds=120)
    rows = held_out_scores(table, cross_validate(table, JointRegression(), seed=1), seed=1)
    for row in rows:
        # Each corpus is the only one of its kind, so a new one may differ from it much more.
        assert row.coverage >= 0.74


def test_a_clip_unlike_all_others_is_novel(fitted: JointRegression, said: Predictions) -> None:
    table = small_table()
    # Every descriptor at its end: no fitted clip looks like this.
    ends = np.where(np.arange(DESCRIPTORS) % 2, table.vectors.min(0) / 9, table.vectors.max(0) * 9)
    strange = fitted.predict_all(ends[None].astype(np.float32))
    assert strange.novelty[0] > 1.2
    assert strange.novelty[0] > np.quantile(said.novelty, 0.99)
    assert np.mean(said.novelty <= 1.0) > 0.5


@pytest.mark.parametrize("value", [0.0, 1e30, -1e30])
def test_outliers_give_predictions_on_the_scale(fitted: JointRegression, value: float) -> None:
    said = fitted.predict_all(np.full((1, DESCRIPTORS), value, dtype=np.float32))
    assert -1 <= said.arousal[0] <= 1
    assert np.isfinite(said.novelty[0])


def test_a_prediction_does_not_depend_on_other_clips(
    fitted: JointRegression, said: Predictions
) -> None:
    alone = fitted.predict_all(small_table(seed=6).vectors[3:4])
    assert alone.arousal[0] == pytest.approx(said.arousal[3], abs=1e-5)
    assert alone.novelty[0] == pytest.approx(said.novelty[3], abs=1e-4)


def test_the_same_table_and_seed_give_the_same_fit(said: Predictions) -> None:
    again = JointRegression().fit(small_table()).predict_all(small_table(seed=6).vectors)
    np.testing.assert_allclose(again.valence, said.valence, atol=1e-9)


def test_kinds_are_told_apart_with_a_probability(said: Predictions) -> None:
    unmet = small_table(seed=6)
    assert np.mean(said.kind == unmet.domain) > 0.95
    assert (said.kind_probability >= 1 / 3).all()
    assert (said.kind_probability <= 1).all()


def test_settings_come_back_and_unknown_ones_are_refused() -> None:
    settings = JointRegression(noise=0.3).get_params()
    assert regression_from(settings).get_params() == settings
    assert settings["noise"] == 0.3
    with pytest.raises(TrainingError, match="no such setting: depth"):
        regression_from({"depth": 3})
    with pytest.raises(TrainingError, match="no such setting: seed"):
        regression_from({"seed": "now"})


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(TrainingError, match="19 rated clips; at least 20"):
        JointRegression().fit(small_table(music=14, sounds=5))


def test_values_that_are_not_finite_are_refused() -> None:
    table = small_table()
    table.vectors[0, 0] = np.inf
    with pytest.raises(TrainingError, match="not finite"):
        JointRegression().fit(table)


def test_ranks_keep_order_and_bound_outliers() -> None:
    drawing = np.random.default_rng(1)
    vectors = np.exp(3 * drawing.normal(size=(400, 2))).astype(np.float32)
    scores = QuantileScale(vectors).scores(vectors)
    assert spearmanr(vectors[:, 0], scores[:, 0]).statistic == pytest.approx(1.0, abs=1e-4)
    assert scores.std(axis=0) == pytest.approx(1.0, abs=0.05)
    beyond = QuantileScale(vectors).scores(np.array([[0.0, 1e30]], dtype=np.float32))
    assert beyond.tolist() == [[-3.0, 3.0]]


def test_a_constant_descriptor_has_no_influence() -> None:
    vectors = np.ones((30, 1), dtype=np.float32)
    assert QuantileScale(vectors).scores(vectors).tolist() == [[0.0]] * 30


def test_steadiness_separates_variance_between_clips_from_within() -> None:
    drawing = np.random.default_rng(2)
    owner = np.repeat(np.arange(100), 4)
    windows = drawing.normal(size=(400, 2)).astype(np.float32)
    windows[:, 0] += 3 * drawing.normal(size=100)[owner]
    steady, unsteady = steadiness_of(windows, owner, 100)
    assert steady == pytest.approx(0.9, abs=0.05)
    assert unsteady == pytest.approx(0.0, abs=0.05)
    assert steadiness_of(windows, np.arange(400), 400).tolist() == [1.0, 1.0]
