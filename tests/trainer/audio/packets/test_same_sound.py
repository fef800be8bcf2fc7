from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import mutagen
import mutagen.id3
import pytest

from tests.sounds import music_like, stereo, write_audio
from trainer.audio.container import open_sound
from trainer.audio.packets import same_sound as module
from trainer.audio.packets.same_sound import same_sound
from trainer.audio.sound_file import opened

if TYPE_CHECKING:
    from pathlib import Path

COMPARED = ["flac", "mp3", "wav", "aiff", "f32.wav"]


def same(first: Path, second: Path) -> bool:
    with opened(first) as one, opened(second) as other:
        return same_sound(one, other)


def written(folder: Path, kind: str) -> Path:
    sound = music_like(3, 44100)
    return write_audio(folder / f"sound.{kind}", stereo(sound, sound), 44100, kind=kind)


def tagged_copy(path: Path) -> Path:
    copy = path.with_name(f"copy.{path.name}")
    shutil.copyfile(path, copy)
    tags = mutagen.File(copy, easy=True)
    if tags.tags is None:
        tags.add_tags()
    if isinstance(tags.tags, mutagen.id3.ID3):
        tags.tags.add(mutagen.id3.TIT2(encoding=3, text="x" * 9000))  # type: ignore[no-untyped-call]
    else:
        tags["title"] = "x" * 9000
    tags.save()
    assert copy.stat().st_size > path.stat().st_size
    return copy


@pytest.fixture(params=COMPARED)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(tmp_path, request.param)


def test_other_tags_leave_the_sound_the_same(path: Path) -> None:
    copy = tagged_copy(path)
    assert same(path, copy)
    assert same(copy, path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_one_bit_of_sound_makes_it_another(path: Path, share: float) -> None:
    copy = tagged_copy(path)
    content = bytearray(copy.read_bytes())
    with open_sound(path) as (container, stream):
        sound = b"".join(map(bytes, container.demux(stream)))
    place = content.index(sound) + int(share * (len(sound) - 1))
    content[place] ^= 1
    copy.write_bytes(content)
    assert not same(path, copy)


def test_sound_that_is_cut_off_is_another(path: Path) -> None:
    copy = path.with_name(f"copy.{path.name}")
    copy.write_bytes(path.read_bytes()[:-2000])
    assert not same(path, copy)


def test_the_same_bytes_at_another_rate_are_another_sound(tmp_path: Path) -> None:
    path = written(tmp_path, "wav")
    content = path.read_bytes()
    rate = content.index(b"fmt ") + 12
    copy = tmp_path / "copy.wav"
    copy.write_bytes(content[:rate] + (22050).to_bytes(4, "little") + content[rate + 4 :])
    assert not same(path, copy)


@pytest.mark.parametrize("kind", ["ogg", "m4a", "wma"])
def test_of_other_kinds_nothing_is_known(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind)
    assert not same(path, path)


def test_of_large_files_nothing_is_known(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_BYTES", 10_000)
    assert not same(path, path)


def test_of_what_is_no_sound_nothing_is_known(path: Path) -> None:
    text = path.with_name("text.wav")
    text.write_text("not a sound\n" * 100)
    assert not same(path, text)


def test_of_a_codec_without_a_decoder_nothing_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, "wav")
    content = bytearray(path.read_bytes())
    tag = content.index(b"fmt ") + 8
    content[tag : tag + 2] = b"\x34\x12"
    path.write_bytes(content)
    with open_sound(path) as (_, stream):
        assert getattr(stream, "codec_context", None) is None
    assert not same(path, path)
