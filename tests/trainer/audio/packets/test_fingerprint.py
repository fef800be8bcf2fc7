from __future__ import annotations

import hashlib
import io
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import av
import mutagen
import mutagen.id3
import numpy as np
import pytest
from mutagen.apev2 import APEv2File

from bench.fuzz.crafted_files import DECODABLE, NOISE, dff, dsf, speex
from bench.fuzz.good_files import MORE_KINDS, good_files
from tests.daemon.tagging.sounds import chunk, oggflac
from tests.sounds import KINDS, music_like, noise, stereo, write_audio, write_video
from tests.trainer.audio.outer_blocks import AROUND, ID3V1, apev2, id3v2
from trainer.audio.container import open_sound, sound_packets
from trainer.audio.decode import decode_windows
from trainer.audio.packets import fingerprint
from trainer.audio.packets.fingerprint import identify
from trainer.features.extract import CANONICAL
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Callable
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
    before, whole_before = identify(path), identify(path, every_packet=True)
    size = path.stat().st_size
    write_many_tags(path)
    assert path.stat().st_size > size
    assert (identify(path), identify(path, every_packet=True)) == (before, whole_before)


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


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    short, _ = good_files(tmp_path_factory.mktemp("good"))
    return {sample.kind: sample.content for sample in short}


ALL_KINDS = sorted({*KINDS, *MORE_KINDS, *DECODABLE, *NOISE, "mp4"})


@pytest.mark.parametrize("kind", ALL_KINDS)
class TestEveryKind:
    @pytest.fixture(autouse=True)
    def _made(self, tmp_path: Path, samples: dict[str, bytes], kind: str) -> None:
        self.path = tmp_path / f"sound.{kind}"
        self.content = samples[kind]
        self.path.write_bytes(self.content)

    def test_identity_is_the_digest_of_the_packets(self) -> None:
        # Catalogues keep identities, so this formula stays.
        digest = hashlib.blake2b(digest_size=16)
        with open_sound(self.path) as (container, stream):
            for packet in sound_packets(container, stream):
                digest.update(bytes(packet))
        assert identify(self.path) == identify(self.path, every_packet=True) == digest.hexdigest()

    def test_tags_around_the_file_leave_identity_as_it_was(self) -> None:
        before = identify(self.path)
        found = {}
        for name, (front, back) in AROUND.items():
            self.path.write_bytes(front + self.content + back)
            found[name] = identify(self.path)
        assert found == dict.fromkeys(AROUND, before)

    def test_a_byte_of_sound_that_changes_between_tags_is_told_apart(self) -> None:
        changed = bytearray(self.content)
        with open_sound(self.path) as (container, stream):
            packet = next(part for part in sound_packets(container, stream) if part.size > 16)
            place = self.content.find(bytes(packet)[-16:])
        if place < 0:
            pytest.skip("its packets do not lie in the file as they are")
        self.path.write_bytes(id3v2() + self.content + apev2())
        before = identify(self.path)
        changed[place + 15] ^= 1
        self.path.write_bytes(id3v2() + changed + apev2())
        # Ogg checks its pages: a file of one page has no sound left.
        with suppress(UnreadableClip):
            assert identify(self.path) != before


@pytest.mark.parametrize("name", ["a,b:c.flac", "subfile,,start,9,end,99,,:x.flac", "-\n'\".flac"])
def test_odd_names_do_not_mislead_where_tags_are_left_out(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, "flac")
    before = identify(path)
    path.write_bytes(id3v2() + path.read_bytes() + ID3V1)
    for odd in (name.encode(), name.encode() + b"\xff\xe9"):
        path = path.rename(tmp_path / os.fsdecode(odd))
        assert identify(path) == before


def test_tags_around_nothing_are_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "tags.mp3"
    path.write_bytes(id3v2() + apev2() + ID3V1)
    with pytest.raises(UnreadableClip, match="holds tags and nothing else"):
        identify(path)


def test_tags_do_not_open_the_door_to_other_files(tmp_path: Path) -> None:
    other = made(tmp_path, "mp3")
    listing = f"ffconcat version 1.0\nfile '{other}'\n".encode()
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n".encode()
    inner = f"#EXTM3U\n#EXTINF:9,\nsubfile,,start,0,end,0,,:{other}\n".encode()
    for content in (listing, playlist, inner):
        path = tmp_path / "crafted.mp3"
        path.write_bytes(id3v2() + content + apev2())
        with pytest.raises(UnreadableClip):
            identify(path)


def remuxed(path: Path, form: str, title: str) -> str:
    """Returns the identity of the same packets beside another title."""
    copy = path.with_name(f"retitled {path.name}")
    with av.open(path) as source, av.open(copy, "w", format=form) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        target.metadata.update({"title": title, "comment": title})
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return identify(copy)


@pytest.mark.parametrize(
    "kind", sorted({*KINDS, *MORE_KINDS} - {"aac", "ac3", "eac3", "voc", "ts"})
)
def test_a_title_inside_the_container_leaves_identity_as_it_was(
    tmp_path: Path, samples: dict[str, bytes], kind: str
) -> None:
    path = tmp_path / f"sound.{kind}"
    path.write_bytes(samples[kind])
    form = (KINDS | MORE_KINDS)[kind].container
    found = {remuxed(path, form, title) for title in ("", "A", "Long" * 10_000)}
    # Laying the packets out anew may cut them elsewhere, but never turns their bytes.
    assert found == {identify(path)}


@pytest.mark.parametrize(
    ("ending", "craft"), [("dsf", dsf), ("dff", dff), ("spx", speex), ("oga", oggflac)]
)
def test_a_tagger_leaves_the_identity_of_what_ffmpeg_cannot_write(
    tmp_path: Path, ending: str, craft: Callable[[], bytes]
) -> None:
    path = tmp_path / f"sound.{ending}"
    path.write_bytes(craft())
    before = identify(path)
    write_many_tags(path)
    assert path.stat().st_size > len(craft())
    assert identify(path) == before


def test_chunks_in_a_voc_file_leave_its_identity(tmp_path: Path, samples: dict[str, bytes]) -> None:
    path = tmp_path / "sound.voc"
    path.write_bytes(samples["voc"])
    before = identify(path)
    text = b"\x05" + len(b"A title\0").to_bytes(3, "little") + b"A title\0"
    path.write_bytes(samples["voc"][:26] + text + samples["voc"][26:])
    assert identify(path) == before


def test_a_wav_of_unknown_length_keeps_its_identity_when_a_list_follows(tmp_path: Path) -> None:
    path = made(tmp_path, "wav")
    before = identify(path)
    path.write_bytes(path.read_bytes() + chunk(b"LIST", b"INFOINAM\x02\0\0\0A\0"))
    assert identify(path) == before


class TestBeyondTheHead:
    @pytest.fixture(autouse=True)
    def _smaller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fingerprint, "HEAD_BYTES", 50_000)
        monkeypatch.setattr(fingerprint, "CHUNK_BYTES", 5_000)

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
        assert identify(first, every_packet=True) != identify(second, every_packet=True)


def test_text_is_not_a_sound(tmp_path: Path) -> None:
    path = tmp_path / "text.mp3"
    path.write_text("not a sound\n" * 100)
    with pytest.raises(UnreadableClip):
        identify(path)
