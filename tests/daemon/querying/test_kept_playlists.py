"""Playlists that are kept up to date: atomically, and never over what others wrote."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config.errors import SettingsError
from config.loading import load
from config.settings import MoodSettings, PlaylistSettings
from daemon.querying.kept_playlists import kept_playlists, write_playlist
from daemon.querying.playlist_keeper import PlaylistKeeper
from daemon.service_errors import PlaylistRefused
from daemon.tagging.disk.syscalls import DiskCalls
from tests.driving import PATIENCE_S
from tests.records import record

if TYPE_CHECKING:
    from storage.catalogue import Catalogue

MOOD = MoodSettings(arousal_threshold=0, valence_threshold=0)
OURS = b"#EXTM3U\n# Kept up to date by valenced: changes are overwritten.\n"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def keeper(
    catalogue: Catalogue, file: Path, query: str = "energetic", name: str = "x"
) -> PlaylistKeeper:
    settings = [PlaylistSettings(name=name, query=query, file=file)]
    playlists = kept_playlists(settings, MOOD, [file.parent])
    return PlaylistKeeper(catalogue.url, playlists, DiskCalls(), pause_s=0.01)


def test_it_holds_what_the_query_says_and_is_written_only_if_that_changes(
    catalogue: Catalogue, music: Path
) -> None:
    file = music / "list.m3u8"
    record(catalogue, music / "ann" / "first" / "01 - Rain.mp3", 0.5, 0.5)
    record(catalogue, music / "sad.mp3", -0.5, -0.5)
    kept = keeper(catalogue, file, "energetic --limit 5", "two\nlines")
    assert kept.refresh() == 1
    assert file.read_bytes() == OURS + (
        b"#PLAYLIST:two\\nlines\n#EXTINF:12,ann - Rain\n./ann/first/01 - Rain.mp3\n"
    )
    before = file.stat().st_ctime_ns
    assert kept.refresh() == 0
    assert file.stat().st_ctime_ns == before
    record(catalogue, music / "b.mp3", 0.6, 0.6)
    assert kept.refresh() == 1
    assert file.read_bytes().endswith(b"./ann/first/01 - Rain.mp3\n#EXTINF:12,b\n./b.mp3\n") or (
        b"./b.mp3\n" in file.read_bytes()
    )
    assert names_in(music) == ["list.m3u8"]


def test_the_thread_follows_the_catalogue(catalogue: Catalogue, music: Path) -> None:
    file = music / "list.m3u"
    kept = keeper(catalogue, file)
    kept.start()
    try:
        for name in ("a.mp3", "b.mp3"):
            record(catalogue, music / name, 0.5, 0.5)
            until_s = time.monotonic() + PATIENCE_S
            while not file.exists() or f"./{name}".encode() not in file.read_bytes():
                assert time.monotonic() < until_s
                time.sleep(0.01)
    finally:
        kept.stop()
    assert not kept._thread.is_alive()


def foreign_file(file: Path) -> None:
    file.write_bytes(b"#EXTM3U\nmine.mp3\n")


def link(file: Path) -> None:
    target = file.with_name("target.m3u8")
    target.write_bytes(OURS)
    file.symlink_to(target)


def folder(file: Path) -> None:
    file.mkdir()


def pipe(file: Path) -> None:
    os.mkfifo(file)


@pytest.mark.parametrize("plant", [foreign_file, link, folder, pipe])
def test_what_is_not_ours_stays_and_is_named_once(
    catalogue: Catalogue, music: Path, caplog: pytest.LogCaptureFixture, plant: Any
) -> None:
    file = music / "list.m3u8"
    plant(file)
    names, before = names_in(music), file.lstat().st_ctime_ns
    kept = keeper(catalogue, file)
    assert (kept.refresh(), kept.refresh()) == (0, 0)
    assert (names_in(music), file.lstat().st_ctime_ns) == (names, before)
    assert caplog.text.count("is not a playlist of valenced; move it away") == 1


class Swapping(DiskCalls):
    """Puts another file in the place of the playlist just before the two are exchanged."""

    def __init__(self, file: Path) -> None:
        self._file, self._is_done = file, False

    def exchange(self, folder: int, one: str, other: str) -> bool:
        if not self._is_done:
            self._is_done = True
            self._file.with_name("mine").write_bytes(b"newer")
            self._file.with_name("mine").replace(self._file)
        return super().exchange(folder, one, other)


def test_a_file_put_in_its_place_meanwhile_is_put_back(music: Path) -> None:
    file = music / "list.m3u8"
    file.write_bytes(OURS + b"old\n")
    with pytest.raises(PlaylistRefused, match=r"list\.m3u8"):
        write_playlist(file, OURS + b"new\n", Swapping(file))
    assert file.read_bytes() == b"newer"
    assert names_in(music) == ["list.m3u8"]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("happy", "is not one of"),
        ("--near nan,0", "A,V is accepted"),
        ("--format csv", "No such option"),
        ("--like x.mp3", "No such option"),
        ("calm 'unclosed", "No closing quotation"),
        ("--from calm", "belong together"),
        ("$(reboot)", "is not one of"),
    ],
)
def test_a_wrong_query_is_an_error_of_the_settings(tmp_path: Path, query: str, word: str) -> None:
    playlist = PlaylistSettings(name="x", query=query, file=tmp_path / "x.m3u8")
    with pytest.raises(SettingsError, match=word) as caught:
        kept_playlists([playlist], MOOD, [tmp_path])
    assert "playlist[0].query" in str(caught.value)


def test_a_playlist_must_be_in_an_allowed_folder(tmp_path: Path) -> None:
    playlist = PlaylistSettings(name="x", query="", file=Path("/etc/cron.d/x.m3u8"))
    with pytest.raises(SettingsError, match=r"playlist\[0\]\.file .*must be in"):
        kept_playlists([playlist], MOOD, [tmp_path])
    up = PlaylistSettings(name="x", query="", file=tmp_path / "in" / ".." / ".." / "x.m3u8")
    with pytest.raises(SettingsError, match="must be in"):
        kept_playlists([up], MOOD, [tmp_path])
    (tmp_path / "out").symlink_to("/etc")
    out = PlaylistSettings(name="x", query="", file=tmp_path / "out" / "x.m3u8")
    with pytest.raises(SettingsError, match="must be in"):
        kept_playlists([out], MOOD, [tmp_path])


def test_the_settings_take_a_list_and_name_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[[playlist]]\nname = "a"\nquery = "calm"\nfile = "/srv/a.m3u8"\n')
    (playlist,) = load(environ={"HOME": "/nowhere"}, file=file).settings.playlist
    assert (playlist.name, playlist.query) == ("a", "calm")
    file.write_text('[[playlist]]\nname = ""\nqery = "calm"\nfile = "a.txt"\n')
    with pytest.raises(SettingsError) as caught:
        load(environ={"HOME": "/nowhere"}, file=file)
    problems = "\n".join(caught.value.problems)
    assert "playlist[0].file" in problems
    assert "playlist[0].qery" in problems
    assert "the nearest is query" in problems
