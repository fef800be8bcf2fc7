from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.shared_data import REFERENCE
from tests.trainer.corpora.brought import asked, put_empty, put_pmemo
from trainer.corpora.data_sets.pmemo import read_pmemo
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path


def test_ratings_are_rescaled_and_songs_of_one_artist_grouped(tmp_path: Path) -> None:
    put_pmemo(tmp_path, [(1, 0.4, 0.575), (4, 1, 0), (5, "0.15", "0.2")])
    put_empty(tmp_path / "chorus", ["1.mp3", "4.mp3", "5.mp3"])
    reading = read_pmemo(asked(tmp_path))
    assert reading.items == ("1", "4", "5")
    first, second, third = reading.clips
    assert (first.arousal, first.valence) == pytest.approx((-0.2, 0.15))
    assert (second.arousal, second.valence) == (1.0, -1.0)
    assert first.group == second.group != third.group
    assert {clip.domain for clip in reading.clips} == {"music"}
    assert {clip.path for clip in reading.clips} == {f"chorus/{n}.mp3" for n in (1, 4, 5)}
    assert not reading.skipped


def test_missing_doubled_and_unrated_songs_are_skipped_with_reasons(tmp_path: Path) -> None:
    rows = [(1, 0.4, 0.5), (4, 0.4, 0.5), (5, "", "NA"), (6, 0.1, 0.1), (6, 0.2, 0.2), ("", 0, 0)]
    put_pmemo(tmp_path, [*rows, (7, 0.1, 0.9)])
    put_empty(tmp_path / "chorus", ["1.mp3", "5.mp3", "6.mp3", "7.mp3", "7.wav", "99.mp3"])
    put_empty(tmp_path / "chorus", ["._1.mp3", "notes.txt"])
    reading = read_pmemo(asked(tmp_path))
    assert reading.items == ("1",)
    assert Counter(each.fault for each in reading.skipped) == {
        "missing": 1, "doubled": 2, "unrated": 3,
    }  # fmt: skip
    told = {each.item: each.reason for each in reading.skipped}
    assert told["6"] == "rated twice, in lines 5 and 6; neither rating is used"
    assert told["7"].startswith("several sounds have this name (chorus/7.mp3, chorus/7.wav)")
    assert "no row" in told["chorus/99.mp3"]


def test_static_features_do_not_replace_the_sounds(tmp_path: Path) -> None:
    put_pmemo(tmp_path, [(1, 0.4, 0.5)])
    put_empty(tmp_path / "features", ["static_features.csv"])
    with pytest.raises(CorpusError, match=r"static_features.csv cannot replace it.* ask"):
        read_pmemo(asked(tmp_path))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((4, 4.5, 0.5), r"line 3, column Arousal\(mean\): 4.5 is not on the scale 0:1"),
        ((4, 0.5, "loud"), r"line 3, column Valence\(mean\): 'loud' is not a number"),
        ((4, "inf", 0.5), "'inf' is not a number"),
        ((4, 0.5), "line 3: 2 cells, not 3"),
    ],
)
def test_an_invalid_table_is_refused_as_a_whole(
    tmp_path: Path, row: tuple[object, ...], told: str
) -> None:
    put_pmemo(tmp_path, [(1, 0.4, 0.5), row])
    put_empty(tmp_path / "chorus", ["1.mp3", "4.mp3"])
    with pytest.raises(CorpusError, match=told) as caught:
        read_pmemo(asked(tmp_path))
    assert "\n" not in str(caught.value)


def test_ratings_of_another_scale_are_detected_by_their_span(tmp_path: Path) -> None:
    put_pmemo(tmp_path, [(i, 0.01 + i / 1e4, 0.02 + i / 1e4) for i in range(12)])
    put_empty(tmp_path / "chorus", ["1.mp3"])
    with pytest.raises(CorpusError, match="close together on the scale 0:1"):
        read_pmemo(asked(tmp_path))


def test_a_folder_without_ratings_or_sounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no ratings"):
        read_pmemo(asked(tmp_path))
    put_pmemo(tmp_path, [(1, 0.4, 0.5)])
    with pytest.raises(CorpusError, match="no folder chorus"):
        read_pmemo(asked(tmp_path))
    (tmp_path / "chorus").mkdir()
    with pytest.raises(CorpusError, match="no sound file found"):
        read_pmemo(asked(tmp_path))
    shutil.copy(
        tmp_path / "annotations" / "static_annotations.csv", tmp_path / "static_annotations.csv"
    )
    with pytest.raises(CorpusError, match="two tables of ratings"):
        read_pmemo(asked(tmp_path))


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the rating files are not beside the repository")
def test_the_real_ratings_are_read(tmp_path: Path) -> None:
    for name in ("static_annotations.csv", "metadata.csv"):
        shutil.copy(REFERENCE / f"pmemo_{name}", tmp_path / name)
    put_empty(tmp_path / "chorus", [f"{number}.mp3" for number in range(1, 1001)])
    reading = read_pmemo(asked(tmp_path))
    assert len(reading.clips) == 767
    assert 300 < len({clip.group for clip in reading.clips}) < 450
    assert {each.fault for each in reading.skipped} == {"unrated"}
