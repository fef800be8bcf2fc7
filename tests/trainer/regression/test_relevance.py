from __future__ import annotations

import numpy as np

from trainer.regression.relevance import RatedClips, relevance_of


def clips(kind: np.ndarray, corpus: np.ndarray, ratings: np.ndarray) -> RatedClips:
    return RatedClips(
        vectors=np.zeros((len(kind), 2), np.float32),
        ratings=ratings,
        weight=np.ones(len(kind)),
        kind=kind,
        corpus=corpus,
    )


def test_an_everyday_sound_counts_as_much_as_three_pieces_of_music() -> None:
    """Descriptor 0 says the ratings of music, descriptor 1 those of sounds."""
    drawing = np.random.default_rng(1)
    found = {}
    for sounds in (150, 50):
        kind = np.array(["music"] * 150 + ["sound"] * sounds)
        scores = drawing.normal(size=(len(kind), 2)).astype(np.float32)
        ratings = np.where(kind == "music", scores[:, 0], scores[:, 1])[:, None].astype(float)
        relevance = relevance_of(scores, clips(kind, kind, ratings))
        found[sounds] = relevance[0, 1] / relevance[0, 0]
    assert 2.5 < found[150] < 3.5
    assert 0.8 < found[50] < 1.2
