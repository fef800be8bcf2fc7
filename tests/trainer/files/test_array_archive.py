from __future__ import annotations

import io

import numpy as np
import pytest

from trainer.files.array_archive import read_arrays
from trainer.regression.training_table import decode_table
from trainer.trainer_errors import BundleCorrupt


def archived(**arrays: object) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def test_arrays_come_back_by_name() -> None:
    found = read_arrays(archived(a=np.arange(3), b=np.array("x")), 10_000)
    assert sorted(found) == ["a", "b"]
    assert found["a"].tolist() == [0, 1, 2]


def test_arrays_that_would_fill_the_memory_are_not_unpacked() -> None:
    content = archived(low=np.zeros(1 << 22, np.uint8))
    assert len(content) < 1 << 14
    with pytest.raises(ValueError, match="more than the 1048576 allowed"):
        read_arrays(content, 1 << 20)


def test_objects_are_not_unpickled() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(archived(a=np.array([{}], dtype=object)), 10_000)


def test_a_table_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.regression.training_table._MOST_BYTES", 1 << 20)
    with pytest.raises(BundleCorrupt, match="more than the 1048576 allowed"):
        decode_table(archived(low=np.zeros(1 << 22, np.uint8)), "stranger")
