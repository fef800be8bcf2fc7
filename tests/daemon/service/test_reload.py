"""SIGHUP to the real service: settings read again, good ones and bad ones."""

from __future__ import annotations

import functools
import os
import signal
from typing import TYPE_CHECKING

import mutagen
import pytest

from config.loading import load
from config.settings import differences
from tests.driving import PATIENCE_S, Valenced
from tests.sounds import music_like, noise, write_audio

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Running


class Installation:
    """A service that lives by a settings file."""

    def __init__(self, tmp_path: Path) -> None:
        self.file = tmp_path / "valenced.toml"
        self.valenced = Valenced(tmp_path / "state")
        self.line = [*self.valenced.line("run"), "--config", self.file]

    def write(self, *folders: str, more: str = "") -> None:
        tables = "".join(f"[[watch.folder]]\n{folder}\n" for folder in folders)
        self.file.write_text(f"{more}\n[watch]\nsettle_s = 0.3\n{tables}", encoding="utf-8")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def hang_up(service: Running) -> None:
    service.process.send_signal(signal.SIGHUP)


def named(folder: Path, more: str = "") -> str:
    return f"path = '{folder}'\n{more}"


def test_folders_are_added_and_removed_without_a_restart(
    installation: Installation, music: Path, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    effects.mkdir()
    waiting = write_audio(effects / "waiting.flac", noise(2))
    installation.write(named(music))
    with installation.valenced.start_line(installation.line) as service:
        service.wait_for("watching")
        installation.write(named(effects))
        hang_up(service)
        service.wait_for("settings read again", "watch.folder")
        service.wait_for("waiting.flac", "arousal")
        write_audio(music / "left.flac", music_like(2))
        dropped = write_audio(effects / "dropped.flac", music_like(2, seed=1))
        service.wait_for("dropped.flac", "arousal")
        assert service.stop() == 0
    assert not any("left.flac" in line for line in service.lines)
    assert all("MOOD_AROUSAL" in mutagen.File(file) for file in (waiting, dropped))
    (folder,) = installation.valenced.read("status")["folders"]
    assert folder["path"] == str(effects)


def test_tags_and_watch_mode_change_without_a_restart(
    installation: Installation, music: Path
) -> None:
    installation.write(named(music, "tags = false"))
    file = write_audio(music / "quiet.flac", music_like(2))
    with installation.valenced.start_line(installation.line) as service:
        service.wait_for("quiet.flac", "arousal")
        assert "MOOD_AROUSAL" not in mutagen.File(file)
        installation.write(
            named(music, "mode = 'poll'"), more="tags.preset = 'unit'\nmood.arousal_threshold = 0.5"
        )
        hang_up(service)
        service.wait_for("settings read again", "tags.preset", "mood.arousal_threshold")
        loud = write_audio(music / "loud.flac", noise(2))
        service.wait_for("loud.flac", "arousal")
        assert service.stop() == 0
    for tagged in (file, loud):
        assert "AROUSAL" in mutagen.File(tagged)
    (folder,) = installation.valenced.read("status")["folders"]
    assert folder["watched_by"] == "polling"
    assert installation.valenced.select("SELECT arousal FROM mood_thresholds") == [(0.5,)]


def test_wrong_settings_change_nothing_and_every_problem_is_logged(
    installation: Installation, music: Path
) -> None:
    installation.write(named(music))
    with installation.valenced.start_line(installation.line) as service:
        service.wait_for("watching")
        installation.write(named(music), more="mood.arousal_treshold = 1\ntags.mode = 'loud'")
        hang_up(service)
        service.wait_for("mood.arousal_treshold", "the nearest is mood.arousal_threshold")
        service.wait_for("tags.mode", "'loud'")
        service.wait_for("stay in force")
        installation.file.write_bytes(b"\xff\x00 = [[[")
        hang_up(service)
        service.wait_for("settings refused", "cannot be read")
        installation.file.unlink()
        hang_up(service)
        service.wait_for("settings refused", str(installation.file))
        write_audio(music / "song.flac", music_like(2))
        service.wait_for("song.flac", "arousal")
        assert service.stop() == 0


def test_refused_settings_degrade_the_service_until_others_are_accepted(
    installation: Installation, music: Path
) -> None:
    installation.write(named(music))
    status = functools.partial(installation.valenced.read, "status")
    with installation.valenced.start_line(installation.line) as service:
        service.wait_for("watching")
        assert status()["broken"] == []
        installation.write(named(music), more="tags.mode = 'loud'")
        hang_up(service)
        service.wait_for("stay in force")
        # The signal is answered by one thread, in turn: what came before is done by then.
        write_audio(music / "song.flac", music_like(2))
        service.wait_for("song.flac", "arousal")
        found = status()
        assert found["broken"] == ["settings"]
        assert "tags.mode" in found["degraded"][0]
        installation.write(named(music))
        hang_up(service)
        service.wait_for("settings read again")
        write_audio(music / "other.flac", noise(2))
        service.wait_for("other.flac", "arousal")
        assert status()["broken"] == []
        installation.write(named(music), more="tags.mode = 'loud'")
        hang_up(service)
        service.wait_for("stay in force")
        assert service.stop() == 0
    # What is not running refuses nothing.
    assert status()["broken"] == []


def test_no_folder_left_and_a_wrong_cron_line_are_refused_as_well(
    installation: Installation, music: Path
) -> None:
    installation.write(named(music))
    with installation.valenced.start_line(installation.line) as service:
        service.wait_for("watching")
        installation.file.write_text("", encoding="utf-8")
        hang_up(service)
        service.wait_for("settings refused", "nothing to watch")
        installation.write(named(music), more="retrain.schedule = 'now and then'")
        hang_up(service)
        service.wait_for("settings refused", "retrain.schedule")
        assert service.stop() == 0


def test_a_setting_that_needs_a_restart_is_reported_at_each_reload(
    installation: Installation, music: Path, tmp_path: Path
) -> None:
    installation.write(named(music))
    with installation.valenced.start_line(installation.line) as service:
        service.wait_for("watching")
        url = f"catalogue.url = 'sqlite:///{tmp_path / 'other.db'}'\nanalysis.timeout_s = 5"
        installation.write(named(music), more=url)
        for _ in range(2):
            hang_up(service)
            service.wait_for("analysis.timeout_s: changed", "next start")
            service.wait_for("catalogue.url: changed", "next start")
            service.wait_for("settings read again; no change takes effect before the next start")
        assert service.stop() == 0
    assert not (tmp_path / "other.db").exists()


def test_a_hangup_ends_a_single_pass(valenced: Valenced, music: Path) -> None:
    for index in range(4):
        write_audio(music / f"{index}.wav", music_like(2, seed=index))
    with valenced.start("scan", music) as scan:
        scan.wait_for("arousal")
        hang_up(scan)
        assert scan.process.wait(PATIENCE_S) in {0, 1}
    assert valenced.select("SELECT count(*) FROM queue WHERE state = 'running'") == [(0,)]


def test_differences_are_named_by_their_keys(tmp_path: Path) -> None:
    environment = {"HOME": os.fspath(tmp_path)}
    before = load(environ=environment)
    changed = ["watch.settle_s=9", "log.level=debug"]
    after = load(environ=environment, overrides=changed)
    assert differences(before.settings, before.reload().settings) == []
    assert differences(before.settings, after.settings) == ["watch.settle_s", "log.level"]
