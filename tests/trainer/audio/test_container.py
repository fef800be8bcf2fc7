from __future__ import annotations

import ctypes
import os
import socket
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from tests.sounds import tone, write_audio, write_video
from trainer.audio.container import _DECODERS, open_sound, sound_packets
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IN_OPEN = 0x20


def opening(path: Path) -> None:
    with open_sound(path):
        pass


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


class OpenWatch:
    """Asks the kernel whether a file has been opened."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(path), IN_OPEN) >= 0

    def saw_one(self) -> bool:
        try:
            return bool(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return False


def hostile(kind: str, other: Path, url: str) -> str:
    wanted = [f"file:{other}", str(other), other.name, url]
    port = url.rpartition(":")[2].strip("/")
    segments = [line for target in wanted for line in ("#EXTINF:10,", target)]
    lines = {
        "m3u8": ["#EXTM3U", "#EXT-X-TARGETDURATION:10", *segments, "#EXT-X-ENDLIST"],
        "ffconcat": ["ffconcat version 1.0", *(f"file '{target}'" for target in wanted)],
        "sdp": [
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=x",
            "c=IN IP4 127.0.0.1",
            "t=0 0",
            f"m=audio {port} RTP/AVP 0",
            "a=rtpmap:0 PCMU/8000",
        ],
        "dash": [
            '<?xml version="1.0"?>',
            '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>',
            f"<Representation id='1' bandwidth='1'><BaseURL>{url}</BaseURL></Representation>",
            "</AdaptationSet></Period></MPD>",
        ],
        "asx": [f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>'],
        "pls": ["[playlist]", f"File1={url}", f"File2={other}", "NumberOfEntries=2"],
        "imf": ['<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/x">'],
        "rtsp": ["RTSPtext", f"rtsp://{url.partition('//')[2]}"],
    }
    return "\n".join(lines[kind]) + "\n"


@pytest.mark.parametrize("suffix", ["mp3", "m3u8", "wav", "ogg"])
@pytest.mark.parametrize("kind", ["m3u8", "ffconcat", "sdp", "dash", "asx", "pls", "imf", "rtsp"])
def test_a_playlist_is_never_followed(
    tmp_path: Path, listener: socket.socket, kind: str, suffix: str
) -> None:
    other = write_audio(tmp_path / "other.wav", tone(1))
    watch = OpenWatch(other)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    path = tmp_path / f"crafted.{suffix}"
    path.write_text(hostile(kind, other, url))
    with pytest.raises(UnreadableClip) as caught:
        opening(path)
    assert "\n" not in caught.value.reason
    assert not watch.saw_one()
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_the_watch_sees_an_open(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.wav", tone(0.1))
    watch = OpenWatch(path)
    opening(path)
    assert watch.saw_one()


@pytest.mark.parametrize(
    "name", ["concat:a|b.wav", "http:x.wav", "a\nb.wav", "'\".wav", "%03d.wav", "-i.wav", "ü.wav"]
)
def test_names_that_mean_something_elsewhere_are_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain = write_audio(tmp_path / "plain.wav", tone(0.1))
    monkeypatch.chdir(tmp_path)
    plain.rename(name)
    opening(type(plain)(name))


def test_a_name_that_is_not_utf8_opens(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.wav", tone(0.1))
    odd = tmp_path / os.fsdecode(b"caf\xe9 \xff.wav")
    plain.rename(odd)
    opening(odd)


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "m4a", "mka"])
def test_tags_that_are_not_utf8_do_not_hide_the_sound(tmp_path: Path, kind: str) -> None:
    path = write_audio(tmp_path / f"tagged.{kind}", tone(0.3), tags={"title": "Cafe"})
    content = path.read_bytes()
    assert b"Cafe" in content
    path.write_bytes(content.replace(b"Cafe", "Café".encode("latin-1")))
    opening(path)


def transport_stream(path: Path, sounds: int) -> bytes:
    with av.open(path, "w", format="mpegts") as container:
        streams = [container.add_stream("aac", rate=44100, layout="mono") for _ in range(sounds)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(tone(0.5)[np.newaxis], "fltp", "mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path.read_bytes()


def test_a_stream_that_appears_midway_does_not_spoil_the_one_that_is_heard(tmp_path: Path) -> None:
    one, two = (transport_stream(tmp_path / f"{count}.ts", count) for count in (1, 2))
    path = tmp_path / "recorded.ts"
    # ffmpeg looks at the first megabytes and the last ones for streams when it opens the file.
    path.write_bytes(one * 600 + two + one * 600)
    with open_sound(path) as (container, stream):
        assert len(container.streams) == 1
        heard = sum(packet.size > 0 for packet in sound_packets(container, stream))
    assert heard > 20_000


def test_no_decoder_of_pictures_runs(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mkv", tone(1.0))
    with av.open(film) as container:
        seen = container.streams.video[0].codec_context.pix_fmt
    with open_sound(film) as (container, stream):
        assert stream.codec_context.name in _DECODERS.split(",")
        # Only decoding tells the kind of picture.
        assert (seen, container.streams.video[0].codec_context.pix_fmt) == ("yuv420p", None)
    assert not {"mpeg4", "png", "mjpeg", "h264", "subrip"} & set(_DECODERS.split(","))
    assert {"mp3float", "aac", "flac", "pcm_s16le", "vorbis", "opus"} <= set(_DECODERS.split(","))


def test_a_file_cut_off_in_its_header_says_so(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.ogg", tone(0.1))
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(UnreadableClip, match="ends before its sound begins"):
        opening(path)


def test_each_unreadable_thing_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder.ogg").mkdir()
    (tmp_path / "text.mp3").write_text("not a sound\n" * 1000)
    (tmp_path / "zeros.flac").write_bytes(bytes(5000))
    os.mkfifo(tmp_path / "pipe.wav")
    reasons = {
        "empty.wav": "is empty",
        "folder.ogg": "is a directory",
        "pipe.wav": "is not a regular file",
        "absent.wav": "no such file",
        "text.mp3": "not a sound file",
        "zeros.flac": "not a sound file|no audio stream",
    }
    for name, reason in reasons.items():
        with pytest.raises(UnreadableClip, match=reason):
            opening(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_says_so(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.wav", tone(0.1))
    path.chmod(0)
    with pytest.raises(UnreadableClip, match="permission denied"):
        opening(path)
