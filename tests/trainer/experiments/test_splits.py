from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.regression.rated import small_table
from trainer.experiments.splits import (
    SplitProtocol,
    check_enough,
    inner_splits,
    rating_clusters,
    stratified_folds,
)
from trainer.regression.folds import grouped_folds
from trainer.trainer_errors import TrainingError


@settings(max_examples=25, deadline=None)
@given(groups=st.lists(st.integers(0, 25), min_size=140, max_size=140), seed=st.integers(0, 2**31))
def test_a_group_is_never_split(groups: list[int], seed: int) -> None:
    table = replace(small_table(), group=np.array([f"g{g}" for g in groups]))
    folds = stratified_folds(table, 5, seed)
    assert all(len(set(folds[table.group == name])) == 1 for name in set(table.group))


def test_ratings_are_spread_more_evenly_than_at_random() -> None:
    table = small_table(300, 200)

    def unevenness(folds: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
        means = [
            table.ratings[(folds == fold) & (table.domain == domain)].mean(axis=0)
            for fold in range(5)
            for domain in ("music", "sound")
        ]
        return float(np.std(np.array(means).reshape(5, 2, 2), axis=0).sum())

    stratified = [unevenness(stratified_folds(table, 5, seed)) for seed in range(8)]
    drawn = [unevenness(grouped_folds(table.corpus, table.group, 5, seed)) for seed in range(8)]
    assert np.mean(stratified) < 0.6 * np.mean(drawn)


def test_every_corpus_is_spread_though_groups_differ_in_size() -> None:
    table = small_table(300, 200)
    table = replace(
        table,
        corpus=np.where(np.arange(500) < 100, "few large groups", table.corpus),
        group=np.where(np.arange(500) < 100, [f"large {i // 10}" for i in range(500)], table.group),
    )
    folds = stratified_folds(table, 5, seed=1)
    for corpus in np.unique(table.corpus):
        counts = np.bincount(folds[table.corpus == corpus], minlength=5)
        assert counts.max() - counts.min() <= 10, corpus


def test_repeats_differ_and_a_seed_reproduces_them() -> None:
    table = small_table()
    first, again = (SplitProtocol(5, 2, 7).splits(table) for _ in range(2))
    assert [s.test.tolist() for s in first] == [s.test.tolist() for s in again]
    assert first[0].test.tolist() != first[5].test.tolist()
    for repeat in range(2):
        asked = np.concatenate([s.test for s in first if s.repeat == repeat])
        assert sorted(asked.tolist()) == list(range(len(table)))
    for split in first:
        assert not set(table.group[split.train]) & set(table.group[split.test])


def test_ward_finds_separate_clusters() -> None:
    drawing = np.random.default_rng(1)
    centres = np.array([[-0.8, -0.8], [0.8, 0.8], [0.8, -0.8]])
    truth = drawing.integers(0, 3, 6000)
    ratings = centres[truth] + drawing.normal(scale=0.05, size=(6000, 2))
    for count in (200, 6000):
        found = rating_clusters(ratings[:count], 3, drawing)
        assert len({(a, b) for a, b in zip(truth[:count], found, strict=True)}) == 3
    assert rating_clusters(ratings[:2], 3, drawing).tolist() == [0, 0]


def test_inner_folds_do_not_split_groups() -> None:
    table = small_table()
    asked = []
    for known, held in inner_splits(table, seed=3):
        assert not set(table.group[known]) & set(table.group[held])
        asked += held.tolist()
    assert sorted(asked) == list(range(len(table)))
    one = replace(table, group=np.full(len(table), "one"))
    assert sum(len(held) for _, held in inner_splits(one, seed=3)) == len(one)
    with pytest.raises(TrainingError, match="one rated clip is left"):
        list(inner_splits(one.subset(np.arange(1)), seed=3))


def test_too_few_clips_are_reported_in_one_line() -> None:
    table = small_table()
    with pytest.raises(TrainingError, match="no rated clips to evaluate on"):
        check_enough(table.subset(np.zeros(len(table), dtype=bool)), 5)
    with pytest.raises(TrainingError, match="10 rated clips of sound in 5 groups are too few"):
        check_enough(table.subset(np.arange(90)), 5)
    few = replace(table, group=np.where(table.domain == "sound", "all", table.group))
    with pytest.raises(TrainingError, match="60 rated clips of sound in 1 groups are too few"):
        SplitProtocol().splits(few)
