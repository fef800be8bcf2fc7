from __future__ import annotations

import numpy as np
import pytest

from trainer.regression.interval_widths import HeldOutErrors, fit_widths

LEVEL = 0.8


def errors_of(
    corpus: str, kind: str, size: float, clips: int = 400, groups: int = 400
) -> HeldOutErrors:
    drawing = np.random.default_rng(len(corpus))
    return HeldOutErrors(
        corpus=np.full(clips, corpus),
        group=np.array([f"{corpus} {number % groups}" for number in range(clips)]),
        kind=np.full(clips, kind),
        errors=size * np.abs(drawing.normal(size=(clips, 2))),
        novelty=np.ones(clips),
    )


def half_width(found: list[HeldOutErrors], kind: int, novelty: float = 1.0) -> float:
    sure = np.zeros((1, 3))
    sure[0, kind] = 1.0
    return float(fit_widths(found, LEVEL).half_widths(sure, np.array([novelty]))[0, 0])


def test_a_width_holds_its_share_of_a_new_corpus() -> None:
    # Of a normal distribution, 80 % lies within 1.28 standard deviations.
    assert half_width([errors_of("a", "music", 0.2)], 0) == pytest.approx(0.256, abs=0.03)


def test_a_kind_has_the_width_of_its_worst_corpus() -> None:
    easy, hard = errors_of("a", "music", 0.1), errors_of("bb", "music", 0.3)
    assert half_width([easy, hard], 0) == pytest.approx(half_width([hard], 0), rel=0.1)


def test_of_a_kind_that_no_corpus_was_left_out_for_nothing_is_known() -> None:
    found = [errors_of("a", "music", 0.1), errors_of("bb", "voice", 0.1, clips=19)]
    assert half_width(found, 1) == 0.8
    assert half_width(found, 2) == 0.8
    assert half_width([], 0) == 0.8


def test_few_groups_say_less_than_many() -> None:
    many = [errors_of("a", "sound", 0.2)]
    few = [errors_of("a", "sound", 0.2, groups=5)]
    assert half_width(few, 2) > 1.2 * half_width(many, 2)


def test_novel_sounds_have_wider_intervals_where_errors_grow_with_novelty() -> None:
    given = errors_of("a", "music", 0.1)
    novelty = np.linspace(0.5, 1.5, len(given.kind))
    grown = given._replace(errors=given.errors * novelty[:, None], novelty=novelty)
    usual = half_width([grown], 0, 1.0)
    assert half_width([grown], 0, 1.4) > 1.2 * usual
    # What resembles the fitted clips may err all the same.
    assert half_width([grown], 0, 0.1) == usual
    assert half_width([grown], 0, 1e9) == pytest.approx(1.8 * usual)
