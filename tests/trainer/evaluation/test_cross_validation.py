from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.regression.rated import small_table
from trainer.evaluation.cross_validation import (
    OUTER_FOLDS,
    cross_validate,
    held_out_scores,
    leave_corpora_out,
    parts_of,
    rank_agreement,
)
from trainer.evaluation.scores import r2
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.starter.markdown import put_between_marks
from trainer.starter.paper_pipeline import paper_predictions
from trainer.starter.starter_report import (
    beside_text,
    figures_text,
    kinds_text,
    left_out_text,
    novelty_text,
    paper_beside,
)
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.regression.training_table import TrainingTable


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    return small_table(music=100, sounds=60)


def test_random_ratings_are_not_predicted(table: TrainingTable) -> None:
    drawing = np.random.default_rng(3)
    by_group = {name: drawing.uniform(-0.5, 0.5, 2) for name in sorted(set(table.group.tolist()))}
    noise = dataclasses.replace(table, ratings=np.array([by_group[g] for g in table.group]))
    # Clips of one group share their rating here: a split group would give it away.
    held = cross_validate(noise, JointRegression(), seed=1)
    for rows in (noise.domain == "music", noise.domain == "sound"):
        assert r2(noise.ratings[rows, 0], held.affect[rows, 0]) < 0.1


def test_scores_are_those_of_the_held_out_predictions(table: TrainingTable) -> None:
    held = cross_validate(table, JointRegression(), seed=1)
    rows = held_out_scores(table, held, seed=1)
    assert [(row.part, row.dimension) for row in rows] == [
        (part, dimension)
        for part in ("noises", "songs", "all music", "all sound")
        for dimension in ("arousal", "valence")
    ]
    songs = table.corpus == "songs"
    expected = r2(table.ratings[songs, 0], held.affect[songs, 0])
    assert rows[2].r2.value == pytest.approx(expected, abs=1e-4)
    inside = (held.low <= table.ratings) & (table.ratings <= held.high)
    assert rows[2].coverage == pytest.approx(inside[songs, 0].mean(), abs=1e-4)
    assert rows[2].clips == 100
    assert rows[2].groups == 50
    assert len(figures_text(rows).splitlines()) == 2 + len(rows)


def test_a_corpus_of_two_domains_gives_two_parts(table: TrainingTable) -> None:
    mixed = dataclasses.replace(table, corpus=np.full(len(table), "one"))
    assert [part for part, _ in parts_of(mixed)] == [
        "one (music)", "one (sound)", "all music", "all sound",
    ]  # fmt: skip


def test_the_pipeline_of_the_paper_learns(table: TrainingTable) -> None:
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, 1)
    predicted = paper_predictions(table, np.log(table.vectors), folds, seed=1)
    songs = table.corpus == "songs"
    assert r2(table.ratings[songs, 0], predicted[songs, 0]) > 0.3


def test_the_pipeline_of_the_paper_never_sees_a_fold_that_ours_does_not(
    table: TrainingTable,
) -> None:
    # Folds of corpora are drawn one after the other: another corpus before changes them.
    named = dataclasses.replace(
        table, corpus=np.where(table.corpus == "songs", "vgmidi", "everyday sounds")
    )
    music = named.corpus == "vgmidi"
    full = named.subset(music)
    held_out = grouped_folds(named.corpus, named.group, OUTER_FOLDS, 1)[music] == 0
    others = np.where(held_out[:, None], -full.ratings, full.ratings)
    predicted = paper_beside(named, full, 1)
    changed = paper_beside(named, dataclasses.replace(full, ratings=others), 1)
    np.testing.assert_array_equal(changed[held_out], predicted[held_out])
    assert not np.isclose(changed[~held_out], predicted[~held_out]).any(axis=1).all()


def test_rank_agreement_is_spearmans_rho() -> None:
    assert rank_agreement(np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 30.0, 20.0, 40.0])) == (
        pytest.approx(0.8)
    )
    tied = rank_agreement(np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert tied == pytest.approx(4.5 / np.sqrt(4.5 * 5.0))
    assert np.isnan(rank_agreement(np.ones(4), np.arange(4.0)))


def test_a_corpus_left_out_is_predicted_without_its_groups(table: TrainingTable) -> None:
    # Every group has a clip in each corpus, so that nothing is left to fit on.
    twins = np.where(np.arange(len(table)) % 2, "one", "other")
    with pytest.raises(TrainingError, match="0 rated clips"):
        leave_corpora_out(dataclasses.replace(table, corpus=twins), JointRegression())
    halves = np.where(np.arange(len(table)) // 2 % 2, "one", "other")
    held = leave_corpora_out(dataclasses.replace(table, corpus=halves), JointRegression())
    one = halves == "one"
    fitted = JointRegression().fit(dataclasses.replace(table, corpus=halves).subset(~one))
    np.testing.assert_allclose(held.affect[one], fitted.predict(table.vectors[one]))


def test_report_tables_have_equal_rows(table: TrainingTable) -> None:
    named = dataclasses.replace(
        table, corpus=np.where(np.arange(len(table)) % 2, "vgmidi", "emotify")
    )
    held = cross_validate(named, JointRegression(), seed=1)
    beside = beside_text(named, [held], named, [held.affect])
    assert "| both, mean | arousal | | | +0.000 |" in beside
    for text in (
        beside, novelty_text(named, held), left_out_text(named, held), kinds_text(named, held),
    ):  # fmt: skip
        assert len({line.count("|") for line in text.splitlines()}) == 1


def test_only_the_marked_part_of_a_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = (
        "<!-- written by trainer.starter.build report -->",
        "<!-- end of what is written -->",
    )
    page.write_text(f"Before.\n{begin}\nold\n{end}\nAfter.\n")
    put_between_marks(page, "new")
    put_between_marks(page, "newer")
    assert page.read_text() == f"Before.\n{begin}\n\nnewer\n\n{end}\nAfter.\n"
    page.write_text("nothing marked")
    with pytest.raises(TrainingError, match="no part marked"):
        put_between_marks(page, "new")
    with pytest.raises(TrainingError, match="No such file"):
        put_between_marks(tmp_path / "none.md", "new")
