from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.trainer.corpora.folders import put_vgmidi
from trainer.corpora.data_sets.vgmidi import read_vgmidi
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path


def test_ratings_are_not_rescaled(tmp_path: Path) -> None:
    put_vgmidi(tmp_path, "audio/a.opus,-0.25,0.5,Zelda\naudio/b.opus,1,-1,Mario\n")
    first, second = read_vgmidi(tmp_path)
    assert (first.path, first.arousal, first.valence) == ("vgmidi/audio/a.opus", -0.25, 0.5)
    assert (first.domain, first.weight) == ("music", 1.0)
    assert first.group != second.group
    assert (second.arousal, second.valence) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("audio/a.opus,high,0.5,Zelda\n", "line 2, column arousal: 'high' is not a number"),
        ("audio/a.opus,,0.5,Zelda\n", "line 2, column arousal: '' is not a number"),
        ("audio/a.opus,nan,0.5,Zelda\n", "'nan' is not a number"),
        ("audio/a.opus,0,inf,Zelda\n", "'inf' is not a number"),
        ("audio/a.opus,0,0,Zelda\naudio/b.opus,0,7.5,Zelda\n", "line 3, column valence: 7.5"),
        ("audio/a.opus,0,0\n", "line 2: 3 cells, not 4"),
        ("audio/a.opus,0,0,Zelda\naudio/a.opus,1,0,Zelda\n", "audio/a.opus is rated twice"),
        ("audio/gone.opus,0,0,Zelda\n", "gone.opus: rated, but no such file"),
        ("../../etc/passwd,0,0,Zelda\n", "leaves the folder of its corpus"),
        ("/etc/passwd,0,0,Zelda\n", "leaves the folder of its corpus"),
        ("", "no ratings below the heading"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: str, complaint: str) -> None:
    put_vgmidi(tmp_path, rows)
    with pytest.raises(CorpusError, match="vgmidi") as caught:
        read_vgmidi(tmp_path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    put_vgmidi(tmp_path, "audio/a.opus,0.1,Zelda\n", heading="path,arousal,group")
    with pytest.raises(CorpusError, match="no column named valence"):
        read_vgmidi(tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"ratings\.csv: No such file"):
        read_vgmidi(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b'path,"arousal\n'])
def test_a_file_that_is_not_a_table_is_refused(tmp_path: Path, content: bytes) -> None:
    put_vgmidi(tmp_path, "")
    (tmp_path / "vgmidi" / "ratings.csv").write_bytes(content)
    with pytest.raises(CorpusError):
        read_vgmidi(tmp_path)
