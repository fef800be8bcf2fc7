"""Vectors of releases that did not describe texture are completed by an estimate of it."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.bundles.bundle import SHIPPED, TABLE
from trainer.features.extract import DESCRIPTORS, descriptor_names
from trainer.features.packed_vector import VALUES, VALUES_BEFORE_TEXTURE, is_packed, is_stored
from trainer.features.texture import TEXTURE, texture_names
from trainer.features.texture_estimate import shipped_estimate
from trainer.features.vector_codec import completed, pack, rounded, unpack_many
from trainer.regression.training_table import TrainingTable, decode_table


@pytest.fixture(scope="module")
def starter() -> TrainingTable:
    return decode_table((SHIPPED / TABLE).read_bytes(), "the starter")


def before(vectors: np.ndarray) -> np.ndarray:
    """Return vectors as an earlier release stored them."""
    return np.ascontiguousarray(vectors[:, :VALUES_BEFORE_TEXTURE])


def test_texture_is_what_was_added_at_the_end() -> None:
    assert VALUES == DESCRIPTORS == VALUES_BEFORE_TEXTURE + TEXTURE
    assert descriptor_names()[VALUES_BEFORE_TEXTURE:] == texture_names()


def test_it_rests_on_the_contours_of_compare() -> None:
    names = np.array(descriptor_names())[shipped_estimate().columns]
    assert "pcm_RMSenergy_sma_de_stddev" in names
    assert "voicingFinalUnclipped_sma_amean" in names
    assert not [name for name in names if name.startswith(("harmony", "texture"))]


def test_the_texture_of_known_clips_is_close(starter: TrainingTable) -> None:
    estimated = completed(before(starter.vectors))[:, -TEXTURE:]
    measured = starter.vectors[:, -TEXTURE:]
    explained = 1 - np.square(measured - estimated).mean(axis=0) / measured.var(axis=0)
    assert explained.min() > 0.5
    assert explained.mean() > 0.7


def test_one_vector_is_completed_as_among_many(starter: TrainingTable) -> None:
    vectors = before(starter.vectors[:50])
    together = completed(vectors)
    np.testing.assert_array_equal(together[:, :VALUES_BEFORE_TEXTURE], vectors)
    np.testing.assert_array_equal(np.vstack([completed(each[None]) for each in vectors]), together)
    np.testing.assert_array_equal(rounded(together), together)


@pytest.mark.parametrize("value", [0.0, 3e11, -3e11])
def test_absurd_vectors_get_a_texture_that_occurs(value: float) -> None:
    vector = np.full((1, VALUES_BEFORE_TEXTURE), value, np.float32)
    texture = completed(vector)[0, -TEXTURE:]
    estimate = shipped_estimate()
    assert (texture >= rounded(estimate.lowest)).all()
    assert (texture <= rounded(estimate.highest)).all()


def test_vectors_of_both_sizes_are_read_together(starter: TrainingTable) -> None:
    some = starter.vectors[:6]
    packed = [pack(each) for each in some[:3]] + [pack(each) for each in before(some[3:])]
    packed = [packed[place] for place in (0, 3, 1, 4, 5, 2)]
    read = unpack_many(packed)
    assert read.shape == (6, VALUES)
    np.testing.assert_array_equal(read[[0, 2, 5]], some[:3])
    np.testing.assert_array_equal(read[[1, 3, 4]], completed(before(some[3:])))


def test_a_stored_vector_may_be_of_an_earlier_release() -> None:
    old, new, other = (bytes([1]) + bytes(2 * size) for size in (VALUES - TEXTURE, VALUES, 40))
    assert [is_stored(each, VALUES) for each in (old, new, other, old[:-1])] == [
        True,
        True,
        False,
        False,
    ]
    assert not is_packed(old, VALUES)
    assert is_stored(other, 40)
    assert not is_stored(old, 40)


def test_a_table_of_an_earlier_release_is_completed(starter: TrainingTable) -> None:
    old = starter.with_descriptors(np.arange(VALUES_BEFORE_TEXTURE)).subset(np.arange(40))
    read = decode_table(old.encoded(), "old")
    np.testing.assert_array_equal(read.vectors, completed(old.vectors))
    np.testing.assert_array_equal(read.steadiness, starter.steadiness)
    np.testing.assert_array_equal(read.is_harmony, starter.is_harmony)
