"""Annotations by command, by table and by tags, and training on them, by real processes."""

from __future__ import annotations

import getpass
import json
import os
import pty
import signal
import sqlite3
import stat
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import mutagen
import pytest

from tests.catalogue_rows import PREDICTIONS
from tests.driving import COMMAND, PATIENCE_S, POLL_S
from tests.sounds import music_like, noise, tone, write_audio

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Valenced

ANNOTATED = 40


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


def test_an_annotation_is_shown_found_and_tagged(valenced: Valenced, song: Path) -> None:
    valenced("annotate", song, "--arousal", "9", "--valence", "1", "--scale", "1:9", "--by", "ann")
    assert shown(valenced, song) == (1.0, -1.0, "annotation")
    assert str(song) in valenced("query", "tense").decode()
    assert valenced.select("SELECT arousal, annotator FROM annotations") == [(1.0, b"ann")]
    assert "by ann" in valenced("show", song).decode()
    valenced("scan", song.parent)
    assert tags(song) == ("100", "-100")
    valenced("annotate", song, "--withdraw", "--by", "ann")
    assert shown(valenced, song)[2].startswith("starter")
    valenced("scan", song.parent)
    assert tags(song) != ("100", "-100")


def in_force(valenced: Valenced) -> set[bytes]:
    return {name for (name,) in valenced.select("SELECT annotator FROM annotations")}


def test_another_persons_annotation_is_not_withdrawn_without_asking(
    valenced: Valenced, song: Path
) -> None:
    you = getpass.getuser()
    valenced("annotate", song, "--arousal", "0.5")
    valenced("annotate", song, "--withdraw")
    assert "1 annotation withdrawn" in valenced.stderr
    valenced("annotate", song, "--withdraw")
    assert f"{song}: has no annotation; nothing was withdrawn" in valenced.stderr
    valenced("annotate", song, "--withdraw", "--by", "ann")
    assert f"{song}: has no annotation by ann; nothing was withdrawn" in valenced.stderr
    for name in ("ann", "bob"):
        valenced("annotate", song, "--arousal", "0.5", "--by", name)
    valenced("annotate", song, "--arousal", "0.5")
    valenced("annotate", song, "--withdraw", exit_code=1)
    assert "others annotated it, too: ann, bob; say whose" in valenced.stderr
    assert in_force(valenced) == {b"ann", b"bob", os.fsencode(you)}
    valenced("annotate", song, "--withdraw", "--by", "bob")
    assert in_force(valenced) == {b"ann", os.fsencode(you)}
    valenced("annotate", song, "--withdraw", "--by", "nobody")
    assert f"{song}: has no annotation by nobody; nothing was withdrawn" in valenced.stderr


@pytest.mark.parametrize(
    ("answer", "exit_code", "left"),
    [(b"n\n", 1, {b"ann"}), (b"\x04", 130, {b"ann"}), (b"y\n", 0, set())],
)
def test_at_a_terminal_it_is_asked(
    valenced: Valenced, song: Path, answer: bytes, exit_code: int, left: set[bytes]
) -> None:
    valenced("annotate", song, "--arousal", "0.5", "--by", "ann")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "annotate", song, "--withdraw"],
        env=valenced.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    told = b""
    while b"[y/N]" not in told:
        told += os.read(ours, 1000)
    assert b"was annotated by ann; withdraw everybody's" in told.replace(b"\r\n", b"")
    os.write(ours, answer)
    assert process.wait(PATIENCE_S) == exit_code
    os.close(ours)
    assert in_force(valenced) == left


def test_a_running_service_writes_an_annotation_into_the_tags(
    valenced: Valenced, song: Path
) -> None:
    with valenced.start("run", song.parent) as service:
        service.wait_for("watching")
        valenced("annotate", song, "--arousal", "0.5", "--valence", "0.25")
        service.wait_until(lambda: tags(song) == ("50", "25"))
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either a FILE or --from"),
        (["song.flac"], "--arousal or --valence is needed"),
        (["song.flac", "--arousal", "2"], "not on the scale -1:1"),
        (["song.flac", "--arousal", "nan"], "'nan' is not a number"),
        (["song.flac", "--arousal", "0", "--scale", "9:1"], "LOW:HIGH"),
        (
            ["song.flac", "--arousal", "0", "--withdraw"],
            "cannot be combined with --from or --withdraw",
        ),
    ],
)
def test_contradictory_arguments_are_a_usage_error(
    valenced: Valenced, arguments: list[str], message: str
) -> None:
    valenced("annotate", *arguments, exit_code=2)
    assert message in valenced.stderr


def test_an_unknown_file_is_rejected_in_one_line(valenced: Valenced, song: Path) -> None:
    unknown = write_audio(song.parent / "x\x1b.wav", noise(1))
    valenced("annotate", unknown, "--arousal", "0", exit_code=1)
    assert "analyse it first: valenced scan" in valenced.stderr
    assert "\x1b" not in valenced.stderr


def test_a_table_is_imported_completely_or_not_at_all(valenced: Valenced, song: Path) -> None:
    table = song.parent / "ratings.csv"
    table.write_text("file,arousal,valence\nsong.flac,1,9\nother.flac,9,10\n")
    valenced("annotate", "--from", table, "--scale", "1:9", exit_code=1)
    assert "ratings.csv: line 3: valence 10 is not on the scale 1:9" in valenced.stderr
    assert valenced.select("SELECT count(*) FROM annotations") == [(0,)]
    table.write_text("file,arousal,valence\nsong.flac,1,9\nother.flac,9,9\n")
    valenced("annotate", "--from", table, "--scale", "1:9", "--by", "ann")
    assert "2 annotations imported, 2 new" in valenced.stderr
    assert shown(valenced, song)[:2] == (-1.0, 1.0)


@pytest.mark.parametrize("text", ["300", "very calm", "nan"])
def test_a_value_by_hand_that_is_off_the_scale_is_told_and_replaced(
    valenced: Valenced, song: Path, text: str
) -> None:
    before = tags(song)
    file = mutagen.File(song)
    file["MOOD_AROUSAL"] = text
    file.save()
    valenced("scan", song.parent)
    told = f"{song}: MOOD_AROUSAL = {text!r} is no number from -100 to 100, and is replaced"
    assert told in valenced.stderr
    assert tags(song) == before
    assert in_force(valenced) == set()


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
    stored = valenced.select("SELECT arousal, valence, annotator, source FROM annotations")
    assert stored == [(-0.8, None, b"tag editor", b"tags")]


def test_a_file_from_a_backup_or_with_other_tags_edited_is_no_annotation(
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


def test_a_write_that_was_killed_before_it_was_recorded_is_no_annotation(
    valenced: Valenced, song: Path
) -> None:
    valenced("annotate", song, "--arousal", "0.2", "--valence", "0.2", "--by", "ann")
    valenced("scan", song.parent)
    valenced("annotate", song, "--arousal", "0.8", "--valence", "0.2", "--by", "bob")
    with closing(sqlite3.connect(valenced.catalogue)) as catalogue:
        clip = catalogue.execute("SELECT * FROM clips WHERE name = ?", [song.name]).fetchone()
        journal = catalogue.execute("SELECT * FROM tag_journal").fetchall()
    valenced("scan", song.parent)
    assert tags(song) == ("50", "20")
    # The catalogue as it is between the write and its record: the journal has the new entry.
    with closing(sqlite3.connect(valenced.catalogue)) as catalogue, catalogue:
        marks = ", ".join("?" * len(clip))
        catalogue.execute(f"REPLACE INTO clips VALUES ({marks})", clip)
        for row in journal:
            catalogue.execute("INSERT OR IGNORE INTO tag_journal VALUES (?, ?, ?, ?, ?, ?)", row)
    valenced("annotate", song, "--arousal", "0.2", "--valence", "0.2", "--by", "cem")
    valenced("scan", song.parent)
    annotators = valenced.select("SELECT annotator FROM annotations ORDER BY id")
    assert annotators == [(b"ann",), (b"bob",), (b"cem",)]
    assert tags(song) == ("40", "20")


def test_edited_tags_are_ignored_if_the_settings_say_so(valenced: Valenced, song: Path) -> None:
    file = mutagen.File(song)
    file["MOOD_AROUSAL"] = "-80"
    file.save()
    valenced("scan", song.parent, "--set", "annotations.from_tags=false")
    assert valenced.select("SELECT count(*) FROM annotations") == [(0,)]
    assert tags(song)[0] != "-80"


def test_each_source_of_annotations_can_be_switched_off(valenced: Valenced, song: Path) -> None:
    table = valenced.catalogue.with_name("annotations") / "r.csv"
    table.parent.mkdir(exist_ok=True)
    table.write_text(f"path,arousal\n{song},1\n")
    valenced("scan", song.parent, "--set", "annotations.from_folder=false")
    assert table.exists()
    off = ("--set", "annotations.from_commands=false")
    for given in ((song, "--arousal", "1"), ("--from", table)):
        valenced("annotate", *given, *off, exit_code=1)
        assert "annotations.from_commands is false (--set)" in valenced.stderr
    valenced("review", "--list", *off)
    assert valenced.select("SELECT * FROM annotations") == []
    valenced("scan", song.parent, *off)
    assert len(valenced.select("SELECT * FROM annotations")) == 1


def test_an_annotator_in_a_table_counts_only_if_the_settings_say_so(
    valenced: Valenced, song: Path, tmp_path: Path
) -> None:
    table = tmp_path / "r.csv"
    table.write_text(f"path,arousal,annotator\n{song},1,bob\n")
    valenced(
        "annotate", "--from", table, "--by", "eve", "--set", "annotations.annotator_column=false"
    )
    assert valenced.select("SELECT annotator FROM annotations") == [(b"eve",)]
    valenced("annotate", "--from", table, "--by", "eve")
    assert len(valenced.select("SELECT annotator FROM annotations")) == 2


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", os.fsdecode(b"\xff")])
def test_a_name_that_no_annotator_can_have_is_wrong_usage(
    valenced: Valenced, song: Path, name: str
) -> None:
    valenced("annotate", song, "--arousal", "1", "--by", name, exit_code=2)
    assert "--by" in valenced.stderr
    assert "\x1b" not in valenced.stderr


def test_a_dropped_table_is_imported_while_it_runs(
    valenced: Valenced, song: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "annotations"
    with valenced.start("run", song.parent) as service:
        service.wait_for("watching")
        folder.mkdir(exist_ok=True)
        (folder / "bad.csv").write_text("path,arousal\nnothing.wav,0\n")
        (folder / "good.csv").write_text("path,arousal,valence\nsong.flac,0.5,-0.5\n")
        service.wait_for("bad.csv: refused")
        service.wait_for("good.csv: 1 annotation imported, 1 new")
        service.wait_until(lambda: tags(song) == ("50", "-50"))
        assert service.stop() == 0
    assert (folder / "done" / "good.csv").exists()
    assert "line 2" in (folder / "refused" / "bad.csv.reason.txt").read_text()


def test_review_lists_what_is_not_annotated_yet(valenced: Valenced, song: Path) -> None:
    offered = valenced.read("review")
    assert {row["path"] for row in offered} == {str(path) for path in song.parent.glob("*.flac")}
    valenced("annotate", song, "--arousal", "0")
    assert valenced("review").decode().split() == [str(song.parent / "other.flac")]
    assert len(valenced.read("review", "--limit", "1")) == 1


@pytest.mark.usefixtures("song")
def test_review_plays_sounds_and_reads_answers_at_a_terminal(
    valenced: Valenced, tmp_path: Path
) -> None:
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
    # The player must have started before the answer ends it.
    deadline_s = time.monotonic() + PATIENCE_S
    while not played.exists() or not played.read_text():
        assert time.monotonic() < deadline_s
        time.sleep(POLL_S)
    os.write(ours, b"loud and nice\n0.5\n0.5 -2\n0.5 -0.5\nq\n")
    assert process.wait(PATIENCE_S) == 0
    os.close(ours)
    (annotation,) = valenced.select("SELECT arousal, valence, annotator, source FROM annotations")
    assert annotation == (0.5, -0.5, b"ann", b"review")
    assert played.read_text().splitlines()[0].endswith(".flac")


@pytest.fixture
def annotated(valenced: Valenced, music: Path) -> Path:
    """A library in which one person rated each sound half as energetic, and more pleasant."""
    for index in range(ANNOTATED):
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
    table = music.parent / "ratings.csv"
    table.write_text("\n".join(["path,arousal,valence", *lines]) + "\n")
    valenced("annotate", "--from", table)
    return music


def test_a_trained_bundle_is_loaded_without_a_restart(valenced: Valenced, annotated: Path) -> None:
    write_audio(annotated / "new.wav", music_like(1, 16000, seed=99), 16000)
    with valenced.start("run", annotated) as service:
        service.wait_for("new.wav", "arousal")
        before = shown(valenced, annotated / "new.wav")
        result = json.loads(valenced("train", "--publish", "--format", "json"))
        assert result["published"], result["reason"]
        service.wait_for("published bundle: learned-1")
        service.wait_for(f"{ANNOTATED + 1} sounds scored again by learned-1")
        after = shown(valenced, annotated / "new.wav")
        assert after[2] == "learned-1"
        assert after[0] < before[0] - 0.1
        arousal = str(round(after[0] * 100))
        service.wait_until(lambda: arousal_tag(annotated / "new.wav") == arousal)
        valenced("bundles", "rollback")
        service.wait_for("sounds scored again by starter")
        assert shown(valenced, annotated / "new.wav") == pytest.approx(before, abs=1e-5)
        assert service.stop() == 0
    assert valenced.select("SELECT outcome, bundle FROM trainings") == [
        (b"published", b"learned-1")
    ]
    (trained,) = [row for row in valenced.read("bundles", "list") if row["name"] == "learned-1"]
    assert trained["compared"]
    assert "held-out annotations" in valenced("bundles", "show", "learned-1").decode()


def test_training_without_a_service_scores_at_once_and_says_so(
    valenced: Valenced, annotated: Path
) -> None:
    write_audio(annotated / "new.wav", music_like(1, 16000, seed=99), 16000)
    valenced("scan", annotated)
    before, tag = shown(valenced, annotated / "new.wav"), arousal_tag(annotated / "new.wav")
    told = valenced("train").decode()
    assert "learned-1 is not published, because --publish was not given" in told
    assert "to publish it: valenced bundles publish learned-1" in told
    assert shown(valenced, annotated / "new.wav") == before
    told = valenced("train", "--publish").decode()
    assert told.splitlines()[-1].startswith("learned-2 is published, because it is better than")
    assert f"{ANNOTATED + 1} sounds scored again by learned-2" in valenced.stderr
    assert "tags change at the next valenced run or scan" in valenced.stderr
    after = shown(valenced, annotated / "new.wav")
    assert (after[2], after[0] < before[0] - 0.1) == ("learned-2", True)
    assert arousal_tag(annotated / "new.wav") == tag
    valenced("scan", annotated)
    assert arousal_tag(annotated / "new.wav") == str(round(after[0] * 100))
    told = valenced("train", "--publish").decode()
    assert "learned-3 is not published, because it predicts held-out annotations no" in told
    assert "; learned-2 stays in use" in told
    shows = valenced("bundles", "show", "learned-2").decode().splitlines()
    counts = f"{ANNOTATED} of arousal and {ANNOTATED} of valence"
    assert shows[1] == f"learned from annotations by 1 person: {counts}"
    assert shows[2].startswith("compared with starter-6 on held-out annotations: RMSE")
    assert [line.split()[0] for line in shows[4:6]] == ["arousal", "valence"]
    assert shows[6].startswith("  it passed the test: arousal: ")
    valenced("bundles", "rollback")
    assert "sounds scored again by starter" in valenced.stderr
    assert shown(valenced, annotated / "new.wav") == pytest.approx(before, abs=1e-5)


def test_a_missed_training_is_made_up_for_even_after_a_kill(
    valenced: Valenced, annotated: Path
) -> None:
    with valenced.start("run", annotated) as service:
        service.wait_for("watching")
        service.stop()
    with closing(sqlite3.connect(valenced.catalogue)) as catalogue, catalogue:
        catalogue.execute("UPDATE timetable SET next_at = '2026-01-01T04:00:00.000Z'")
    with valenced.start("run", annotated) as service:
        lock = valenced.catalogue.parent / "bundles" / "retraining.lock"
        service.wait_until(lock.exists)
        service.stop(signal.SIGKILL)
    with valenced.start("run", annotated) as service:
        service.wait_for("published bundle: learned-1")
        service.wait_for("sounds scored again by learned-1")
        assert service.stop() == 0
    assert valenced.select(f"SELECT DISTINCT bundle FROM {PREDICTIONS}") == [(b"learned-1",)]
    assert valenced.select("SELECT outcome FROM trainings") == [(b"published",)]
    assert valenced.select("SELECT count(*) FROM wishes WHERE errand = 'learn'") == [(0,)]


def arousal_tag(file: Path) -> str:
    return str(mutagen.File(file).tags["TXXX:MOOD_AROUSAL"].text[0])
