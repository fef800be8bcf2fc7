from __future__ import annotations

import numpy as np

from trainer.features.sketch import SKETCH_BYTES, likenesses, sketches_of

FEATURES = 700


def directions(count: int, seed: int) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(seed).normal(size=(count, FEATURES))
    drawn = drawn.astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def test_a_sketch_keeps_angles_to_about_a_tenth() -> None:
    wanted = directions(1, 1)
    others = directions(2000, 2)
    shares = np.linspace(0, 1, 2000, dtype=np.float32)[:, None]
    mixed = shares * wanted + (1 - shares) * others
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    own = sketches_of(wanted)[0]
    estimated = likenesses(sketches_of(mixed), own) / likenesses(own[None], own)[0]
    errors = estimated - mixed @ wanted[0]
    assert float(np.sqrt(np.mean(errors**2))) < SKETCH_BYTES**-0.5
    assert int(np.argmax(estimated)) >= 1900


def test_sketches_are_the_same_on_every_machine() -> None:
    direction = np.zeros((1, FEATURES), np.float32)
    direction[0, 0] = 1
    sketch = sketches_of(direction)[0]
    assert sketch.shape == (SKETCH_BYTES,)
    assert set(np.abs(sketch).tolist()) == {27}
    assert np.packbits(sketch > 0).tobytes().hex() == "345c50d79518b5b4d75e754c68a3ce3e"


def test_nothing_is_compared_with_nothing() -> None:
    assert (
        likenesses(np.empty((0, SKETCH_BYTES), np.int8), np.ones(SKETCH_BYTES, np.int8)).size == 0
    )
