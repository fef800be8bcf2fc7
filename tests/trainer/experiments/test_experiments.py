"""Each experiment finds what is in the ratings, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.experiments.made import (
    FAMILIES,
    by_kind,
    document,
    experiment,
    fitting,
    spoken,
    three_kinds,
)
from tests.trainer.regression.rated import of_two_corpora
from trainer.corpora.corpus_store import CorpusManifest
from trainer.experiments.cells import CellResult, CellStore, Study, fit_cells, on_threads
from trainer.experiments.conditions import JOINT, TrainingRecipe
from trainer.experiments.grouping import grouping_of, values_of
from trainer.experiments.paired_test import NOTHING
from trainer.experiments.plans import EXPERIMENTS, plan_of
from trainer.experiments.report.document import encoded
from trainer.experiments.report.report_tables import tables_of
from trainer.experiments.report.terminal import summary_of
from trainer.experiments.report.verdicts import verdict_of
from trainer.experiments.splits import SplitProtocol
from trainer.regression.kind_kernel import KINDS
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.experiments.outcomes import ConditionScores, ExperimentResult
    from trainer.regression.training_table import TrainingTable


def figures(outcome: ExperimentResult, part: str, dimension: str) -> dict[str, ConditionScores]:
    return {each.condition: each for each in outcome.of(part, dimension)}


def found(outcome: ExperimentResult, first: str, second: str) -> dict[tuple[str, str], str]:
    return {
        (t.domain, t.dimension): t.verdict
        for t in outcome.tests
        if (t.first, t.second) == (first, second)
    }


def r2_of(outcome: ExperimentResult, condition: str, part: str, dimension: str) -> float:
    score = figures(outcome, part, dimension)[condition].r2
    assert score is not None
    return score


def without_relation(table: TrainingTable) -> TrainingTable:
    """Return a table in which what music tells of arousal holds for no sound."""
    drawing = np.random.default_rng(8)
    ratings = table.ratings.copy()
    music = np.flatnonzero(table.domain == "music")
    ratings[music] = table.ratings[drawing.permutation(music)]
    return replace(table, ratings=ratings)


def test_an_effect_of_joint_training_is_found(tmp_path: Path) -> None:
    outcome = experiment("joint", spoken(), tmp_path)
    verdicts = found(outcome, "joint", "alone")
    assert verdicts["sound", "arousal"] == "better"
    assert verdicts["sound", "valence"] != "better"
    said, conclusion, *_ = verdict_of(outcome)
    assert said.startswith("The joint fit is at least as good as the best fit on a single kind in ")
    helped = conclusion.partition(" and made ")[0]
    assert helped.startswith("Joint training helped ")
    assert "arousal of sound" in helped
    assert "valence of sound" not in helped


def test_without_relation_joint_training_does_not_help(tmp_path: Path) -> None:
    outcome = experiment("joint", without_relation(spoken()), tmp_path)
    assert "better" not in found(outcome, "joint", "alone").values()
    assert verdict_of(outcome)[1].startswith("Joint training did not help")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> ExperimentResult:
    """Return the joint experiment on music, and on sounds of which half are called voices."""
    folder = tmp_path_factory.mktemp("three")
    return experiment("joint", three_kinds(), folder, "elasticnet", SplitProtocol(3, 1, 1))


def test_each_kind_is_compared_with_the_best_single_fit(three: ExperimentResult) -> None:
    outcome = three
    best = {(each.domain, each.dimension): each for each in outcome.against_best}
    assert list(best) == [(k, d) for k in KINDS for d in ("arousal", "valence")]
    for cell, test in best.items():
        others = [t for t in outcome.tests if (t.domain, t.dimension) == cell]
        singles = [t for t in others if t.second in {f"{kind} alone" for kind in KINDS}]
        assert test.gain == min(each.gain for each in singles)
    assert best["voice", "valence"].second != "music alone"
    (made,) = document(three_kinds(), [outcome])["experiments"]
    (told, *_) = tables_of(made)
    rows = list(told.shown())
    assert (told.name, len(rows)) == ("joint-against-best", 6)
    assert {row[6] for row in rows} <= {f"{kind} alone" for kind in KINDS}


def test_a_joint_fit_that_is_worse_is_named(three: ExperimentResult) -> None:
    first, *rest = three.against_best
    worse = replace(first, gain=-0.2, low=-0.3, high=-0.1, p=0.02, p_holm=0.12)
    fine = [replace(each, gain=0.1, low=0.0, high=0.2, p=0.3, p_holm=1.0) for each in rest]
    said = verdict_of(replace(three, against_best=[worse, *fine]))[0]
    assert "in 5 of 6 cells; it is worse for arousal of music (against" in said
    assert "squared error +20.0% [+10.0%, +30.0%]" in said
    assert "every cell, of 5" in verdict_of(replace(three, against_best=fine))[0]


def test_groups_that_feel_differently_are_found(tmp_path: Path) -> None:
    table = spoken(160, 160)
    outcome = experiment("cross-cultural", table, tmp_path, "elasticnet", grouping=by_kind(table))
    verdicts = found(outcome, "as many of the others", "its own group")
    for group in ("east", "west"):
        assert verdicts[group, "arousal"] == NOTHING
        assert verdicts[group, "valence"] == "worse"
        scores = figures(outcome, f"all {group}", "valence")
        assert (scores["its own group"].r2 or 0) > 0.4
        assert (scores["the other groups"].r2 or 0) < 0
        # Within and across are cells of one table: fitted on a group, tested on a group.
        assert scores[f"{group} alone"].r2 == scores["its own group"].r2
    assert "made valence of east and valence of west worse" in verdict_of(outcome)[0]


def test_a_fit_across_groups_sees_no_clip_related_to_a_held_out_one(tmp_path: Path) -> None:
    """Every clip has a twin of the other culture, which would tell its rating."""
    table = twins()
    grouping = by_kind(table)
    protocol = SplitProtocol(4, 1, 1)
    outcome = experiment("cross-cultural", table, tmp_path, "svr", protocol, grouping)
    for group in grouping.tested:
        for each in outcome.of(f"all {group}", "valence"):
            assert (each.r2 or 0) < 0.1, each.condition


def test_a_grouping_column_comes_from_an_import_or_every_table() -> None:
    table = spoken(80, 80)
    values = ["west" if i % 8 < 4 else "east" if i % 8 < 7 else "" for i in range(80)]
    manifest = CorpusManifest(
        name="songs", kind="manifest", imported_at="", hearing="", clips=80, groups=40,
        domains={}, licence="", notes=[], items=[], skipped=[], groupings={"culture": values},
    )  # fmt: skip
    found = values_of("culture", table, {"songs": manifest})
    assert found[table.corpus == "songs"].tolist() == values
    assert set(found[table.corpus != "songs"]) == {""}
    assert grouping_of("culture", found, table, 4).tested == ("east", "west")
    for column, tested in (("kind", ("music", "sound")), ("corpus", ("noises", "songs"))):
        assert grouping_of(column, values_of(column, table, {}), table, 4).tested == tested
    with pytest.raises(
        TrainingError, match="no corpus has a grouping column genre; there are corp"
    ):
        values_of("genre", table, {"songs": manifest})
    few = np.where(table.corpus == "songs", "a", "")
    with pytest.raises(TrainingError, match="column culture: 1 values have at least 30 rated clip"):
        grouping_of("culture", few, table, 4)
    # A manifest that was edited by hand, or is of another table, gives no column.
    short = manifest.model_copy(update={"groupings": {"culture": ["a"] * 79}})
    with pytest.raises(TrainingError, match="no corpus has a grouping column culture"):
        values_of("culture", table, {"songs": short})
    with pytest.raises(TrainingError, match="cross-cultural needs a grouping column: add --by"):
        plan_of("cross-cultural", table, FAMILIES)


def test_single_domain_and_cross_domain(tmp_path: Path) -> None:
    alone = experiment("single-domain", spoken(160), tmp_path, regression="elasticnet")
    assert r2_of(alone, "alone", "all music", "valence") > 0.5
    assert verdict_of(alone) == []
    crossed = experiment("cross-domain", spoken(160), tmp_path, regression="elasticnet")
    assert r2_of(crossed, "the other kinds", "all sound", "arousal") > 0.4
    assert r2_of(crossed, "the other kinds", "all sound", "valence") < -0.5
    assert r2_of(crossed, "alone", "all music", "arousal") == pytest.approx(
        r2_of(alone, "alone", "all music", "arousal")
    )


def test_mixing_has_all_pairs_of_shares(tmp_path: Path) -> None:
    outcome = experiment("mixing", spoken(), tmp_path, protocol=SplitProtocol(4, 1, 1))
    assert len(outcome.plan.conditions) == 24
    few, many = (
        r2_of(outcome, f"0.25 own + {added} other", "all sound", "arousal") for added in (0, 1)
    )
    assert many > few + 0.1
    lone = experiment("single-domain", spoken(), tmp_path, protocol=SplitProtocol(4, 1, 1))
    assert r2_of(outcome, "1 own + 0 other", "all sound", "arousal") == pytest.approx(
        r2_of(lone, "alone", "all sound", "arousal")
    )


def test_constant_size_helps_only_where_the_domains_agree(tmp_path: Path) -> None:
    outcome = experiment("constant-size", spoken(200, 160), tmp_path, regression="elasticnet")
    arousal = [r2_of(outcome, f"{s} other", "all sound", "arousal") for s in ("0", "0.5", "1")]
    valence = [r2_of(outcome, f"{s} other", "all sound", "valence") for s in ("0", "0.5", "1")]
    assert min(arousal) > 0.4
    assert valence[0] > 0.4
    assert valence[2] < 0 < valence[0] - valence[1]


def test_the_shuffled_control_detects_an_effect(tmp_path: Path) -> None:
    there = experiment("shuffled-control", spoken(), tmp_path)
    assert found(there, "1 other", "1 other, shuffled")["sound", "arousal"] == "better"
    assert found(there, "1 other, shuffled", "0 other")["sound", "arousal"] != "better"
    gone = experiment("shuffled-control", without_relation(spoken()), tmp_path)
    assert found(gone, "1 other", "1 other, shuffled")["sound", "arousal"] == NOTHING


def test_the_ablation_finds_the_informative_family(tmp_path: Path) -> None:
    outcome = experiment("ablation", spoken(), tmp_path, regression="own")
    scores = {name: each.r2 or 0 for name, each in figures(outcome, "all music", "arousal").items()}
    assert scores["everything"] - scores["without: telling"] > 0.2
    assert scores["everything"] - scores["permuted: telling"] > 0.2
    assert scores["only: telling"] > 0.4
    assert abs(scores["everything"] - scores["permuted: noise"]) < 0.2
    assert verdict_of(outcome)[0].startswith("Without telling, arousal of music")
    surest = min(outcome.tests, key=lambda test: test.p)
    assert surest.p_holm == pytest.approx(len(outcome.tests) * surest.p)


def test_more_groups_give_better_predictions(tmp_path: Path) -> None:
    outcome = experiment("learning-curve", spoken(200, 100), tmp_path)
    for line in ("joint", "alone"):
        curve = [each for each in outcome.of("all music", "arousal") if each.line == line]
        assert [each.at for each in curve] == [0.1, 0.25, 0.5, 0.75, 1.0]
        assert (curve[-1].r2 or 0) > (curve[0].r2 or 0) + 0.05
    (told,) = verdict_of(outcome)
    assert told.startswith("From three quarters of the groups to all of them, R2 changes by ")
    assert "for valence of sound" in told


def twins() -> TrainingTable:
    """Return ratings that nothing tells but a clip's own twin, in the other domain or the same."""
    table = spoken(160, 160)
    drawing = np.random.default_rng(3)
    names = np.tile(np.repeat(np.arange(80), 2), 2)
    ratings, vectors = drawing.uniform(-0.8, 0.8, (80, 2)), drawing.normal(size=(80, 30))
    return replace(
        table,
        vectors=(vectors[names] + drawing.normal(scale=0.01, size=(320, 30))).astype(np.float32),
        ratings=ratings[names],
        group=np.array([f"twins {name}" for name in names]),
    )


def test_groups_prevent_leakage(tmp_path: Path) -> None:
    known = experiment("joint", twins(), tmp_path, regression="svr")
    unknown = experiment(
        "joint", replace(twins(), group=np.arange(320).astype(np.str_)), tmp_path, regression="svr"
    )
    for condition in ("joint", "alone"):
        for part in ("all music", "all sound"):
            assert r2_of(known, condition, part, "valence") < 0.1
            assert r2_of(unknown, condition, part, "valence") > 0.5


def test_intervals_have_their_coverage_in_each_domain(tmp_path: Path) -> None:
    """They are calibrated on corpora left out, so they hold at least as often for known ones."""
    table = of_two_corpora(spoken(160, 160))
    outcome = experiment("single-domain", table, tmp_path, "own", SplitProtocol(4, 1, 1))
    for part in ("all music", "all sound"):
        for dimension in ("arousal", "valence"):
            coverage = figures(outcome, part, dimension)["alone"].coverage
            assert coverage is not None
            assert 0.75 < coverage < 0.99


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_one_domain_is_enough_or_refused_in_one_line(tmp_path: Path, name: str) -> None:
    table = spoken()
    music = table.subset(table.domain == "music")
    if name in {"single-domain", "ablation", "learning-curve"}:
        outcome = experiment(name, music, tmp_path, protocol=SplitProtocol(3, 1, 1))
        assert {each.part for each in outcome.figures} == {"songs", "all music"}
    else:
        with pytest.raises(
            TrainingError, match="there is music only; add a corpus of another kind"
        ):
            plan_of(name, music, FAMILIES)


class TestCellStore:
    def study(self, table: TrainingTable) -> Study:
        return Study(table, SplitProtocol(3, 1, 1).splits(table), fitting("own"), FAMILIES)

    def made(self, study: Study, kept: CellStore) -> list[CellResult]:
        return fit_cells(
            study, [JOINT], store=kept, fitters=on_threads(1), progress=lambda _done, _total: None
        )[JOINT]

    def test_finished_cells_are_not_fitted_again(self, tmp_path: Path) -> None:
        study = self.study(spoken())
        kept = CellStore(tmp_path / "cells", study.fingerprint)
        first = self.made(study, kept)
        files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
        assert len(files) == 3
        again = self.made(study, kept)
        assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cells").iterdir()} == files
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one.affect, other.affect)
            np.testing.assert_array_equal(one.low, other.low)
        kept.clear()
        assert list(tmp_path.iterdir()) == []

    def test_cells_of_other_clips_or_settings_are_ignored(self, tmp_path: Path) -> None:
        table = spoken()
        study = self.study(table)
        self.made(study, CellStore(tmp_path / "cells", study.fingerprint))
        changed = self.study(replace(table, weight=table.weight * 0.5))
        other = CellStore(tmp_path / "cells", changed.fingerprint)
        assert other.get(JOINT, changed.splits[0]) is None
        own = CellStore(tmp_path / "cells", study.fingerprint)
        assert own.get(JOINT, study.splits[0]) is not None
        assert own.get(TrainingRecipe(music=0.5), study.splits[0]) is None

    @pytest.mark.parametrize("damage", [b"", b"junk", b"PK\x03\x04" + bytes(40)])
    def test_a_damaged_cell_is_fitted_again(self, tmp_path: Path, damage: bytes) -> None:
        study = self.study(spoken())
        kept = CellStore(tmp_path / "cells", study.fingerprint)
        first = self.made(study, kept)
        for path in (tmp_path / "cells").iterdir():
            path.write_bytes(damage)
        np.testing.assert_array_equal(self.made(study, kept)[0].affect, first[0].affect)

    def test_fitting_works_without_a_writable_store(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("a file")
        study = self.study(spoken())
        assert len(self.made(study, CellStore(tmp_path / "taken", study.fingerprint))) == 3


def test_the_document_is_json_and_the_summary_agrees(tmp_path: Path) -> None:
    table = spoken(160)
    names = ("joint", "learning-curve")
    said = document(table, [experiment(name, table, tmp_path) for name in names])
    assert json.loads(encoded(said)) == said
    assert (said["seed"], said["folds"], said["repeats"]) == (1, 4, 2)
    assert len(said["clips"]) == len(said["experiments"][0]["predicted"]["joint"]["affect"])
    lines = list(summary_of(said))
    assert "elasticnet" not in lines[0]
    assert lines[0] == "own regression of small-1 on 40 of noises, 160 of songs"
    r2 = next(
        each["r2"]
        for each in said["experiments"][0]["figures"]
        if (each["condition"], each["part"], each["dimension"]) == ("joint", "all music", "arousal")
    )
    assert any(f"{r2:.3f} [" in line for line in lines)
    assert any("Joint training helped" in line for line in lines)
    start = lines.index(next(line for line in lines if line.startswith("joint: ")))
    assert len({len(line) for line in lines[start + 1 : start + 4]}) == 1
