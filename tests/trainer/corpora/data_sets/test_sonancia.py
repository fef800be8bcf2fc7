from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.corpora.folders import put_sonancia
from trainer.corpora.data_sets.sonancia import (
    AROUSAL_SCALE,
    bradley_terry,
    cluster_of,
    read_sonancia,
)
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("1_1_C1_20", "4_2_C2_5", "9_3_C3_35")


def test_strengths_follow_the_comparisons() -> None:
    pairs = [*pairwise("abcd")] * 5
    places = bradley_terry(pairs)
    assert sorted(places, key=places.__getitem__, reverse=True) == list("abcd")
    assert sum(places.values()) == pytest.approx(0.0, abs=1e-6)


def test_a_sound_that_always_wins_has_a_finite_strength() -> None:
    assert max(bradley_terry([("a", "b")] * 1000).values()) < 20


def test_two_strengths_maximise_the_posterior() -> None:
    # One comparison: the peak solves d/dx of log(1 + exp(-2x)) + x * x / 2 = 0 for places x and -x.
    place = bradley_terry([("a", "b")])["a"]
    assert place * 0.5 == pytest.approx(1 / (1 + np.exp(2 * place)), abs=1e-4)


def test_sounds_with_a_file_are_scaled_and_grouped_by_cluster(tmp_path: Path) -> None:
    pairs = f"{NAMES[0]},{NAMES[1]}\n{NAMES[1]},{NAMES[2]}\n"
    put_sonancia(tmp_path, pairs, NAMES)
    clips = read_sonancia(tmp_path)
    arousal = [clip.arousal for clip in clips]
    assert arousal == sorted(arousal, reverse=True)
    assert (np.mean(arousal), np.std(arousal)) == pytest.approx(AROUSAL_SCALE)
    assert [clip.group for clip in clips] == ["sonancia:1", "sonancia:2", "sonancia:3"]
    assert {clip.domain for clip in clips} == {"sound"}


def test_a_compared_sound_without_a_file_is_left_out(tmp_path: Path) -> None:
    pairs = f"{NAMES[0]},{NAMES[1]}\n{NAMES[1]},{NAMES[2]}\n"
    put_sonancia(tmp_path, pairs, NAMES[:2])
    assert len(read_sonancia(tmp_path)) == 2


@pytest.mark.parametrize("pairs", ["", "a\n", "a,b,c\n", "a,a\n", "a,\n"])
def test_lines_that_are_not_pairs_are_refused(tmp_path: Path, pairs: str) -> None:
    put_sonancia(tmp_path, pairs, NAMES)
    with pytest.raises(CorpusError, match=r"no pairs|not a pair"):
        read_sonancia(tmp_path)


def test_a_corpus_without_sound_is_refused(tmp_path: Path) -> None:
    put_sonancia(tmp_path, f"{NAMES[0]},{NAMES[1]}\n", ())
    with pytest.raises(CorpusError, match="none of the compared sounds"):
        read_sonancia(tmp_path)


def test_a_malformed_name_is_refused() -> None:
    with pytest.raises(CorpusError, match="9_3_C4_35"):
        cluster_of("9_3_C4_35")
