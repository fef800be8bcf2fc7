from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.utils.estimator_checks import check_estimator

from tests.trainer.regression.rated import small_table
from trainer.evaluation.scores import r2
from trainer.regression import affect_regressor
from trainer.regression.affect_regressor import AffectRegressor

if TYPE_CHECKING:
    import pytest

DO_NOT_APPLY = {
    "check_sample_weight_equivalence_on_dense_data": "a weight is the precision of a rating and "
    "does not repeat its clip in the quantile scale"
}


def test_it_is_an_estimator_of_scikit_learn() -> None:
    checks = check_estimator(
        AffectRegressor(), expected_failed_checks=DO_NOT_APPLY, on_skip=None, on_fail=None
    )
    failed = [each["check_name"] for each in checks if each["status"] == "failed"]
    assert failed == []
    assert len(checks) > 40


def test_searches_and_cross_validation_work_on_it() -> None:
    table = small_table(music=40, sounds=20)
    columns = {"kind": table.domain, "corpus": table.corpus, "sample_weight": table.weight}
    search = GridSearchCV(AffectRegressor(), {"noise": [0.1, 30.0]}, cv=GroupKFold(2))
    search.fit(table.vectors, table.ratings, groups=table.group, **columns)
    assert search.best_params_ == {"noise": 0.1}
    copy = clone(search.best_estimator_)
    assert not hasattr(copy, "kind_kernel_")
    held = cross_val_predict(
        copy, table.vectors, table.ratings, groups=table.group, cv=GroupKFold(2), params=columns
    )
    assert r2(table.ratings[:40, 0], held[:40, 0]) > 0.3


def test_its_prediction_is_that_of_a_kernel_ridge() -> None:
    table, unmet = small_table(), small_table(seed=6)
    fitted = AffectRegressor(norm_noise=0.0).fit(
        table.vectors, table.ratings, table.weight, kind=table.domain, corpus=table.corpus
    )
    kernel = fitted.kind_kernel_
    scores = kernel.used_scores(unmet.vectors)
    known = kernel.used_scores(table.vectors)
    for target in (0, 1):

        def of(rows: np.ndarray, target: int = target) -> np.ndarray:
            usual = np.full(len(rows), -18.6)
            chosen, kinds = rows[:, kernel.columns[target]], kernel.kinds_of(rows)
            beside = kernel.beside(rows[:, kernel.heard], kinds, usual)
            return kernel.covariance(chosen, target, kinds, beside)[0].astype(np.float64)

        noise = fitted.noise if target else fitted.arousal_noise
        ridge = KernelRidge(alpha=noise, kernel="precomputed").fit(
            of(known), table.ratings[:, target] - kernel.centre[target], sample_weight=table.weight
        )
        theirs = ridge.predict(of(scores)) + kernel.centre[target]
        np.testing.assert_allclose(fitted.predict(unmet.vectors)[:, target], theirs, atol=1e-6)


def test_a_larger_weight_has_more_influence() -> None:
    table = small_table()
    table.ratings[0] = (0.9, 0.9)
    pulled = []
    for weight in (0.1, 1.0):
        table.weight[0] = weight
        fitted = AffectRegressor(noise=0.5).fit(table.vectors, table.ratings, table.weight)
        pulled.append(fitted.predict(table.vectors[:1])[0, 0])
    assert pulled[1] > pulled[0]


def test_clips_with_the_norm_of_their_class_count_little_more_than_one() -> None:
    table = small_table(music=60, sounds=0)
    near = np.repeat(table.vectors[:1], 30, axis=0)
    vectors = np.concatenate([table.vectors, near])
    ratings = np.concatenate([table.ratings, np.full((30, 2), 0.9)])
    corpus = np.array(["songs"] * 60 + ["norms"] * 30)
    shift = {
        noise: AffectRegressor(norm_noise=noise)
        .fit(vectors, ratings, corpus=corpus)
        .predict(table.vectors[:1])[0, 0]
        for noise in (0.0, 1.0)
    }
    assert abs(shift[1.0] - 0.9) > abs(shift[0.0] - 0.9)


def test_proxies_may_begin_elsewhere_without_moving_others() -> None:
    table = small_table(music=60, sounds=60)
    is_proxy = table.domain == "sound"
    moved = table.ratings + np.where(is_proxy, 0.4, 0.0)[:, None]
    apart = {}
    for weight in (0.5, 0.51):
        weights = np.where(is_proxy, weight, 1.0)
        first, second = (
            AffectRegressor().fit(table.vectors, each, weights, corpus=table.corpus)
            for each in (table.ratings, moved)
        )
        differences = second.predict(table.vectors) - first.predict(table.vectors)
        apart[weight] = differences[is_proxy, 0].mean() - differences[~is_proxy, 0].mean()
    assert apart[0.51] > 0.3
    assert apart[0.5] < apart[0.51] / 2


def test_more_clips_than_the_kernel_may_have_are_fitted_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, unmet = small_table(music=300, sounds=100), small_table(seed=6)
    columns = {"kind": table.domain, "corpus": table.corpus}
    exact = AffectRegressor().fit(table.vectors, table.ratings, table.weight, **columns)
    monkeypatch.setattr(affect_regressor, "MOST_ROWS", 150)
    nearly = AffectRegressor().fit(table.vectors, table.ratings, table.weight, **columns)
    assert len(nearly.kind_kernel_.rows) == 150
    music = unmet.domain == "music"
    scores = [
        r2(unmet.ratings[music, 0], each.predict(unmet.vectors)[music, 0])
        for each in (exact, nearly)
    ]
    assert scores[1] > scores[0] - 0.1


def test_what_ratings_have_in_common_is_known_where_one_clip_more_is_fitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A class of sounds with one norm, whose corpus begins elsewhere."""
    table, unmet = small_table(music=60, sounds=60), small_table(seed=6)
    ratings = np.where(table.domain[:, None] == "sound", [0.7, -0.6], table.ratings)
    weight = np.where(table.domain == "sound", 0.3, 1.0)
    columns = {"kind": table.domain, "corpus": table.corpus}
    predicted = []
    for most in (3000, 119):
        monkeypatch.setattr(affect_regressor, "MOST_ROWS", most)
        fitted = AffectRegressor().fit(table.vectors, ratings, weight, **columns)
        predicted.append(fitted.predict(unmet.vectors))
    np.testing.assert_allclose(predicted[1], predicted[0], atol=0.03)


def test_few_descriptors_of_much_weight_predict_like_all(monkeypatch: pytest.MonkeyPatch) -> None:
    table, unmet = small_table(music=160), small_table(seed=6)
    columns = {"kind": table.domain, "corpus": table.corpus}
    everything = AffectRegressor().fit(table.vectors, table.ratings, **columns)
    monkeypatch.setattr(affect_regressor, "HEAVIEST", 8)
    few = AffectRegressor().fit(table.vectors, table.ratings, **columns)
    assert few.kind_kernel_.columns.shape == (2, 8)
    music = unmet.domain == "music"
    for target in (0, 1):
        scores = [
            r2(unmet.ratings[music, target], each.predict(unmet.vectors)[music, target])
            for each in (everything, few)
        ]
        assert scores[1] > scores[0] - 0.05


def test_all_scores_give_the_prediction_of_those_that_are_used() -> None:
    table = small_table()
    kernel = AffectRegressor().fit(table.vectors, table.ratings, kind=table.domain).kind_kernel_
    alone = kernel.predict(table.vectors)
    given = kernel.predict(table.vectors, kernel.scores_of(table.vectors))
    np.testing.assert_allclose(given.affect, alone.affect, atol=1e-6)
