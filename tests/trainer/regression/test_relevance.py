from __future__ import annotations

import numpy as np

from trainer.regression.relevance import RatedClips, relevance_of, same_norm, same_origin


def clips(kind: np.ndarray, corpus: np.ndarray, ratings: np.ndarray) -> RatedClips:
    return RatedClips(
        vectors=np.zeros((len(kind), 2), np.float32),
        ratings=ratings,
        weight=np.ones(len(kind)),
        kind=kind,
        corpus=corpus,
    )


def test_clips_of_a_corpus_share_an_origin_only_if_their_ratings_are_proxies() -> None:
    corpus = np.array(["true", "proxy", "true", "proxy", "half"])
    weight = np.array([1.0, 0.4, 0.2, 0.6, 0.51])
    found = same_origin(weight, corpus)
    assert np.argwhere(found).tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]


def test_only_repeated_ratings_of_one_corpus_are_the_norm_of_a_class() -> None:
    ratings = np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.3], [0.1, 0.2]])
    found = same_norm(ratings, np.array(["a", "a", "a", "b"]))
    assert np.argwhere(found).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


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
