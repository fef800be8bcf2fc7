from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.corpora.folders import put_emotify
from trainer.corpora.data_sets.emotify import AROUSAL_SCALE, VALENCE_SCALE, read_emotify
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path

# amazement, solemnity, tenderness, nostalgia, calmness, power, joyful_activation, tension, sadness
CALM = "0,0,1,0,1,0,0,0,0"
TENSE = "0,0,0,0,0,1,0,1,0"
SAD = "0,0,0,0,0,0,0,0,1"
JOYFUL = "0,0,0,0,0,0,1,0,0"


def test_proxies_have_the_signs_centre_and_spread_that_are_documented(tmp_path: Path) -> None:
    put_emotify(tmp_path, CALM, TENSE, SAD, JOYFUL)
    calm, tense, sad, joyful = clips = read_emotify(tmp_path)
    assert tense.arousal > joyful.arousal > sad.arousal > calm.arousal
    assert calm.valence > joyful.valence > tense.valence == sad.valence
    arousal, valence = ([getattr(c, d) for c in clips] for d in ("arousal", "valence"))
    assert (np.mean(arousal), np.std(arousal)) == pytest.approx(AROUSAL_SCALE)
    assert (np.mean(valence), np.std(valence)) == pytest.approx(VALENCE_SCALE)
    assert len({clip.group for clip in clips}) == 4


def test_a_share_above_one_is_refused(tmp_path: Path) -> None:
    put_emotify(tmp_path, CALM, TENSE.replace("1", "14"))
    with pytest.raises(CorpusError, match=r"line 3, column .*: 14 is not between 0 and 1"):
        read_emotify(tmp_path)


def test_tracks_with_equal_shares_are_refused(tmp_path: Path) -> None:
    put_emotify(tmp_path, CALM, CALM)
    with pytest.raises(CorpusError, match="nothing to learn"):
        read_emotify(tmp_path)
