from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainer.features.extract import DESCRIPTORS
from trainer.features.packed_vector import is_packed
from trainer.features.vector_codec import pack, rounded, unpack, unpack_many

# As the module's docstring promises them.
RELATIVE_ERROR = 2.0**-10
SMALLEST = 2.0**-26
LARGEST = 2.0**38 * (1 - 2.0**-9)

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
vectors = arrays(np.float32, st.integers(0, 40), elements=finite)


@given(vectors)
def test_a_stored_vector_reads_back_the_same_ever_after(vector: np.ndarray) -> None:
    once = unpack(pack(vector))
    assert np.array_equal(unpack(pack(once)), once)
    assert np.array_equal(rounded(vector), once)
    assert np.isfinite(once).all()


@given(vectors)
def test_order_is_never_changed(vector: np.ndarray) -> None:
    ordered = np.sort(vector)
    assert (np.diff(unpack(pack(ordered)).astype(np.float64)) >= 0).all()


@given(arrays(np.float32, 20, elements=st.floats(SMALLEST, 2.0**37, width=32)), st.booleans())
def test_relative_error_is_bounded(vector: np.ndarray, negative: bool) -> None:  # noqa: FBT001
    values = -vector if negative else vector
    assert (np.abs(unpack(pack(values)) - values) <= RELATIVE_ERROR * vector).all()


def test_what_is_too_large_becomes_the_largest_and_too_small_becomes_zero() -> None:
    read = unpack(pack(np.array([3e38, -3e38, 1e-30, -1e-30, 0.0, -0.0], np.float32)))
    assert read.tolist() == [LARGEST, -LARGEST, 0, 0, 0, 0]
    assert not np.signbit(read[3:]).any()


def test_two_bytes_a_value() -> None:
    assert len(pack(np.ones(DESCRIPTORS, np.float32))) == 1 + 2 * DESCRIPTORS <= 14 * 1024


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        pack(np.array([0, wrong], np.float32))


@pytest.mark.parametrize("foreign", [b"", b"\x01\x00", b"\x02\x00\x00", b"\x00"])
def test_foreign_bytes_are_refused(foreign: bytes) -> None:
    with pytest.raises(ValueError, match="format 1"):
        unpack(foreign)


@given(arrays(np.float32, (3, 9), elements=finite))
def test_many_are_read_as_one_by_one(vectors: np.ndarray) -> None:
    packed = [pack(vector) for vector in vectors]
    assert all(is_packed(each, 9) for each in packed)
    np.testing.assert_array_equal(unpack_many(packed), [unpack(each) for each in packed])


@pytest.mark.parametrize(
    "foreign", [b"", b"\x01", b"\x02" + bytes(18), b"\x01" + bytes(17), b"\x01" + bytes(20), "text"]
)
def test_foreign_bytes_among_many_are_refused(foreign: bytes) -> None:
    assert not is_packed(foreign, 9)
    with pytest.raises(ValueError, match="of one length"):
        unpack_many([pack(np.ones(9, np.float32)), foreign])
    with pytest.raises(ValueError, match="of one length"):
        unpack_many([b"\x01\x02", b"\x01\x02"])
