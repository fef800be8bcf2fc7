from __future__ import annotations

from collections import Counter

import pytest

from tests.shared_data import CORPORA
from trainer.corpora.data_sets.importers import read_starter_corpora
from trainer.corpora.rated_clip import CorpusError, RatedClip


@pytest.mark.parametrize(("arousal", "weight"), [(1.5, 1.0), (float("nan"), 1.0), (0.0, 0.0)])
def test_an_invalid_clip_cannot_be_constructed(arousal: float, weight: float) -> None:
    with pytest.raises(CorpusError):
        RatedClip(
            path="x/audio/y.opus",
            corpus="x",
            domain="sound",
            arousal=arousal,
            valence=0.0,
            weight=weight,
            group="g",
            licence="none",
        )


@pytest.mark.skipif(not CORPORA.is_dir(), reason="needs the rated corpora in ../shared/data")
def test_all_corpora_of_the_starter_are_read() -> None:
    clips = read_starter_corpora(CORPORA)
    counts = Counter(clip.corpus for clip in clips)
    assert counts == {
        "vgmidi": 200, "emotify": 400, "sonancia": 39, "esc10": 64, "naturalsounds": 104,
        "tava": 352, "esc50": 361,
    }  # fmt: skip
    assert len({clip.path for clip in clips}) == len(clips)
    kinds = Counter(clip.domain for clip in clips)
    assert (kinds["music"], kinds["voice"]) == (617, 377)
    # A class that two corpora have is never on both sides of a split.
    laughing = {clip.group for clip in clips if "laughing" in clip.path}
    assert len(laughing) == 1
    assert all(clip.licence for clip in clips)
