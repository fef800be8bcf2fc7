"""Rated data sets are brought in by the real command, and heard by real workers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.driving import PATIENCE_S
from tests.sounds import noise, silence, write_audio
from tests.trainer.corpora.brought import iads_row, put_pmemo, put_sounds, put_table, put_workbook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.driving import Valenced

SOUNDS = 60
"""Enough that an import is met at work."""


@pytest.fixture
def pmemo(tmp_path: Path) -> Path:
    folder = tmp_path / "PMEmo"
    put_pmemo(folder, [(1, 0.4, 0.6), (4, 0.9, 0.2), (5, 0.1, 0.5), (6, 0.2, 0.3), (7, 0.5, 0.5)])
    put_sounds(folder / "chorus", ["1.mp3", "4.mp3"])
    (folder / "chorus" / "5.mp3").write_bytes(b"no sound at all")
    (folder / "chorus" / "7.mp3").write_bytes((folder / "chorus" / "1.mp3").read_bytes())
    return folder


def heard(state: Path) -> dict[Path, int]:
    """Return the sounds that were heard, and when each was kept."""
    kept = (state / "corpora" / ".heard").rglob("*")
    return {path: path.stat().st_mtime_ns for path in kept if path.is_file()}


def finished(state: Path) -> dict[Path, int]:
    """Return of what was heard that which no kill broke off."""
    return {path: at for path, at in heard(state).items() if not path.suffix}


def test_a_data_set_is_imported_listed_and_removed(
    valenced: Valenced, pmemo: Path, tmp_path: Path
) -> None:
    added = valenced.read("corpus", "add", "pmemo", pmemo)
    assert (added["clips"], added["domains"], added["items"]) == (2, {"music": 2}, ["1", "4"])
    assert {each["item"]: each["fault"] for each in added["skipped"]} == {
        "5": "unreadable", "6": "missing", "7": "doubled",
    }  # fmt: skip
    assert "2 clips in 1 group imported; " in valenced.stderr
    (row,) = valenced.read("corpus", "list")
    assert (row["name"], row["usable"], row["skipped"]) == ("pmemo", True, 3)
    assert "pmemo, 2 clips (2 music)" in valenced("corpus", "list").decode()
    first = heard(tmp_path / "state")
    assert len(first) == 2
    valenced("corpus", "add", "pmemo", pmemo, exit_code=1)
    assert "valenced corpus remove pmemo" in valenced.stderr
    valenced("corpus", "remove", "pmemo")
    assert valenced.read("corpus", "list") == []
    told = valenced("corpus", "add", "pmemo", pmemo, "--name", "again").decode()
    assert "missing  6: rated, but there is no such sound" in told
    assert heard(tmp_path / "state") == first


def test_an_import_that_is_killed_leaves_nothing_half_done_and_continues(
    valenced: Valenced, tmp_path: Path
) -> None:
    folder, state = tmp_path / "mine", tmp_path / "state"
    put_sounds(folder, [f"{i}.wav" for i in range(SOUNDS)])
    rows = [(f"{i}.wav", i / SOUNDS, -i / SOUNDS) for i in range(SOUNDS)]
    put_table(folder / "manifest.csv", ("path", "arousal", "valence"), rows)
    line = ("corpus", "add", "manifest", folder, "--set", "analysis.workers=1")
    with valenced.start(*line) as adding:
        adding.wait_until(lambda: heard(state))
        adding.process.send_signal(signal.SIGKILL)
        adding.process.wait(PATIENCE_S)
    before = finished(state)
    assert valenced.read("corpus", "list") == []
    with valenced.start(*line) as adding:
        adding.wait_until(lambda: len(finished(state)) > len(before))
        assert adding.stop(signal.SIGINT) == 130
    assert valenced.read("corpus", "list") == []
    valenced(*line)
    assert valenced.read("corpus", "list")[0]["clips"] == SOUNDS
    after = finished(state)
    assert before.items() <= after.items()
    assert len(after) == SOUNDS


def test_iads_with_its_music_moved(valenced: Valenced, tmp_path: Path) -> None:
    folder = tmp_path / "IADS-E"
    rows = [iads_row("0001", "Song1", 2, 8, category="Music"), iads_row("0002", "Rain", 3, 7)]
    put_workbook(folder / "Sound Ratings.xlsx", [*rows, iads_row("0003", "Quiet", 1, 5)])
    put_sounds(folder / "sounds", ["0001.wav", "0002.wav"])
    write_audio(folder / "sounds" / "0003.wav", silence(1, 16000), 16000)
    added = valenced.read("corpus", "add", "iads-e", folder)
    assert added["domains"] == {"music": 1, "sound": 1}
    assert added["skipped"] == [
        {"item": "0003", "fault": "unreadable", "reason": "nothing but silence"}
    ]
    dropped = valenced.read(
        "corpus", "add", "iads-e", folder, "--name", "sounds", "--music", "drop"
    )
    assert dropped["domains"] == {"sound": 1}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["vgmidi", "."], "'vgmidi' is not one of"),
        (["pmemo", ".", "--music", "keep"], "--music is only for iads-e and iads-2"),
        (["deam", ".", "--scale", "1:9"], "--scale is only for manifest"),
        (["manifest", ".", "--scale", "9"], "LOW:HIGH"),
        (["pmemo"], "Missing argument"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    valenced: Valenced, arguments: list[str], told: str
) -> None:
    valenced("corpus", "add", *arguments, exit_code=2)
    assert told in valenced.stderr


def test_an_unusable_data_set_is_one_line_and_nothing_is_kept(
    valenced: Valenced, tmp_path: Path
) -> None:
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    for kind in ("pmemo", "iads-e", "iads-2", "deam", "emomusic", "manifest"):
        valenced("corpus", "add", kind, folder, exit_code=1)
        assert valenced.stderr.count("\n") == 1
        assert "\x1b" not in valenced.stderr
    valenced("corpus", "add", "pmemo", tmp_path / "nowhere", exit_code=1)
    assert "name the folder" in valenced.stderr
    put_sounds(folder, ["0001.wav"])
    put_workbook(folder / "Sound Ratings.xlsx", [iads_row("0001", "a", 0.4, 0.5)])
    valenced("corpus", "add", "iads-e", folder, exit_code=1)
    assert "0.4 is not on the scale 1:9" in valenced.stderr
    valenced("corpus", "add", "pmemo", folder, "--name", "../../elsewhere", exit_code=1)
    assert "is not a corpus name" in valenced.stderr
    assert valenced.read("corpus", "list") == []
    valenced("train", exit_code=1)
    assert "nothing is annotated yet, and there is no corpus" in valenced.stderr
    assert not valenced.catalogue.exists()


def iads(folder: Path, last: Any, *, sheet: str = "SoundsAll", times: float = 1) -> None:
    """Put twelve rated sounds, the last of which has the given arousal."""
    felt = [times * (1 + number / 2) for number in range(11)]
    rows = [iads_row(f"{i:04}", f"thing {i}", each, each) for i, each in enumerate([*felt, last])]
    put_workbook(folder / "Sound Ratings.xlsx", rows, sheet=sheet)
    put_sounds(folder / "sounds", [f"{i:04}.wav" for i in range(12)])


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "wrong sheet": (
        lambda folder: iads(folder, 2, sheet="Sheet1"),
        "no sheet SoundsAll, only Read me, Sheet1; use the original workbook",
    ),
    "from 0 to 1 where 1 to 9 is declared": (
        lambda folder: iads(folder, 0.9, times=0.1),
        (
            "line 2, column AroMN: 0.1 is not on the scale 1:9, and the column runs "
            "from 0.1 to 0.9; correct one or the other; nothing was imported"
        ),
    ),
    "one outside the scale": (
        lambda folder: iads(folder, 9.5),
        (
            "line 13, column AroMN: 9.5 is not on the scale 1:9, and the column runs "
            "from 1 to 9.5; correct one or the other; nothing was imported"
        ),
    ),
    "empty folder": (
        lambda _: None,
        "no Sound Ratings.xlsx found; give the folder that IADS-E was unpacked into",
    ),
    "text for a number": (
        lambda folder: iads(folder, "calm"),
        "line 13, column AroMN: 'calm' is not a number; correct it; nothing was imported",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_corpus_is_one_line_and_leaves_nothing(
    valenced: Valenced, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "IADS-E"
    folder.mkdir()
    put, told = BAD[kind]
    put(folder)
    valenced("corpus", "add", "iads-e", folder, exit_code=1)
    (line,) = valenced.stderr.splitlines()
    assert str(folder) in line
    assert line.endswith(told)
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []
    assert valenced("corpus", "list") == b""


def test_two_files_for_one_sound_are_one_line_and_neither_is_used(
    valenced: Valenced, tmp_path: Path
) -> None:
    folder = tmp_path / "IADS-E"
    iads(folder, 7)
    put_sounds(folder / "more", ["0003.mp3"])
    told = valenced("corpus", "add", "iads-e", folder).decode()
    assert [line for line in told.splitlines() if "0003" in line] == [
        (
            "doubled  0003: several sounds have this name (more/0003.mp3, sounds/0003.wav); "
            "none is used"
        )
    ]
    assert valenced.read("corpus", "list")[0]["clips"] + len(told.splitlines()) == 12


def test_hostile_sounds_fail_alone(valenced: Valenced, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    put_sounds(folder, ["good.wav"])
    names = ["good.wav", "cut.flac", "junk.mp3", "x\x1b.wav", "pipe.wav"]
    whole = write_audio(tmp_path / "whole.flac", noise(2)).read_bytes()
    (folder / "cut.flac").write_bytes(whole[:60])
    (folder / "junk.mp3").write_bytes(os.urandom(4096))
    (folder / "x\x1b.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt ")
    os.mkfifo(folder / "pipe.wav")
    rows = [(name, 0.5, 0.5) for name in names]
    put_table(folder / "manifest.csv", ("path", "arousal", "valence"), rows)
    added = valenced.read("corpus", "add", "manifest", folder)
    assert added["items"] == ["good.wav"]
    assert {each["item"]: each["fault"] for each in added["skipped"]} == {
        "cut.flac": "unreadable", "junk.mp3": "unreadable",
        "x\\x1b.wav": "unreadable", "pipe.wav": "missing",
    }  # fmt: skip
