from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.trainer.corpora.brought import asked, put_empty, put_table
from trainer.corpora.data_sets.csv_manifest import read_manifest
from trainer.corpora.rated_clip import CorpusError
from trainer.rating_scale import RatingScale

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.corpora.tables.rating_rows import RatingTable

PLAIN = ("path", "arousal", "valence")
FULL = (*PLAIN, "arousal_sd", "valence_sd", "raters", "group", "domain", "scale")


def test_the_required_columns_are_enough(tmp_path: Path) -> None:
    put_empty(tmp_path / "in", ["a.wav", "b.wav"])
    put_table(tmp_path / "manifest.csv", PLAIN, [("in/a.wav", 0.5, -1), ("./in/b.wav", 0, 0)])
    reading = read_manifest(asked(tmp_path))
    first, second = reading.clips
    assert (first.path, first.arousal, first.valence) == ("in/a.wav", 0.5, -1.0)
    assert second.path == "in/b.wav"
    assert first.group != second.group
    assert first.domain == "music"
    assert not reading.notes


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    put_empty(tmp_path, ["a.wav"])
    others = ("speaker", "Group", "\x1b[2J", "x" * 9999, *map(str, range(99)))
    put_table(tmp_path / "manifest.csv", PLAIN + others, [("a.wav", 0, 0, *others)])
    (note,) = read_manifest(asked(tmp_path)).notes
    assert "'speaker', 'Group', '\\x1b[2J', 'xxx" in note
    assert "group, domain, scale" in note
    assert len(note) < 300


def test_all_optional_columns_are_used(tmp_path: Path) -> None:
    put_empty(tmp_path, ["a.wav", "b.wav", "c.wav"])
    rows = [
        ("a.wav", 9, 1, 1, 1, 100, "x", "sound", "1:9"),
        ("b.wav", 50, 0, "", "", "", "x", "", ""),
        ("c.wav", 9, 1, 3, 3, 2, "", "music", "1:9"),
    ]
    table = put_table(tmp_path / "mine.csv", FULL, rows)
    reading = read_manifest(asked(table, scale=RatingScale(0, 100)))
    first, second, third = reading.clips
    assert (first.arousal, first.valence, first.domain) == (1.0, -1.0, "sound")
    assert (second.arousal, second.valence) == (0.0, -1.0)
    assert first.group == second.group != third.group
    assert first.weight > second.weight > third.weight
    assert read_manifest(asked(tmp_path, scale=RatingScale(0, 100))).clips == reading.clips


def test_sounds_outside_the_folder_or_missing_are_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    put_empty(tmp_path, ["outside.wav"])
    put_empty(folder, ["a.wav"])
    paths = ["a.wav", "../outside.wav", "/etc/passwd", "b.wav", "x/../../outside.wav", "\0.wav"]
    put_table(folder / "manifest.csv", PLAIN, [(path, 0, 0) for path in paths])
    reading = read_manifest(asked(folder))
    assert [clip.path for clip in reading.clips] == ["a.wav"]
    assert [each.fault for each in reading.skipped] == ["missing"] * 5
    assert sum("outside the folder" in each.reason for each in reading.skipped) == 3


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"arousal": 5}, "column arousal: 5 is not on the scale -1:1"),
        ({"arousal": "high"}, "column arousal: 'high' is not a number"),
        ({"scale": "9:1"}, "column scale: '9:1' is not a scale LOW:HIGH"),
        ({"scale": "nan:1"}, "column scale"),
        ({"domain": "speech"}, "column domain: 'speech' is none of music, voice and sound"),
        ({"raters": 0}, "column raters: 0 is not between 1"),
        ({"raters": "many"}, "column raters: 'many' is not a number"),
        ({"arousal_sd": -1}, "column arousal_sd: -1 is not between"),
    ],
)
def test_an_invalid_cell_is_reported_with_line_and_column(
    tmp_path: Path, cells: dict[str, object], told: str
) -> None:
    put_empty(tmp_path, ["a.wav"])
    right = dict.fromkeys(FULL, "") | {"path": "a.wav", "arousal": 0, "valence": 0}
    put_table(tmp_path / "manifest.csv", FULL, [tuple((right | cells).values())])
    with pytest.raises(CorpusError, match=f"line 2, {told}"):
        read_manifest(asked(tmp_path))


def test_one_sound_under_two_spellings_is_refused(tmp_path: Path) -> None:
    put_empty(tmp_path, ["a.wav"])
    put_table(tmp_path / "manifest.csv", PLAIN, [("a.wav", 0, 0), ("./a.wav", 1, 1)])
    with pytest.raises(CorpusError, match="rated twice"):
        read_manifest(asked(tmp_path))


def test_a_folder_without_manifest_or_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"no manifest.csv found; put one beside .* path,arousal,valence"
    ):
        read_manifest(asked(tmp_path))
    put_table(tmp_path / "manifest.csv", PLAIN, [("a.wav", 0, 0)])
    with pytest.raises(CorpusError, match="no sound file found"):
        read_manifest(asked(tmp_path))
    (tmp_path / "manifest.csv").write_bytes(b"path,arousal,valence\n\xff,0,0\n")
    with pytest.raises(CorpusError, match="not UTF-8"):
        read_manifest(asked(tmp_path))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("a.wav,0,0" + ",x" * 297 + "\n", "more than 200 columns"),
        ("a.wav,0,0\n" * 100_001, "more than 100000 rows"),
        (("a.wav,0,0" + ",x" * 97 + "\n") * 10_001, "more than 1000000 cells"),
        ("x" * 70_000, "a row of more than 65536 characters"),
        ('"' + "x\n" * 40_000, "a row of more than 65536 characters"),
    ],
    ids=["columns", "rows", "cells", "row", "cell"],
)
def test_a_manifest_beyond_a_limit_is_refused_by_its_name(
    tmp_path: Path, rows: str, told: str
) -> None:
    width = rows.partition("\n")[0].count(",") - 2
    heading = "path,arousal,valence" + "".join(f",c{n}" for n in range(max(width, 0)))
    (tmp_path / "manifest.csv").write_text(f"{heading}\n{rows}")
    with pytest.raises(CorpusError, match=told) as caught:
        read_manifest(asked(tmp_path))
    assert len(str(caught.value)) < 300


def test_a_manifest_that_never_ends_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(CorpusError):
        read_manifest(asked(tmp_path))


def divided(folder: Path, name: str, values: Sequence[str]) -> RatingTable:
    """Read a manifest with one more column."""
    names = [f"{i}.wav" for i in range(len(values))]
    put_empty(folder, names)
    rows = [
        (item, i / len(values), 0, value)
        for i, (item, value) in enumerate(zip(names, values, strict=True))
    ]
    put_table(folder / "manifest.csv", (*PLAIN, name), rows)
    return read_manifest(asked(folder))


def test_another_column_with_few_values_divides_the_clips(tmp_path: Path) -> None:
    values = [" Mali", "", "Japan", "Mali"]
    reading = divided(tmp_path, "culture of makers", values)
    assert reading.groupings == {"culture of makers": ("Mali", "", "Japan", "Mali")}
    assert reading.notes[1:] == ("for evaluate --by: culture of makers (2 values)",)
    (tmp_path / "2.wav").unlink()
    assert read_manifest(asked(tmp_path)).groupings == {}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("title", [f"song {i}" for i in range(51)]),
        ("taker", ["me", "me", ""]),
        ("corpus", ["a", "b"]),
        ("n" * 65, ["a", "b"]),
        ("culture\x1b[31m", ["a", "b"]),
        ("culture", ["a", "b\x1b[31m"]),
        ("culture", ["a", "b" * 101]),
    ],
)
def test_a_column_that_divides_nothing_is_not_kept(
    tmp_path: Path, name: str, values: list[str]
) -> None:
    reading = divided(tmp_path, name, values)
    assert reading.groupings == {}
    assert len(reading.notes) == 1


def test_very_many_columns_are_bounded(tmp_path: Path) -> None:
    put_empty(tmp_path, ["0.wav", "1.wav"])
    names = [f"column {i}" for i in range(100)]
    rows = [(f"{i}.wav", 0, i, *[f"{i}"] * 100) for i in (0, 1)]
    put_table(tmp_path / "manifest.csv", (*PLAIN, *names), rows)
    reading = read_manifest(asked(tmp_path))
    assert list(reading.groupings) == names[:20]
