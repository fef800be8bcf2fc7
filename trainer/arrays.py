"""Array types that the trainer's modules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
"""Sound samples and feature vectors."""
