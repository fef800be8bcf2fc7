"""Sidecars whose sounds other programs rename, move and delete."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.tagging.disk.temp_names import sidecar_of
from tests.driving import Valenced
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from collections.abc import Callable

ODD = os.fsdecode(b"caf\xe9.wav")


@pytest.fixture
def valenced(tmp_path: Path) -> Valenced:
    return Valenced(tmp_path / "state", "watch.settle_s=0.3", "tags.mode=sidecar")


@pytest.fixture
def sound(valenced: Valenced, music: Path) -> Path:
    (music / "album").mkdir()
    file = write_audio(music / "old.wav", music_like(2))
    valenced("scan", music)
    assert written(file)["file"] == "old.wav"
    return file


def written(sound: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(sidecar_of(sound).read_bytes())
    return record


@pytest.mark.parametrize("name", ["new.wav", "album/old.wav", ODD])
def test_a_sidecar_follows_its_sound(
    valenced: Valenced, music: Path, sound: Path, name: str
) -> None:
    items = written(sound)["items"]
    new = sound.rename(music / name)
    valenced("scan", music)
    assert not sidecar_of(sound).exists()
    assert written(new)["file"] == new.name
    assert written(new)["items"]["MOOD_AROUSAL"] == items["MOOD_AROUSAL"]
    assert [Path(row["path"]) for row in valenced.read("query")] == [new]


def test_a_sidecar_follows_while_the_service_runs(
    valenced: Valenced, music: Path, sound: Path
) -> None:
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        new = sound.rename(music / "new.wav")
        service.wait_for("new.wav: known sound, not analysed again")
        assert service.stop() == 0
    assert written(new)["file"] == "new.wav"
    assert not sidecar_of(sound).exists()


def test_a_sidecar_moved_with_its_sound_gets_the_new_name(
    valenced: Valenced, music: Path, sound: Path
) -> None:
    new = sound.rename(music / "new.wav")
    sidecar_of(sound).rename(sidecar_of(new))
    valenced("scan", music)
    assert written(new)["file"] == "new.wav"


def to_text(path: Path) -> None:
    path.write_text("mine")


def to_another_sounds(path: Path) -> None:
    path.write_text(json.dumps({"format": 1, "file": "another.wav", "items": {}}))


def to_nesting(path: Path) -> None:
    path.write_text("[" * 100_000)


def to_odd_items(path: Path) -> None:
    path.write_text(json.dumps({"format": 1, "file": "old.wav", "items": {"a": 1}}))


def to_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def to_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "put", [to_text, to_another_sounds, to_nesting, to_odd_items, to_link, to_pipe]
)
def test_what_may_not_be_our_sidecar_stays(
    valenced: Valenced, music: Path, sound: Path, put: Callable[[Path], None]
) -> None:
    sidecar_of(sound).unlink()
    put(sidecar_of(sound))
    new = sound.rename(music / "new.wav")
    valenced("scan", music)
    assert os.path.lexists(sidecar_of(sound))
    assert written(new)["file"] == "new.wav"


def test_a_copy_or_a_deletion_removes_no_sidecar(
    valenced: Valenced, music: Path, sound: Path
) -> None:
    copy = music / "copy.wav"
    copy.write_bytes(sound.read_bytes())
    valenced("scan", music)
    assert (written(sound)["file"], written(copy)["file"]) == ("old.wav", "copy.wav")
    copy.unlink()
    valenced("scan", music)
    assert sidecar_of(copy).exists()


def test_without_tags_no_sidecar_is_touched(valenced: Valenced, music: Path, sound: Path) -> None:
    new = sound.rename(music / "new.wav")
    valenced("scan", music, "--no-tags")
    assert sidecar_of(sound).exists()
    assert not sidecar_of(new).exists()
