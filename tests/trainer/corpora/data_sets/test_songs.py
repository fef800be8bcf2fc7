"""emoMusic and DEAM, which number the same songs alike."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.shared_data import REFERENCE
from tests.trainer.corpora.brought import asked, put_empty, put_songs, put_table
from trainer.corpora.data_sets.deam import read_deam
from trainer.corpora.data_sets.emomusic import emomusic_ratings, read_emomusic
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path

SONG_COUNT = 40


def drawn_ratings(seed: int = 3) -> list[tuple[object, ...]]:
    """Return rows of emoMusic: song, valence, its spread, arousal, its spread."""
    drawing = np.random.default_rng(seed)
    return [
        (song, round(v, 2), 1.2, round(a, 2), 1.5)
        for song, (v, a) in enumerate(drawing.uniform(2, 8, (SONG_COUNT, 2)), start=2)
    ]


def interchanged(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [(song, a, a_sd, v, v_sd) for song, v, v_sd, a, a_sd in rows]


def test_emomusic_is_read_and_its_artists_make_groups(tmp_path: Path) -> None:
    put_songs(tmp_path / "annotations", [(2, 9, 1, 1, 1), (3, 5, 2, 5, 2), (7, 3, 1, 3, 1)])
    put_table(
        tmp_path / "songs_info.csv",
        ("song_id", "file_name", "Artist", "Song title"),
        [(2, "2.mp3", " Ann\t", "x"), (3, "3.mp3", "ann", "y"), (9,)],
    )
    put_empty(tmp_path / "clips_45seconds", ["2.mp3", "3.mp3", "7.mp3"])
    reading = read_emomusic(asked(tmp_path))
    two, three, seven = reading.clips
    assert (two.arousal, two.valence) == (-1.0, 1.0)
    assert two.group == three.group == "freemusic:artist:ann"
    assert seven.group == "freemusic:song:7"
    assert two.weight > three.weight


@pytest.mark.parametrize("row", [(3, 0.5, 1, 5, 1), (3, 5, 1, 9.5, 1), (3, 5, -1, 5, 1)])
def test_a_number_off_the_scale_is_refused(tmp_path: Path, row: tuple[object, ...]) -> None:
    put_songs(tmp_path, [(2, 5, 1, 5, 1), row])
    put_empty(tmp_path, ["2.mp3", "3.mp3"])
    for read in (read_emomusic, read_deam):
        with pytest.raises(CorpusError, match="line 3, column"):
            read(asked(tmp_path))


def test_interchanged_columns_of_deam_are_swapped_back_and_noted(tmp_path: Path) -> None:
    rows = drawn_ratings()
    put_songs(tmp_path / "deam", [*interchanged(rows), (1500, 1, 1, 9, 1)])
    put_empty(tmp_path / "deam" / "audio", [f"{song}.mp3" for song, *_ in rows] + ["1500.mp3"])
    put_songs(tmp_path, rows, "emomusic.csv")
    known = emomusic_ratings(tmp_path / "emomusic.csv")
    reading = read_deam(asked(tmp_path / "deam", emomusic=known))
    (note,) = reading.notes
    assert "are interchanged; swapped back (40 songs in common" in note
    said = dict(zip(reading.items, reading.clips, strict=True))
    assert (said["2"].arousal, said["2"].valence) == pytest.approx(known["2"])
    # A table has one heading: what holds for the songs in common holds for the others in it.
    assert (said["1500"].arousal, said["1500"].valence) == (-1.0, 1.0)


def test_correct_columns_stay(tmp_path: Path) -> None:
    rows = drawn_ratings()
    put_songs(tmp_path, rows, "static_annotations_averaged_songs_1_2000.csv")
    put_songs(tmp_path, [(2001, 9, 1, 1, 1)], "static_annotations_averaged_songs_2000_2058.csv")
    put_songs(tmp_path, rows, "emomusic_static_annotations.csv")
    put_empty(tmp_path / "audio", ["2.mp3", "2001.mp3"])
    reading = read_deam(asked(tmp_path))
    assert "are correctly named" in reading.notes[0]
    assert "distributed table (0 songs in common" in reading.notes[1]
    early, late = reading.clips
    assert (late.arousal, late.valence) == (-1.0, 1.0)
    assert late.weight < early.weight


@pytest.mark.parametrize("why", ["not at hand", "unlike", "constant"])
def test_unverifiable_columns_are_noted_and_used_as_named(tmp_path: Path, why: str) -> None:
    rows = drawn_ratings()
    put_songs(tmp_path, rows)
    put_empty(tmp_path, ["2.mp3"])
    known = {
        "not at hand": None,
        "unlike": {str(song): (0.01 * i, -0.5) for i, (song, *_) in enumerate(drawn_ratings(4))},
        "constant": {str(song): (0.0, 0.0) for song, *_ in rows},
    }[why]
    reading = read_deam(asked(tmp_path, emomusic=known))
    assert "cannot be verified" in reading.notes[0]
    assert reading.clips[0].valence == pytest.approx((float(str(rows[0][1])) - 5) / 4)


def test_a_copy_of_a_table_is_refused(tmp_path: Path) -> None:
    put_songs(tmp_path, drawn_ratings())
    put_songs(tmp_path / "copy", drawn_ratings())
    put_empty(tmp_path, ["2.mp3"])
    with pytest.raises(CorpusError, match="rate the same songs"):
        read_deam(asked(tmp_path))
    with pytest.raises(CorpusError, match="two tables of ratings"):
        read_emomusic(asked(tmp_path))


def test_a_binary_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "static_annotations.csv").write_bytes(b"\xff\xfe\x00song_id,\x00")
    put_empty(tmp_path, ["2.mp3"])
    for read in (read_emomusic, read_deam):
        with pytest.raises(CorpusError, match=r"static_annotations\.csv") as caught:
            read(asked(tmp_path))
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the rating files are not beside the repository")
def test_the_real_tables_are_read_and_the_swap_in_deam_is_found(tmp_path: Path) -> None:
    for name in ("deam_static_annotations_averaged_songs.csv", "emomusic_static_annotations.csv"):
        shutil.copy(REFERENCE / name, tmp_path / name)
    put_empty(tmp_path / "audio", [f"{song}.mp3" for song in range(1, 2100)])
    reading = read_deam(asked(tmp_path))
    assert len(reading.clips) == 1802
    assert "are interchanged; swapped back (744 songs in common" in reading.notes[0]
    emomusic = read_emomusic(asked(tmp_path))
    assert len(emomusic.clips) == 744
    ours = dict(zip(reading.items, reading.clips, strict=True))
    pairs = [
        (ours[item].arousal, clip.arousal)
        for item, clip in zip(emomusic.items, emomusic.clips, strict=True)
    ]
    assert np.corrcoef(np.array(pairs).T)[0, 1] > 0.99
