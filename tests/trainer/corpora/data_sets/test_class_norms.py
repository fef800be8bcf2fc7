from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.trainer.corpora.folders import put_esc10, put_esc50, put_naturalsounds
from trainer.corpora.data_sets.class_norms import read_esc10, read_esc50, read_naturalsounds
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path


def test_norms_are_rescaled_from_one_to_nine(tmp_path: Path) -> None:
    put_naturalsounds(tmp_path, "doorbell,Doorbell,4,1,9", "piano,^Piano,10,5,7")
    doorbell, piano = read_naturalsounds(tmp_path)
    assert (doorbell.arousal, doorbell.valence, doorbell.domain) == (-1.0, 1.0, "sound")
    assert (piano.arousal, piano.valence, piano.domain) == (0.0, 0.5, "music")


def test_names_without_a_norm_are_skipped(tmp_path: Path) -> None:
    put_naturalsounds(tmp_path, "velcro,,,,", "zipper,Zipper,2,5,4")
    assert len(read_naturalsounds(tmp_path)) == 1


def test_norms_that_share_sounds_share_a_group(tmp_path: Path) -> None:
    put_naturalsounds(
        tmp_path,
        "telephone ringing,Phone|Telephong|^phone,4,6,4",
        "ringtone,^Ring\\d|Phone,6,6.2,4.1",
        "siren,^ring\\d,8,6.4,3.4",
        "zipper,Zipper,2,5,4",
    )
    groups = [clip.group for clip in read_naturalsounds(tmp_path)]
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_a_class_of_both_corpora_is_one_group(tmp_path: Path) -> None:
    put_naturalsounds(tmp_path, "helicopter,Helicopter,5,5.5,4.5", "zipper,Zipper,2,5,4")
    put_esc10(tmp_path, "helicopter,5.5,4.5", "rain,4.8,4.6")
    natural = {clip.group for clip in read_naturalsounds(tmp_path)}
    helicopter, rain = sorted({clip.group for clip in read_esc10(tmp_path)})
    assert helicopter in natural
    assert rain not in natural


def test_every_fifth_clip_of_a_class_is_used(tmp_path: Path) -> None:
    put_esc10(tmp_path, "rain,4.8,4.6", clips=11)
    clips = read_esc10(tmp_path)
    assert [clip.path[-9:] for clip in clips] == ["1-00.opus", "1-05.opus", "1-10.opus"]


@pytest.mark.parametrize("norm", ["rain,0.5,4", "rain,5,9.5", "rain,loud,4"])
def test_a_norm_off_the_scale_is_refused(tmp_path: Path, norm: str) -> None:
    put_esc10(tmp_path, norm)
    with pytest.raises(CorpusError, match="line 2, column"):
        read_esc10(tmp_path)


def test_a_class_without_sound_is_refused(tmp_path: Path) -> None:
    put_esc10(tmp_path, "rain,5,4", clips=0)
    with pytest.raises(CorpusError, match="rain"):
        read_esc10(tmp_path)


def test_classes_whose_patterns_share_a_word_are_one_group(tmp_path: Path) -> None:
    put_naturalsounds(tmp_path, "church bells,Bells|Gong,3,5,5", "zipper,Zipper,2,5,4")
    put_esc50(
        tmp_path,
        r"church-bells,^(Temple Bell|Bells)\d*$,5.3,4.7",
        r"pig,^(Pig|Hog)\d*$,5.6,3.0",
        "frog,,,",
    )
    bells, zipper = (clip.group for clip in read_naturalsounds(tmp_path))
    clips = read_esc50(tmp_path)
    assert [clip.path for clip in clips[:2]] == [
        "esc50/audio/church-bells/1-00.opus", "esc50/audio/church-bells/1-02.opus",
    ]  # fmt: skip
    assert len(clips) == 4
    assert {clip.group for clip in clips[:2]} == {bells}
    assert not {clip.group for clip in clips[2:]} & {bells, zipper}


def test_voices_are_a_kind_of_their_own(tmp_path: Path) -> None:
    put_naturalsounds(tmp_path, "laughing,Laugh,3,5,5", "zipper,Zipper,2,5,4")
    put_esc10(tmp_path, "baby-cry,6.2,3.8", clips=1)
    put_esc50(tmp_path, "laughing,^Laughing,5.8,4.5", "pig,^Pig,5.6,3.0", clips=1)
    assert [clip.domain for clip in read_naturalsounds(tmp_path)] == ["voice", "sound"]
    assert [clip.domain for clip in read_esc10(tmp_path)] == ["voice"]
    assert [clip.domain for clip in read_esc50(tmp_path)] == ["voice", "sound"]
