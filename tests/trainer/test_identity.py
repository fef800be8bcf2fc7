from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import av
import mutagen
import mutagen.id3
import numpy as np
import pytest
from mutagen.apev2 import APEv2File

from tests.sounds import KINDS, music_like, noise, stereo, write_audio, write_video
from trainer import identity
from trainer.decoding import decode_windows
from trainer.errors import UnreadableClip
from trainer.hearing import CANONICAL
from trainer.identity import identify

if TYPE_CHECKING:
    from pathlib import Path

TAGGED = ["wav", "aiff", "flac", "mp3", "m4a", "alac.m4a", "ogg", "opus", "wma", "wv", "tta"]


def made(folder: Path, kind: str, seed: int = 0) -> Path:
    rate_hz = {"opus": 48000, "ulaw.wav": 8000}.get(kind, 44100)
    sound = music_like(1.5, rate_hz, seed=seed)
    return write_audio(folder / f"{seed}.{kind}", stereo(sound, sound), rate_hz, kind=kind)


def write_many_tags(path: Path) -> None:
    tagged = mutagen.File(path)
    if tagged.tags is None:
        tagged.add_tags()
    text = "x" * 20_000
    if isinstance(tagged.tags, mutagen.id3.ID3):
        tagged.tags.add(mutagen.id3.TXXX(encoding=3, desc="MOOD_AROUSAL", text=text))  # type: ignore[no-untyped-call]
    elif path.name.endswith("m4a"):
        tagged.tags["----:com.apple.iTunes:MOOD_AROUSAL"] = text.encode()
    else:
        tagged.tags["MOOD_AROUSAL"] = text
    tagged.save()


@pytest.mark.parametrize("kind", TAGGED)
def test_tags_leave_identity_as_it_was(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind)
    before, whole_before = identify(path), identify(path, whole=True)
    size = path.stat().st_size
    write_many_tags(path)
    assert path.stat().st_size > size
    assert (identify(path), identify(path, whole=True)) == (before, whole_before)


def test_tags_at_both_ends_of_an_mp3_leave_identity_as_it_was(tmp_path: Path) -> None:
    path = made(tmp_path, "mp3")
    before = identify(path)
    id3 = mutagen.id3.ID3()  # type: ignore[no-untyped-call]
    id3.add(mutagen.id3.TIT2(encoding=3, text="title"))  # type: ignore[no-untyped-call]
    id3.save(path, v1=2)
    assert identify(path) == before
    ape = APEv2File(path)  # type: ignore[no-untyped-call]
    ape.add_tags()  # type: ignore[no-untyped-call]
    ape["Mood"] = "calm"
    ape.save()
    assert identify(path) == before


def test_cover_art_leaves_identity_and_hearing_as_they_were(tmp_path: Path) -> None:
    path = made(tmp_path, "mp3")
    before, heard = identify(path), decode_windows(path, CANONICAL)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as picture:
        stream = picture.add_stream("png", rate=1)
        stream.width = stream.height = 32
        stream.pix_fmt = "rgb24"
        picture.mux(stream.encode(av.VideoFrame(32, 32, "rgb24")))
        picture.mux(stream.encode(None))
    id3 = mutagen.id3.ID3()  # type: ignore[no-untyped-call]
    id3.add(mutagen.id3.APIC(mime="image/png", type=3, data=buffer.getvalue()))  # type: ignore[no-untyped-call]
    id3.save(path)
    assert identify(path) == before
    again = decode_windows(path, CANONICAL)
    assert np.array_equal(again.windows, heard.windows)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_other_sound_is_told_apart(tmp_path: Path, kind: str) -> None:
    assert identify(made(tmp_path, kind, seed=0)) != identify(made(tmp_path, kind, seed=1))


def test_one_changed_sample_is_told_apart(tmp_path: Path) -> None:
    sound = noise(1)
    first = write_audio(tmp_path / "first.wav", sound)
    sound[20_000] += 0.01
    assert identify(first) != identify(write_audio(tmp_path / "second.wav", sound))


def test_a_copy_under_another_name_is_the_same_sound(tmp_path: Path) -> None:
    path = made(tmp_path, "flac")
    copy = tmp_path / "another name"
    shutil.copy(path, copy)
    assert identify(copy) == identify(path)


def test_the_sound_of_a_video_is_identified(tmp_path: Path) -> None:
    first = identify(write_video(tmp_path / "first.mp4", music_like(1, seed=1)))
    second = identify(write_video(tmp_path / "second.mp4", music_like(1, seed=2)))
    assert len(first) == 32
    assert first != second


class TestBeyondTheHead:
    @pytest.fixture(autouse=True)
    def _smaller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(identity, "HEAD_BYTES", 50_000)
        monkeypatch.setattr(identity, "CHUNK_BYTES", 5_000)

    @pytest.mark.parametrize("kind", ["wav", "aiff", "m4a", "alac.m4a", "flac", "mp3"])
    def test_tags_leave_identity_as_it_was(self, tmp_path: Path, kind: str) -> None:
        path = write_audio(tmp_path / f"long.{kind}", noise(8), kind=kind)
        before = identify(path)
        write_many_tags(path)
        assert identify(path) == before

    def test_long_sounds_that_begin_alike_are_told_apart(self, tmp_path: Path) -> None:
        head = noise(4, seed=1)
        paths = [
            write_audio(tmp_path / f"{seed}.wav", np.concatenate([head, noise(4, seed=seed)]))
            for seed in (2, 3)
        ]
        assert identify(paths[0]) != identify(paths[1])

    def test_whole_sees_what_the_identity_passes_over(self, tmp_path: Path) -> None:
        sound = noise(20)
        first = write_audio(tmp_path / "first.wav", sound)
        sound[-1] = 0.9
        second = write_audio(tmp_path / "second.wav", sound)
        assert identify(first) == identify(second)
        assert identify(first, whole=True) != identify(second, whole=True)


def test_text_is_not_a_sound(tmp_path: Path) -> None:
    path = tmp_path / "text.mp3"
    path.write_text("not a sound\n" * 100)
    with pytest.raises(UnreadableClip):
        identify(path)
