"""The main functions of the service, by real processes on real files."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import mutagen
import pytest

from tests.catalogue_rows import CLIPS
from tests.driving import Valenced, scanned
from tests.sounds import music_like, noise, tone, write_audio
from trainer.audio.packets.fingerprint import identify

ODD = os.fsdecode(b'caf\xe9 "two\nlines".ogg')
EVERY_KIND = ("wav", "aiff", "flac", "mp3", "m4a", "ogg", "opus")


def test_files_dropped_while_it_runs_are_analysed_and_found(
    valenced: Valenced, music: Path
) -> None:
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        file = write_audio(music / "song.flac", music_like(3))
        service.wait_for("song.flac", "arousal")
        (sound,) = valenced.read("query")
        assert Path(sound["path"]) == file
        assert -1 <= sound["arousal_low"] <= sound["arousal"] <= sound["arousal_high"] <= 1
        assert -1 <= sound["valence_low"] <= sound["valence"] <= sound["valence_high"] <= 1
        assert sound["bundle"].startswith("starter")
        assert service.stop() == 0
    assert sum("song.flac" in line and "arousal" in line for line in service.lines) == 1


def test_our_own_writes_cause_no_further_work(valenced: Valenced, music: Path) -> None:
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        first = write_audio(music / "a.flac", music_like(2))
        service.wait_for("a.flac", "arousal")
        write_audio(music / "b.flac", noise(2))
        service.wait_for("b.flac", "arousal")
        write_audio(music / "c.flac", tone(2))
        service.wait_for("c.flac", "arousal")
        assert service.stop() == 0
    assert "MOOD_AROUSAL" in mutagen.File(first)
    assert sum("a.flac" in line for line in service.lines) == 1
    assert valenced.select("SELECT count(*) FROM queue") == [(0,)]


def test_a_rename_causes_no_second_analysis_and_keeps_one_record(
    valenced: Valenced, music: Path
) -> None:
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        file = write_audio(music / "old.mp3", music_like(2))
        service.wait_for("old.mp3", "arousal")
        valenced("tags", "show", file)
        file.rename(music / "new.mp3")
        # By its name alone, or, if that was noticed too late, by its sound.
        service.wait_for("new.mp3: ", "old.mp3")
        assert service.stop() == 0
    assert [Path(row["path"]).name for row in valenced.read("query")] == ["new.mp3"]
    assert valenced.select("SELECT count(*) FROM clips") == [(1,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_files_being_processed(
    valenced: Valenced, music: Path, number: signal.Signals
) -> None:
    for index in range(6):
        write_audio(music / f"{index}.wav", music_like(2, seed=index))
    with valenced.start("run", music) as service:
        service.wait_for("arousal")
        assert service.stop(number) == 0
        assert "stopped:" in service.lines[-1]
    assert valenced.select("SELECT count(*) FROM queue WHERE state = 'running'") == [(0,)]
    untagged = valenced.select("SELECT count(*) FROM sounds WHERE tag_state = 'pending'")
    assert untagged == [(0,)]


def test_killed_in_the_middle_it_resumes(valenced: Valenced, music: Path) -> None:
    for index in range(6):
        write_audio(music / f"{index}.wav", music_like(2, seed=index))
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        service.wait_for("arousal")
        assert f"{music}   (events" in (told := valenced("status").decode())
        assert "the service runs then" not in told
        service.stop(signal.SIGKILL)
    told = valenced("status").decode()
    assert "service    not running" in told
    assert f"{music}   (not watched, compared at" in told
    assert re.search(r"next +training at \S+, if the service runs then", told)
    valenced("scan", music)
    rows = valenced.read("query")
    assert len(rows) == 6
    assert {row["tag_state"] for row in rows} == {"written"}
    assert not list(music.glob(".valenced*"))


def test_every_kind_of_file_gets_values_and_tags_and_a_second_scan_does_nothing(
    valenced: Valenced, music: Path
) -> None:
    for number, kind in enumerate(EVERY_KIND):
        write_audio(music / f"{kind}.{kind}", music_like(2, 48000, seed=number), 48000)
    write_audio(music / ODD, tone(2, 48000), 48000)
    assert valenced.read("scan", music) == scanned(len(EVERY_KIND) + 1)
    rows = {Path(row["path"]): row for row in valenced.read("query")}
    assert len(rows) == len(EVERY_KIND) + 1
    for path, row in rows.items():
        assert row["tag_state"] == "written"
        (shown,) = valenced.read("tags", "show", path)
        assert shown["tags"]["MOOD_AROUSAL"] == [str(round(row["arousal"] * 100))]
        assert shown["tags"]["MOOD_VALENCE"] == [str(round(row["valence"] * 100))]
        assert mutagen.File(path) is not None
    assert valenced.read("scan", music) == scanned(0)


def test_bad_files_stop_nothing_and_have_a_reason(valenced: Valenced, music: Path) -> None:
    (music / "letter.mp3").write_text("Dear all, this is no song.\n" * 99)
    (music / "empty.wav").write_bytes(b"")
    (music / "x.ogg").mkdir()
    content = write_audio(music / "cut.flac", music_like(4)).read_bytes()
    (music / "cut.flac").write_bytes(content[: len(content) // 2])
    write_audio(music / "good.wav", music_like(2))
    valenced("scan", music, exit_code=1)
    analysed = {Path(row["path"]).name for row in valenced.read("query")}
    failed = {
        Path(os.fsdecode(path)).name for (path,) in valenced.select("SELECT path FROM failures")
    }
    assert {"letter.mp3", "empty.wav"} <= failed
    assert "good.wav" in analysed
    assert analysed | failed == {"letter.mp3", "empty.wav", "cut.flac", "good.wav"}
    for reason, retry_at in valenced.select("SELECT reason, retry_at FROM failures"):
        assert reason
        assert retry_at
    status = valenced.read("status")
    assert (status["known"], status["failed"]) == (len(analysed), len(failed))


@pytest.mark.parametrize("year", [1901, 2446])
def test_a_file_of_a_far_date_is_processed_as_any_other(
    valenced: Valenced, music: Path, year: int
) -> None:
    files = [write_audio(music / "a.flac", tone(1)), write_audio(music / "b.flac", noise(1))]
    then_s = int(datetime(year, 5, 1, tzinfo=UTC).timestamp())
    os.utime(files[1], (then_s, then_s))
    assert valenced.read("scan", music) == scanned(2)
    assert [Path(row["path"]) for row in valenced.read("query", "--sort", "path")] == files
    assert valenced.read("scan", music) == scanned(0)


def test_without_tags_no_byte_of_a_file_changes(valenced: Valenced, music: Path) -> None:
    file = write_audio(music / "a.mp3", music_like(2))
    before = file.read_bytes()
    valenced("scan", music, "--no-tags")
    assert file.read_bytes() == before
    assert valenced.read("query")[0]["tag_state"] == "off"
    valenced("scan", music)
    assert valenced.read("query")[0]["tag_state"] == "written"


def test_restore_brings_back_the_bytes_and_they_stay(valenced: Valenced, music: Path) -> None:
    files = [
        write_audio(music / f"{kind}.{kind}", music_like(2, 48000), 48000, tags={"title": "T"})
        for kind in EVERY_KIND
    ]
    before = [file.read_bytes() for file in files]
    valenced("scan", music)
    assert all(file.read_bytes() != bytes_ for file, bytes_ in zip(files, before, strict=True))
    valenced("tags", "restore", "--dry-run", music)
    assert files[0].read_bytes() != before[0]
    valenced("tags", "restore", music)
    assert [file.read_bytes() for file in files] == before
    valenced("scan", music)
    assert [file.read_bytes() for file in files] == before
    assert valenced("tags", "write", "--dry-run", music).startswith(b"would be written  ")
    assert valenced("tags", "write", music).startswith(b"written  ")
    assert valenced("tags", "write", "--dry-run", music).startswith(b"nothing to do  ")
    assert valenced("tags", "write", music).startswith(b"nothing to do  ")
    assert {row["tag_state"] for row in valenced.read("query")} == {"written"}
    write_audio(music / "z.aac", music_like(2))
    valenced("scan", music, "--no-tags")
    valenced("tags", "restore", music)
    assert f"1 nothing to do, {len(files)} restored" in valenced.stderr
    assert [file.read_bytes() for file in files] == before
    for command in ("restore", "strip"):
        valenced("tags", command, music)
        assert f"{len(files) + 1} nothing to do" in valenced.stderr


def test_two_services_never_use_one_catalogue(valenced: Valenced, music: Path) -> None:
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        valenced("scan", music, exit_code=1)
        assert f"process {service.process.pid}" in valenced.stderr
        assert valenced.read("status")["running"] == service.process.pid
        assert service.stop() == 0


def test_another_sound_under_a_known_name_never_gets_the_old_values(
    valenced: Valenced, music: Path
) -> None:
    file = write_audio(music / "a.flac", music_like(2, seed=1))
    valenced("scan", music, "--no-tags")
    (first,) = valenced.read("query")
    write_audio(music / "new.flac", noise(2)).rename(file)
    before = file.read_bytes()
    valenced("tags", "write", file)
    assert "changed since its analysis" in valenced.stderr
    assert file.read_bytes() == before
    valenced("scan", music)
    (second,) = valenced.read("query")
    assert (second["arousal"], second["tag_state"]) != (first["arousal"], "written")
    (shown,) = valenced.read("tags", "show", file)
    assert shown["tags"]["MOOD_AROUSAL"] == [str(round(second["arousal"] * 100))]


def test_a_file_replaced_while_its_tags_were_pending_is_analysed_first(
    tmp_path: Path, music: Path
) -> None:
    slow = Valenced(tmp_path / "state", "watch.settle_s=5")
    file = write_audio(music / "a.wav", music_like(2))
    slow("scan", music, "--no-tags")
    write_audio(tmp_path / "b.wav", noise(2)).replace(file)
    slow("scan", music)
    present = slow.select(f"SELECT identity FROM {CLIPS} WHERE missing_since IS NULL")
    assert present == [(identify(file).encode(),)]


def test_a_folder_without_tags_gets_none_even_when_its_parent_is_scanned(
    valenced: Valenced, music: Path
) -> None:
    (music / "untagged").mkdir()
    untagged = write_audio(music / "untagged" / "a.flac", music_like(2))
    other = write_audio(music / "b.flac", music_like(2, seed=2))
    before = untagged.read_bytes(), other.read_bytes()
    setting = f'watch.folder=[{{path = "{music / "untagged"}", tags = false}}]'
    valenced("scan", music, "--set", setting)
    assert untagged.read_bytes() == before[0]
    assert other.read_bytes() != before[1]
    assert len(valenced.read("query", "--under", music)) == 2


def test_paths_with_links_and_dots_mean_the_same_files(valenced: Valenced, music: Path) -> None:
    write_audio(music / "a.flac", music_like(2))
    link = music.parent / "link"
    link.symlink_to(music)
    valenced("scan", music)
    assert valenced.read("scan", link) == scanned(0)
    assert valenced.read("scan", music / ".." / "music") == scanned(0)
    assert valenced.read("show", link / "a.flac")["sound"]["path"] == str(music / "a.flac")
    assert len(valenced.read("query", "--under", link)) == 1
    with valenced.start("run", link, music, link) as service:
        service.wait_for("watching")
        write_audio(music / "b.flac", noise(2))
        service.wait_for("b.flac", "arousal")
        assert service.stop() == 0


def test_a_catalogue_that_another_program_locks_is_waited_for(
    valenced: Valenced, music: Path
) -> None:
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        write_audio(music / "a.flac", music_like(2))
        service.wait_for("a.flac", "arousal")
        with closing(sqlite3.connect(valenced.catalogue, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            write_audio(music / "b.flac", noise(2))
            service.wait_for("database is locked")
            other.execute("ROLLBACK")
        service.wait_for("b.flac", "arousal")
        assert service.stop() == 0
