"""People teach the service: by command, by table, by tags; and it learns, by real processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import stat
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import mutagen
import pytest

from tests.driving import COMMAND
from tests.sounds import music_like, noise, tone, write_audio

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Valenced

TAUGHT = 40


@pytest.fixture
def song(valenced: Valenced, music: Path) -> Path:
    file = write_audio(music / "song.flac", music_like(2))
    write_audio(music / "other.flac", noise(2))
    valenced("scan", music)
    return file


def shown(valenced: Valenced, file: Path) -> tuple[float, float, str]:
    (row,) = [row for row in valenced.read("query") if row["path"] == str(file)]
    return row["arousal"], row["valence"], row["bundle"]


def tags(file: Path) -> tuple[str, str]:
    read = mutagen.File(file)
    return read["MOOD_AROUSAL"][0], read["MOOD_VALENCE"][0]


def test_what_is_annotated_is_shown_found_and_tagged(valenced: Valenced, song: Path) -> None:
    valenced("annotate", song, "--arousal", "9", "--valence", "1", "--scale", "1:9", "--by", "ann")
    assert shown(valenced, song) == (1.0, -1.0, "annotation")
    assert str(song) in valenced("query", "tense").decode()
    assert valenced.select("SELECT arousal, annotator FROM annotations") == [(1.0, b"ann")]
    assert "by ann" in valenced("show", song).decode()
    valenced("scan", song.parent)
    assert tags(song) == ("100", "-100")
    valenced("annotate", song, "--withdraw")
    assert shown(valenced, song)[2].startswith("starter")
    valenced("scan", song.parent)
    assert tags(song) != ("100", "-100")


def test_a_running_service_writes_what_was_annotated(valenced: Valenced, song: Path) -> None:
    with valenced.start("run", song.parent) as service:
        service.wait_for("watching")
        valenced("annotate", song, "--arousal", "0.5", "--valence", "0.25")
        while tags(song) != ("50", "25"):
            assert service.process.poll() is None
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "either a FILE or --from"),
        (["song.flac"], "--arousal or --valence is needed"),
        (["song.flac", "--arousal", "2"], "not on the scale -1:1"),
        (["song.flac", "--arousal", "nan"], "not on the scale -1:1"),
        (["song.flac", "--arousal", "0", "--scale", "9:1"], "LOW:HIGH"),
        (["song.flac", "--arousal", "0", "--withdraw"], "go with a FILE alone"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    valenced: Valenced, arguments: list[str], told: str
) -> None:
    valenced("annotate", *arguments, exit_code=2)
    assert told in valenced.stderr


def test_an_unknown_file_is_refused_in_a_line(valenced: Valenced, music: Path) -> None:
    valenced("annotate", music / "x\x1b.wav", "--arousal", "0", exit_code=1)
    assert "hear it first: valenced scan" in valenced.stderr
    assert "\x1b" not in valenced.stderr


def test_a_table_is_taken_whole_or_not_at_all(valenced: Valenced, song: Path) -> None:
    table = song.parent / "ratings.csv"
    table.write_text("file,arousal,valence\nsong.flac,1,9\nother.flac,9,10\n")
    valenced("annotate", "--from", table, "--scale", "1:9", exit_code=1)
    assert "ratings.csv: line 3: valence 10 is not on the scale 1:9" in valenced.stderr
    assert valenced.select("SELECT count(*) FROM annotations") == [(0,)]
    table.write_text("file,arousal,valence\nsong.flac,1,9\nother.flac,9,9\n")
    valenced("annotate", "--from", table, "--scale", "1:9", "--by", "ann")
    assert "2 annotations taken in, 2 of them new" in valenced.stderr
    assert shown(valenced, song)[:2] == (-1.0, 1.0)


def test_values_set_by_hand_in_the_tags_are_an_annotation(valenced: Valenced, song: Path) -> None:
    before = shown(valenced, song)
    with valenced.start("run", song.parent) as service:
        service.wait_for("watching")
        file = mutagen.File(song)
        file["MOOD_AROUSAL"] = "-80"
        file.save()
        service.wait_for("song.flac", "set by hand")
        assert service.stop() == 0
    assert shown(valenced, song)[:2] == (-0.8, before[1])
    assert tags(song)[0] == "-80"
    said = valenced.select("SELECT arousal, valence, annotator, source FROM annotations")
    assert said == [(-0.8, None, b"tag editor", b"tags")]


def test_a_file_from_a_backup_or_with_other_tags_edited_annotates_nothing(
    valenced: Valenced, song: Path
) -> None:
    backup = song.read_bytes()
    valenced("annotate", song, "--arousal", "1", "--valence", "1")
    valenced("scan", song.parent)
    song.write_bytes(backup)
    file = mutagen.File(song)
    file["TITLE"] = "new"
    file.save()
    valenced("scan", song.parent)
    assert valenced.select("SELECT source FROM annotations") == [(b"command",)]
    assert tags(song) == ("100", "100")


def test_a_write_that_was_killed_before_it_was_recorded_is_nobodys_annotation(
    valenced: Valenced, song: Path
) -> None:
    valenced("annotate", song, "--arousal", "0.2", "--valence", "0.2", "--by", "ann")
    valenced("scan", song.parent)
    valenced("annotate", song, "--arousal", "0.8", "--valence", "0.2", "--by", "bob")
    path = os.fsencode(song).decode()
    with closing(sqlite3.connect(valenced.catalogue)) as catalogue:
        clip = catalogue.execute("SELECT * FROM clips WHERE path = ?", [path]).fetchone()
        journal = catalogue.execute("SELECT * FROM tag_journal").fetchall()
    valenced("scan", song.parent)
    assert tags(song) == ("50", "20")
    # The catalogue as it is between the write and its record: the journal has the new entry.
    with closing(sqlite3.connect(valenced.catalogue)) as catalogue, catalogue:
        marks = ", ".join("?" * len(clip))
        catalogue.execute(f"REPLACE INTO clips VALUES ({marks})", clip)
        for row in journal:
            catalogue.execute("INSERT OR IGNORE INTO tag_journal VALUES (?, ?, ?, ?, ?)", row)
    valenced("annotate", song, "--arousal", "0.2", "--valence", "0.2", "--by", "cem")
    valenced("scan", song.parent)
    said = valenced.select("SELECT annotator FROM annotations ORDER BY id")
    assert said == [(b"ann",), (b"bob",), (b"cem",)]
    assert tags(song) == ("40", "20")


def test_edited_tags_are_left_out_where_the_settings_say_so(valenced: Valenced, song: Path) -> None:
    file = mutagen.File(song)
    file["MOOD_AROUSAL"] = "-80"
    file.save()
    valenced("scan", song.parent, "--set", "annotations.from_tags=false")
    assert valenced.select("SELECT count(*) FROM annotations") == [(0,)]
    assert tags(song)[0] != "-80"


def test_a_dropped_table_is_taken_up_while_it_runs(
    valenced: Valenced, song: Path, tmp_path: Path
) -> None:
    place = tmp_path / "state" / "annotations"
    with valenced.start("run", song.parent) as service:
        service.wait_for("watching")
        place.mkdir(exist_ok=True)
        (place / "bad.csv").write_text("path,arousal\nnothing.wav,0\n")
        (place / "good.csv").write_text("path,arousal,valence\nsong.flac,0.5,-0.5\n")
        service.wait_for("bad.csv: refused")
        service.wait_for("good.csv: 1 annotations taken up, 1 of them new")
        while tags(song) != ("50", "-50"):
            assert service.process.poll() is None
        assert service.stop() == 0
    assert (place / "done" / "good.csv").exists()
    assert "line 2" in (place / "refused" / "bad.csv.reason.txt").read_text()


def test_review_lists_what_is_not_annotated_yet(valenced: Valenced, song: Path) -> None:
    offered = valenced.read("review")
    assert {row["path"] for row in offered} == {str(path) for path in song.parent.glob("*.flac")}
    valenced("annotate", song, "--arousal", "0")
    assert valenced("review").decode().split() == [str(song.parent / "other.flac")]
    assert len(valenced.read("review", "--limit", "1")) == 1


@pytest.mark.usefixtures("song")
def test_review_plays_and_takes_answers_at_a_terminal(valenced: Valenced, tmp_path: Path) -> None:
    played = tmp_path / "played"
    player = tmp_path / "bin" / "mpv"
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\necho "$@" >> {played}\nexec sleep 60\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    ours, theirs = pty.openpty()
    environment = {**valenced.environment, "PATH": f"{player.parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [COMMAND, "review", "--by", "ann"],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, b"loud and nice\n0.5\n0.5 -2\n0.5 -0.5\nq\n")
    assert process.wait(60) == 0
    os.close(ours)
    (annotation,) = valenced.select("SELECT arousal, valence, annotator, source FROM annotations")
    assert annotation == (0.5, -0.5, b"ann", b"review")
    # The second sound was passed over before its player may have said anything.
    assert played.read_text().splitlines()[0].endswith(".flac")


@pytest.fixture
def taught(valenced: Valenced, music: Path) -> Path:
    """A library whose every sound one person heard half as energetic, and more pleasant."""
    for index in range(TAUGHT):
        rate_hz, gain = 16000, 0.02 + index % 8 / 10
        made = (
            noise(1, rate_hz, gain=gain, seed=index),
            music_like(1, rate_hz, seed=index),
            tone(1, rate_hz, hz=110 * (1 + index), gain=gain),
        )[index % 3]
        write_audio(music / f"{index:02}.wav", made, rate_hz)
    valenced("scan", music)
    lines = [
        f"{row['path']},{row['arousal'] * 0.5 - 0.4},{min(row['valence'] + 0.5, 1)}"
        for row in valenced.read("query")
    ]
    table = music.parent / "taught.csv"
    table.write_text("\n".join(["path,arousal,valence", *lines]) + "\n")
    valenced("annotate", "--from", table)
    return music


def test_a_bundle_that_learned_is_taken_up_without_a_restart(
    valenced: Valenced, taught: Path
) -> None:
    write_audio(taught / "new.wav", music_like(1, 16000, seed=99), 16000)
    with valenced.start("run", taught) as service:
        service.wait_for("new.wav", "arousal")
        before = shown(valenced, taught / "new.wav")
        told = json.loads(valenced("train", "--publish", "--format", "json"))
        assert told["published"], told["reason"]
        service.wait_for("published bundle: learned-1")
        service.wait_for(f"{TAUGHT + 1} sounds scored again by learned-1")
        after = shown(valenced, taught / "new.wav")
        assert after[2] == "learned-1"
        assert after[0] < before[0] - 0.1
        while tags_of_wav(taught / "new.wav") != str(round(after[0] * 100)):
            assert service.process.poll() is None
        valenced("bundles", "rollback")
        service.wait_for("sounds scored again by starter")
        assert shown(valenced, taught / "new.wav") == pytest.approx(before)
        assert service.stop() == 0
    assert valenced.select("SELECT outcome, bundle FROM trainings") == [
        (b"published", b"learned-1")
    ]
    (learned,) = [row for row in valenced.read("bundles", "list") if row["name"] == "learned-1"]
    assert learned["compared"]
    assert "held-out annotations" in valenced("bundles", "show", "learned-1").decode()


def test_a_night_that_was_missed_is_made_up_for_though_it_is_killed_meanwhile(
    valenced: Valenced, taught: Path
) -> None:
    with valenced.start("run", taught) as service:
        service.wait_for("watching")
        service.stop()
    with closing(sqlite3.connect(valenced.catalogue)) as catalogue, catalogue:
        catalogue.execute("UPDATE timetable SET next_at = '2026-01-01T04:00:00.000Z'")
    with valenced.start("run", taught) as service:
        lock = valenced.catalogue.parent / "bundles" / "retraining.lock"
        while not lock.exists():
            assert service.process.poll() is None
        service.stop(signal.SIGKILL)
    with valenced.start("run", taught) as service:
        service.wait_for("published bundle: learned-1")
        service.wait_for("sounds scored again by learned-1")
        assert service.stop() == 0
    assert valenced.select("SELECT DISTINCT bundle FROM predictions") == [(b"learned-1",)]
    assert valenced.select("SELECT outcome FROM trainings") == [(b"published",)]
    assert valenced.select("SELECT count(*) FROM wishes WHERE errand = 'learn'") == [(0,)]


def tags_of_wav(file: Path) -> str:
    return str(mutagen.File(file).tags["TXXX:MOOD_AROUSAL"].text[0])
