from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import spearmanr

from trainer.features.extract import descriptor_names
from trainer.regression.affect_regressor import AffectRegressor
from trainer.regression.heard_descriptors import heard_descriptors
from trainer.regression.level_curve import RMS_DESCRIPTOR, VECTOR_SIZE

if TYPE_CHECKING:
    from trainer.regression.kind_kernel import KindKernel

MUSIC, SOUNDS = 40, 60
SHARPNESS = "pcm_fftMag_psySharpness_sma_amean"


def full_vectors(seed: int) -> np.ndarray:
    """Return noise of one level, in which music can be told and only what is heard matters."""
    vectors = np.random.default_rng(seed).normal(size=(MUSIC + SOUNDS, VECTOR_SIZE))
    vectors[:MUSIC, 100:400] += 2.0
    vectors[:, RMS_DESCRIPTOR] = 0.1
    return vectors.astype(np.float32)


def arousal_of(vectors: np.ndarray) -> np.ndarray:
    matters = heard_descriptors(VECTOR_SIZE)[::4]
    arousal: np.ndarray = 0.4 * np.tanh(vectors[:, matters].mean(axis=1) * len(matters) ** 0.5)
    return arousal


def fitted(heard: float, slope: float) -> KindKernel:
    vectors = full_vectors(1)
    arousal = arousal_of(vectors)
    kinds = np.array(["music"] * MUSIC + ["sound"] * SOUNDS)
    regressor = AffectRegressor(heard=heard, heard_slope=slope, noise=0.3, shared=0.5)
    kernel: KindKernel = regressor.fit(vectors, arousal, kind=kinds).kind_kernel_
    return kernel


@pytest.fixture(scope="module")
def kernel() -> KindKernel:
    return fitted(1.0, 0.3)


def test_they_are_known_by_name_and_only_in_our_vectors() -> None:
    chosen = heard_descriptors(VECTOR_SIZE)
    assert len(chosen) == 51
    assert (np.diff(chosen) > 0).all()
    assert SHARPNESS in np.array(descriptor_names())[chosen]
    assert len(heard_descriptors(30)) == 0


def test_a_few_sounds_teach_what_is_heard(kernel: KindKernel) -> None:
    unmet = full_vectors(2)[MUSIC:]
    agreement = [
        spearmanr(each.predict(unmet).affect[:, 0], arousal_of(unmet))[0]
        for each in (fitted(0.0, 0.0), kernel)
    ]
    assert agreement[1] > agreement[0] + 0.2


def test_what_is_surely_no_music_is_alike_by_all_of_them_equally(kernel: KindKernel) -> None:
    heard, far = kernel.known_heard[-2:], np.full(2, -500.0)
    beside = kernel.beside(heard, np.array([[0.1, 0.2, 0.7], [0.4, 0.0, 0.6]]), far)
    apart = np.square(heard[:, None] - kernel.known_heard).mean(axis=2)
    alike = 1.0 / (1.0 + apart) + 0.3 * (heard @ kernel.known_heard.T) / 51
    surely = np.maximum(0.0, 1.0 - 2.0 * kernel.kinds[:, 0])
    assert surely[-1] > 0.5
    np.testing.assert_allclose(beside, np.outer([0.8, 0.2], surely) * alike, atol=1e-5)


def test_music_has_no_part_in_it(kernel: KindKernel) -> None:
    doubtful = np.array([[1.0, 0.0, 0.0], [0.5, 0.2, 0.3]])
    assert not kernel.beside(kernel.known_heard[-2:], doubtful, np.full(2, -500.0)).any()


def test_it_is_restored_from_the_table(kernel: KindKernel) -> None:
    vectors = full_vectors(2)[:5]
    again = kernel.detached()
    again.attach(full_vectors(1))
    np.testing.assert_array_equal(again.known_heard, kernel.known_heard)
    np.testing.assert_allclose(
        again.predict(vectors).affect, kernel.predict(vectors).affect, atol=1e-6
    )
