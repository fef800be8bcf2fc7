"""Sounds that no recording is like, for which descriptors must be finite all the same."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

_RATE_HZ: Final = 12800

ODD_SOUNDS: Final = [
    pytest.param(np.ones(_RATE_HZ, np.float32), id="constant"),
    pytest.param(np.eye(1, _RATE_HZ, 5000, dtype=np.float32)[0], id="one click"),
    pytest.param(np.resize(np.array([1, -1], np.float32), _RATE_HZ), id="at the highest rate"),
    pytest.param(np.full(_RATE_HZ, 1e-38, np.float32), id="almost nothing"),
    pytest.param(np.ones(1, np.float32), id="one sample"),
]
