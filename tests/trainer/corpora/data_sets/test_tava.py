from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.trainer.corpora.folders import put_tava
from trainer.corpora.data_sets.tava import read_tava
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_speaker_is_a_group_of_voices(tmp_path: Path) -> None:
    put_tava(tmp_path, "s01,0.19,-0.3", "s01,0.7,0.6", "s02,-0.4,0.2")
    clips = read_tava(tmp_path)
    assert (clips[0].arousal, clips[0].valence) == (0.19, -0.3)
    assert {clip.domain for clip in clips} == {"voice"}
    assert [clip.group for clip in clips] == ["tava:s01", "tava:s01", "tava:s02"]


@pytest.mark.parametrize("row", ["s01,1.1,0", "s01,0,nan", "s01,loud,0"])
def test_a_rating_off_the_scale_is_refused(tmp_path: Path, row: str) -> None:
    put_tava(tmp_path, row)
    with pytest.raises(CorpusError, match="line 2, column"):
        read_tava(tmp_path)


def test_a_rated_clip_without_sound_is_refused(tmp_path: Path) -> None:
    put_tava(tmp_path, "s01,0,0")
    (tmp_path / "tava" / "audio" / "0.opus").unlink()
    with pytest.raises(CorpusError, match=r"0\.opus"):
        read_tava(tmp_path)
