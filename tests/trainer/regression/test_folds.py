from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.regression.folds import grouped_folds


@given(groups=st.lists(st.integers(0, 12), min_size=5, max_size=60), seed=st.integers(0, 2**31))
def test_a_group_is_never_split(groups: list[int], seed: int) -> None:
    names = np.array([f"g{g}" for g in groups])
    folds = grouped_folds(np.full(len(names), "c"), names, 5, seed)
    assert all(len(set(folds[names == name])) == 1 for name in set(names))
    assert set(folds) <= set(range(5))


def test_every_corpus_is_spread_over_all_folds() -> None:
    corpus = np.repeat(["a", "b"], [50, 20])
    group = np.array([f"{c}{i}" for i, c in enumerate(corpus)])
    folds = grouped_folds(corpus, group, 5, seed=3)
    assert np.bincount(folds[corpus == "a"]).tolist() == [10] * 5
    assert np.bincount(folds[corpus == "b"]).tolist() == [4] * 5


def test_a_group_in_two_corpora_stays_in_one_fold() -> None:
    corpus = np.repeat(["a", "b"], 10)
    group = np.array([f"g{i % 10}" for i in range(20)])
    folds = grouped_folds(corpus, group, 5, seed=3)
    assert (folds[:10] == folds[10:]).all()


def test_folds_depend_on_the_seed() -> None:
    corpus, group = np.full(40, "a"), np.arange(40).astype(str)
    assert (grouped_folds(corpus, group, 5, 1) == grouped_folds(corpus, group, 5, 1)).all()
    assert (grouped_folds(corpus, group, 5, 1) != grouped_folds(corpus, group, 5, 2)).any()
