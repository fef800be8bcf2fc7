from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.sounds import music_like, write_audio
from trainer.features.extract import CANONICAL, extract_features
from trainer.regression.equal_level import at_usual_level, level_powers
from trainer.regression.level_curve import RMS_DESCRIPTOR, VECTOR_SIZE, level_db

if TYPE_CHECKING:
    from pathlib import Path


def equalised(vectors: np.ndarray) -> np.ndarray:
    return at_usual_level(vectors, level_powers(vectors.shape[1]), level_db(vectors))


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder: Path = tmp_path_factory.mktemp("copies")
    vectors = []
    for name, gain in (("loud.wav", 1.0), ("quiet.wav", 0.1)):
        write_audio(folder / name, gain * music_like(5.0))
        vectors.append(extract_features(folder / name, CANONICAL).vector)
    return np.stack(vectors)


def test_a_quiet_copy_differs_by_the_powers_of_its_level_only(copies: np.ndarray) -> None:
    grown = np.flatnonzero(level_powers(VECTOR_SIZE))
    assert len(grown) == 7 * 42
    assert level_db(copies) @ [1, -1] == pytest.approx(20.0, abs=0.05)
    loud, quiet = copies[:, grown].astype(np.float64)
    assert (np.abs(quiet) < 0.25 * np.abs(loud)).mean() > 0.95
    loud, quiet = equalised(copies)[:, grown].astype(np.float64)
    alike = np.abs(quiet - loud) <= 0.05 * np.abs(loud)
    assert alike.mean() > 0.95


def test_other_descriptors_stay(copies: np.ndarray) -> None:
    stay = level_powers(VECTOR_SIZE) == 0
    np.testing.assert_array_equal(equalised(copies)[:, stay], copies[:, stay])


def test_vectors_of_another_size_stay() -> None:
    vectors = np.ones((2, 30), dtype=np.float32)
    assert equalised(vectors) is vectors


@pytest.mark.parametrize("rms", [0.0, 1e-30, 1e30])
def test_no_level_makes_a_value_infinite(rms: float) -> None:
    vectors = np.full((1, VECTOR_SIZE), 1e30, dtype=np.float32)
    vectors[0, RMS_DESCRIPTOR] = rms
    assert np.isfinite(equalised(vectors)).all()
