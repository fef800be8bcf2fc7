from __future__ import annotations

import numpy as np
import pytest

from trainer.features.extract import descriptor_names
from trainer.regression.level_curve import (
    RMS_DESCRIPTOR,
    USUAL_DB,
    VECTOR_SIZE,
    level_db,
    level_shift,
)


def test_level_is_the_root_mean_square_of_the_vector() -> None:
    names = descriptor_names()
    assert len(names) == VECTOR_SIZE
    assert names[RMS_DESCRIPTOR] == "pcm_RMSenergy_sma_rqmean"
    vectors = np.zeros((3, VECTOR_SIZE), dtype=np.float32)
    vectors[:, RMS_DESCRIPTOR] = (0.1, 0.0, 1e9)
    assert level_db(vectors).tolist() == pytest.approx([-20.0, -100.0, 0.0])


def test_louder_sounds_arouse_more_and_please_less() -> None:
    quiet, usual, loud = level_shift(np.array([-30.0, USUAL_DB, -8.0]))
    assert usual.tolist() == [0.0, 0.0]
    assert quiet[0] < 0 < loud[0]
    assert quiet[1] > 0 > loud[1]


def test_beyond_the_levels_of_its_sounds_the_curve_stays() -> None:
    ends = level_shift(np.array([-100.0, -28.0, -8.0, 0.0]))
    assert ends[0].tolist() == ends[1].tolist()
    assert ends[2].tolist() == ends[3].tolist()


def test_a_vector_without_level_counts_as_usual() -> None:
    assert level_db(np.ones((2, 30), dtype=np.float32)).tolist() == [USUAL_DB, USUAL_DB]
