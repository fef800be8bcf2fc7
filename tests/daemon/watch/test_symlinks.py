"""Symbolic links in watched folders: left alone, or followed without harm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.settings import FolderSettings
from daemon.watch.file_filter import FileFilter
from daemon.watch.symlinks import links_below, with_targets
from tests.driving import scanned
from tests.sounds import music_like, noise, tone, write_audio

if TYPE_CHECKING:
    from tests.driving import Valenced

FILTER = FileFilter(["wav"], [".*"])
FOLLOW = ("--set", "watch.follow_links=true")


@pytest.fixture
def outside(music: Path) -> Path:
    """A folder with a sound, to which a link leads, and a lone sound, to which another does."""
    folder = music.parent / "outside"
    folder.mkdir()
    write_audio(folder / "a.wav", music_like(1))
    write_audio(music.parent / "lone.wav", noise(1))
    (music / "album").symlink_to(folder)
    (music / "again").symlink_to(folder)
    (music / "b.wav").symlink_to(music.parent / "lone.wav")
    write_audio(music / "own.wav", tone(1))
    (music / "twin.wav").symlink_to("own.wav")
    return folder


def followed(music: Path) -> list[Path]:
    return [folder.path for folder in with_targets([FolderSettings(path=music)], FILTER)]


def test_links_are_left_alone_unless_asked_for(
    valenced: Valenced, music: Path, outside: Path
) -> None:
    before = (outside / "a.wav").read_bytes()
    assert valenced.read("scan", music) == scanned(1)
    assert (outside / "a.wav").read_bytes() == before
    told = valenced("check", "--set", f'watch.folder=[{{path = "{music}"}}]').decode()
    assert f"{music}: 4 links, not followed" in told


def test_what_links_lead_to_is_heard_once_and_the_links_stay(
    valenced: Valenced, music: Path, outside: Path
) -> None:
    real = {outside / "a.wav", music.parent / "lone.wav", music / "own.wav"}
    links = {link: link.readlink() for link in links_below(music, FILTER)}
    assert valenced.read("scan", music, *FOLLOW) == scanned(3)
    rows = valenced.read("query")
    assert {Path(row["path"]) for row in rows} == real
    assert {row["tag_state"] for row in rows} == {"written"}
    assert {link: link.readlink() for link in links_below(music, FILTER)} == links
    assert len(links) == 4
    assert valenced.read("scan", music, *FOLLOW) == scanned(0)
    (outside / "a.wav").unlink()
    (outside / "cover.jpg").touch()
    valenced("scan", music, *FOLLOW)
    assert len(valenced.read("query")) == 2


def test_a_followed_folder_is_watched(valenced: Valenced, music: Path, outside: Path) -> None:
    with valenced.start("run", music, *FOLLOW) as service:
        service.wait_for("watching", str(outside))
        write_audio(outside / "new.wav", noise(1, seed=9))
        service.wait_for("new.wav", "arousal")
        assert service.stop() == 0


def test_links_in_a_followed_folder_are_followed_too(music: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (music / "to one").symlink_to(tmp_path / "one")
    (tmp_path / "one" / "to two").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "back").symlink_to(tmp_path / "one")
    (tmp_path / "two" / "home").symlink_to(music)
    assert followed(music) == [music, tmp_path / "one", tmp_path / "two"]


@pytest.mark.parametrize(
    "target",
    [
        "nowhere",
        "bad.wav",
        ".",
        "..",
        "/",
        "/proc",
        "/proc/self/root",
        "/dev/zero",
        "/dev",
        "x" * 300,
    ],
)
def test_a_link_that_leads_astray_is_left_alone(music: Path, target: str) -> None:
    (music / "bad.wav").symlink_to(target)
    (music / "bad").symlink_to(target)
    assert followed(music) == [music]


def test_links_with_ignored_names_are_left_alone(music: Path, outside: Path) -> None:
    for link in list(links_below(music, FILTER)):
        link.rename(link.with_name(f".{link.name}"))
    assert outside.is_dir()
    assert followed(music) == [music]
