from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from trainer.personal.acceptance import (
    MARGIN,
    P_LEVEL,
    PublishedPredictions,
    compare_dimension,
    decide,
    predict_out_of_fold,
    sign_flip_p,
    untestable,
    widening_factor,
)
from trainer.personal.comparison import BundleComparison, DimensionCompared
from trainer.personal.gaussian_process import RatedSounds, ResidualProcess, fit_residual_process
from trainer.regression.folds import grouped_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rated(count: int = 60, seed: int = 0) -> RatedSounds:
    """Sounds of a listener who feels .3 more than is said, and wavers by .1."""
    drawing = np.random.default_rng(seed)
    said = drawing.uniform(-0.5, 0.5, count)
    return RatedSounds(
        positions=drawing.normal(size=(count, 3)).astype(np.float32),
        predicted=said,
        rating=np.clip(said + 0.3 + drawing.normal(0.0, 0.1, count), -1.0, 1.0),
        raters=np.ones(count),
        sound=np.arange(count, dtype=np.uint64),
        group=np.arange(count, dtype=np.uint64),
    )


def folds_of(sounds: RatedSounds, folds: int = 5) -> NDArray[np.intp]:
    alike = np.zeros(len(sounds), dtype=np.str_)
    return grouped_folds(alike, sounds.group.astype(np.str_), folds, seed=1)


def beside(
    sounds: RatedSounds, layer: ResidualProcess | None, lying: NDArray[np.intp] | None = None
) -> DimensionCompared:
    service = PublishedPredictions(sounds.positions, sounds.predicted, layer)
    said = predict_out_of_fold(sounds, service, folds_of(sounds), 1)
    elsewhere = None if lying is None else predict_out_of_fold(sounds, service, lying, 1)
    return compare_dimension("arousal", sounds, said, elsewhere, 1)


class TestSignFlips:
    def test_three_equal_groups_give_p_of_one_in_eight(self) -> None:
        assert sign_flip_p(np.ones(3), np.arange(3), seed=1) == pytest.approx(1 / 8)

    def test_seven_groups_cannot_reach_half_the_level_and_eight_can(self) -> None:
        assert sign_flip_p(np.ones(7), np.arange(7), seed=1) > P_LEVEL / 2
        assert sign_flip_p(np.ones(8), np.arange(8), seed=1) <= P_LEVEL / 2

    def test_sounds_of_one_group_count_once(self) -> None:
        assert sign_flip_p(np.ones(300), np.arange(300) % 3, seed=1) == pytest.approx(1 / 8)

    def test_without_a_difference_p_is_uniform(self) -> None:
        drawing = np.random.default_rng(5)
        found = [sign_flip_p(drawing.normal(size=40), np.arange(40), seed=i) for i in range(100)]
        assert np.mean(np.array(found) < 0.05) <= 0.12
        assert 0.4 < np.mean(found) < 0.6

    def test_no_difference_at_all_is_no_evidence(self) -> None:
        assert sign_flip_p(np.zeros(40), np.arange(40), seed=1) == 1.0
        assert sign_flip_p(np.zeros(5), np.arange(5), seed=1) == 1.0

    def test_the_same_seed_gives_the_same_p(self) -> None:
        differences = np.random.default_rng(5).normal(0.2, size=40)
        once, again = (sign_flip_p(differences, np.arange(40), seed=3) for _ in range(2))
        assert once == again
        assert 0 < once < 1


class TestOutOfFold:
    def test_a_better_layer_passes(self) -> None:
        found = decide([beside(rated(), None)])[0]
        assert found.passed
        assert found.rmse_in_service == pytest.approx(0.32, abs=0.04)
        assert found.rmse_candidate == pytest.approx(0.1, abs=0.03)
        assert found.verdict.startswith(
            "arousal: better than the published bundle on 60 annotations"
        )

    def test_the_published_layer_is_tested_without_the_held_out_sounds(self) -> None:
        sounds = rated()
        learned = fit_residual_process(sounds, seed=1)
        found = decide([beside(sounds, learned)])[0]
        # The candidate learns from the same sounds: it cannot be better, nor seem worse.
        assert found.gain_over_service == pytest.approx(0.0, abs=0.05)
        assert not found.passed

    def test_a_published_layer_of_other_sounds_is_tested_unchanged(self) -> None:
        sounds = rated()
        other = replace(rated(seed=7), sound=np.arange(900, 960, dtype=np.uint64))
        other = replace(other, group=other.sound)
        assert beside(sounds, fit_residual_process(other, 1)).rmse_in_service == pytest.approx(
            0.1, abs=0.03
        )

    def test_a_held_out_group_is_unknown(self) -> None:
        sounds = rated()
        drawing = np.random.default_rng(2)
        pairs = np.repeat(np.arange(30), 2).astype(np.uint64)
        whims = np.repeat(drawing.uniform(-0.9, 0.9, 30), 2)
        places = np.repeat(drawing.normal(size=(30, 3)), 2, axis=0).astype(np.float32)
        twins = replace(sounds, rating=whims, group=pairs, positions=places, predicted=np.zeros(60))
        found = beside(twins, None)
        # Each sound's twin says what it is rated, were it not left out with it.
        assert found.rmse_candidate is not None
        assert found.rmse_candidate > 0.4

    def test_a_gain_in_one_folder_only_is_detected_by_the_others(self) -> None:
        sounds = rated()
        half = np.arange(60) % 2
        # Each half is a kind of its own, and what one feels more the other feels less.
        places = np.stack([4.0 * half, half, half], axis=1).astype(np.float32)
        rating = sounds.predicted + np.where(half == 0, 0.4, -0.4)
        found = beside(replace(sounds, positions=places, rating=rating), None, half)
        assert found.rmse_candidate is not None
        assert found.rmse_candidate_elsewhere is not None
        assert found.rmse_in_service_elsewhere is not None
        assert found.rmse_candidate < 0.1
        assert found.rmse_candidate_elsewhere > found.rmse_in_service_elsewhere
        (verdict,) = decide([found])
        assert not verdict.passed


class TestVerdict:
    def found(self, **changed: Any) -> DimensionCompared:
        figures: dict[str, Any] = {
            "rmse_in_service": 0.3,
            "rmse_candidate": 0.2,
            "rmse_constant": 0.3,
            "gain_over_service": 0.5,
            "gain_over_constant": 0.5,
            "p_over_service": 0.001,
            "p_over_constant": 0.001,
        }
        return untestable("arousal", rated()).model_copy(update=figures | changed)

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"gain_over_service": MARGIN / 2}, "not better than the published bundle"),
            ({"gain_over_constant": MARGIN / 2}, "not better than predicting the mean"),
            ({"p_over_service": 0.02}, "not significantly"),
            (
                {"rmse_candidate_elsewhere": 0.31, "rmse_in_service_elsewhere": 0.3},
                "worse in others",
            ),
            ({"p_over_constant": 0.02}, "not significantly"),
        ],
    )
    def test_the_verdict_names_the_unmet_condition(
        self, changed: dict[str, float], said: str
    ) -> None:
        verdict = decide([self.found(**changed)])[0]
        assert not verdict.passed
        assert said in verdict.verdict

    @pytest.mark.parametrize(
        ("first", "second", "passed"),
        [
            (0.004, 0.009, [True, True]),
            (0.009, 0.004, [True, True]),
            (0.006, 0.006, [False, False]),
            (0.004, 0.02, [True, False]),
        ],
    )
    def test_p_is_corrected_for_two_dimensions(
        self, first: float, second: float, passed: list[bool]
    ) -> None:
        both = [
            self.found(p_over_service=first),
            self.found(dimension="valence", p_over_service=second),
        ]
        assert [each.passed for each in decide(both)] == passed

    def test_an_unrated_dimension_does_not_affect_the_other(self) -> None:
        verdicts = decide([self.found(p_over_service=0.009), untestable("valence", rated())])
        assert [each.passed for each in verdicts] == [True, False]
        assert "are too few for a test" in verdicts[1].verdict

    def test_the_record_survives_the_manifest(self) -> None:
        record = BundleComparison(
            yardstick="starter-1",
            seed=1,
            folds=10,
            test="t",
            level=P_LEVEL,
            margin=MARGIN,
            left_out=0,
            dimensions=decide([self.found()]),
            corpora=None,
            passed=True,
            verdict="v",
        )
        assert BundleComparison.model_validate_json(record.model_dump_json()) == record


class TestWidening:
    def test_intervals_have_their_coverage_on_new_sounds(self) -> None:
        drawing = np.random.default_rng(3)
        held = []
        for _ in range(200):
            errors = drawing.normal(0.0, 0.3, 41)
            sounds = replace(rated(40), rating=np.clip(errors[:40], -1, 1))
            widening = widening_factor(sounds, np.zeros(40), np.full(40, 0.2))
            held.append(abs(errors[40]) <= 0.2 * widening)
        assert 0.74 <= np.mean(held) <= 0.88

    def test_few_annotations_never_narrow_intervals(self) -> None:
        few = rated(6)
        assert widening_factor(few, few.rating, np.full(6, 0.2)) == 1.0
        assert widening_factor(few, few.rating - 0.5, np.full(6, 0.2)) == pytest.approx(2.5)

    def test_many_annotations_can_narrow_intervals(self) -> None:
        many = rated(60)
        assert widening_factor(many, many.rating - 0.1, np.full(60, 0.2)) == pytest.approx(0.5)
