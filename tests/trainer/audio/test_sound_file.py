from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.sounds import noise, tone, write_audio
from trainer.audio.decode import decode_windows
from trainer.audio.packets.ffmpeg_reading import read_back
from trainer.audio.packets.fingerprint import identify
from trainer.audio.sound_file import Extent, FileView, SoundFile, opened
from trainer.audio.window_plan import WindowPlan
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from pathlib import Path

BRIEF = WindowPlan(rate_hz=8000, windows=2, window_s=0.5)


def test_what_was_opened_is_read_wherever_its_name_leads_later(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "song.flac", noise(1.0))
    other = write_audio(tmp_path / "other.flac", tone(1.0))
    expected = identify(path), read_back(path), decode_windows(path, BRIEF)
    with opened(path) as file:
        other.replace(path)
        found = identify(file), read_back(file), decode_windows(file, BRIEF)
    assert found[:2] == expected[:2]
    assert np.array_equal(found[2].windows, expected[2].windows)
    assert identify(path) != expected[0]


def test_a_file_is_read_that_has_no_name_any_more(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "song.mp3", noise(1.0))
    expected = identify(path)
    with opened(path) as file:
        path.unlink()
        assert identify(file) == expected


def test_a_link_is_followed_only_by_permission(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "song.wav", noise(0.2))
    link = tmp_path / "link.wav"
    link.symlink_to(path)
    with opened(link) as file:
        assert os.path.sameopenfile(file.descriptor, file.descriptor)
    with (
        pytest.raises(UnreadableClip, match="is a symbolic link"),
        opened(link, follow_links=False),
    ):
        pass


@pytest.mark.parametrize("within", [None, Extent(0, 1000), Extent(100, 900)])
def test_a_view_reads_like_a_file_that_holds_only_its_part(
    tmp_path: Path, within: Extent | None
) -> None:
    content = np.random.default_rng(1).bytes(1000)
    path = tmp_path / "content.wav"
    path.write_bytes(content)
    part = content[within.start : within.end] if within else content
    with opened(path) as file:
        view = FileView(file, within)
        assert view.name == "content.wav"
        assert view.read(7) + view.read(10_000) == part
        assert view.read(1) == b""
        assert view.seek(-5, os.SEEK_END) == view.tell() == len(part) - 5
        assert view.read(9) == part[-5:]
        assert view.seek(0) == 0
        assert view.seek(3, os.SEEK_CUR) == 3
        assert view.seek(-9) < 0
        assert view.read(2) == part[3:5]
        assert view.seek(5000) == 5000
        assert view.read(2) == b""
        assert os.lseek(file.descriptor, 0, os.SEEK_CUR) == 0


def test_what_a_header_claims_is_not_allocated_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sparse.wav"
    with path.open("wb") as sparse:
        sparse.truncate(2**40)
    with opened(path) as file:
        assert len(FileView(file).read(2**31 - 1)) == 2**20


def test_a_view_passes_on_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        FileView(SoundFile(tmp_path, os.open(tmp_path, os.O_RDONLY))).read(1)
