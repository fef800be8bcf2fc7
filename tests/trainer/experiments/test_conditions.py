from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.experiments.made import FAMILIES, spoken
from trainer.experiments.conditions import (
    JOINT,
    TrainingRecipe,
    alone_on,
    mixture,
    permuted,
    rows_for,
    training_table,
)
from trainer.experiments.families import columns_of, families_of
from trainer.experiments.plans import EXPERIMENTS, plan_of
from trainer.experiments.splits import SplitProtocol
from trainer.features.opensmile import feature_names

if TYPE_CHECKING:
    from trainer.experiments.splits import Split
    from trainer.regression.training_table import TrainingTable


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    return spoken()


@pytest.fixture(scope="module")
def split(table: TrainingTable) -> Split:
    return SplitProtocol(4, 1, 1).splits(table)[0]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_experiment_is_fitted_on_held_out_clips(table: TrainingTable, name: str) -> None:
    for split in SplitProtocol(4, 2, 1).splits(table):
        for recipe in set(plan_of(name, table, FAMILIES).recipes):
            rows = rows_for(recipe, table, split)
            assert len(set(rows.tolist())) == len(rows) > 0
            assert set(rows.tolist()) <= set(split.train.tolist())
            assert not set(table.group[rows]) & set(table.group[split.test])


def test_smaller_shares_are_subsets_of_the_training_part(
    table: TrainingTable, split: Split
) -> None:
    before: set[int] = set()
    sounds = int((table.domain[split.train] == "sound").sum())
    for share in (0.25, 0.5, 0.75, 1.0):
        rows = rows_for(mixture("sound", table, own=share, others=0.0), table, split)
        assert set(table.domain[rows]) == {"sound"}
        assert len(rows) == round(share * sounds)
        assert before < set(rows.tolist())
        before = set(rows.tolist())
    assert mixture("sound", table, own=1.0, others=1.0) == JOINT
    # Equal fits have equal recipes, so that they are made once.
    assert mixture("sound", table, own=0.0, others=1.0) == alone_on("music", table)
    assert mixture("sound", table, own=1.0, others=0.0) == alone_on("sound", table) != JOINT


def test_a_constant_total_is_that_of_the_smaller_domain(table: TrainingTable, split: Split) -> None:
    sounds = int((table.domain[split.train] == "sound").sum())
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        rows = rows_for(TrainingRecipe(sound=1 - share, music=share, constant=True), table, split)
        assert abs(len(rows) - sounds) <= 1
        assert abs((table.domain[rows] == "music").sum() - share * sounds) <= 1


def test_shuffling_permutes_the_ratings_of_one_domain(table: TrainingTable, split: Split) -> None:
    plain = training_table(JOINT, table, split, FAMILIES)
    dealt = training_table(replace(JOINT, shuffled=("music",)), table, split, FAMILIES)
    music = plain.domain == "music"
    np.testing.assert_array_equal(plain.ratings[~music], dealt.ratings[~music])
    assert (plain.ratings[music] != dealt.ratings[music]).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(
        np.sort(plain.ratings[music], axis=0), np.sort(dealt.ratings[music], axis=0)
    )
    np.testing.assert_array_equal(plain.vectors, dealt.vectors)


def test_a_share_of_groups_does_not_split_groups(table: TrainingTable, split: Split) -> None:
    rows = rows_for(TrainingRecipe(groups=0.25), table, split)
    for corpus in ("songs", "noises"):
        own = rows[table.corpus[rows] == corpus]
        there = split.train[table.corpus[split.train] == corpus]
        ratio = len(np.unique(table.group[own])) / len(np.unique(table.group[there]))
        assert ratio == pytest.approx(0.25, abs=0.06)
        assert set(own) == set(there[np.isin(table.group[there], table.group[own])])


def test_permuting_a_family_stays_within_a_domain() -> None:
    table = spoken()
    columns = np.array([1, 4, 9])
    changed = permuted(table.vectors, table.domain, columns, 1)
    rest = np.setdiff1d(np.arange(30), columns)
    np.testing.assert_array_equal(changed[:, rest], table.vectors[:, rest])
    for domain in ("music", "sound"):
        rows = table.domain == domain
        before = {tuple(row) for row in table.vectors[rows][:, columns].tolist()}
        assert {tuple(row) for row in changed[rows][:, columns].tolist()} == before


def test_the_families_cover_all_descriptors_of_compare() -> None:
    families = families_of(feature_names())
    assert sorted(np.concatenate(list(families.values())).tolist()) == list(range(6373))
    assert {name: len(columns) for name, columns in families.items()} == {
        "energy and loudness": 400,
        "auditory bands (RASTA)": 2600,
        "cepstrum (MFCC)": 1400,
        "spectral shape": 1000,
        "spectral flux": 100,
        "band energies": 200,
        "sharpness and harmonicity": 200,
        "pitch and voicing": 161,
        "jitter, shimmer, HNR": 312,
    }


def test_columns_without_a_family_or_of_one_family() -> None:
    assert columns_of(FAMILIES, 31, without="", only="") is None
    without = columns_of(FAMILIES, 31, without="domain", only="")
    assert without is not None
    assert without.tolist() == [0, 1, *range(8, 31)]
    only = columns_of(FAMILIES, 31, without="", only="telling")
    assert only is not None
    assert only.tolist() == [0, 1]
