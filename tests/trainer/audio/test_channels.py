"""Sound of many channels, and files of several streams of sound."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
import pytest
from av.audio.plane import AudioPlane

from daemon.worker.worker_client import WorkerClient
from tests.records import WORKER_LIMITS
from tests.sounds import music_like, noise, silence, write_audio
from trainer.audio.channels import mono
from trainer.audio.container import open_sound
from trainer.audio.decode import decode_windows
from trainer.audio.packets.fingerprint import identify
from trainer.audio.stream import SoundStream
from trainer.features.extract import CANONICAL, extract_features
from trainer.trainer_errors import UnusableClip

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.arrays import FloatArray

RATE_HZ = 48000
STEP = 1024
MUSIC = music_like(1, RATE_HZ)


class Coding(NamedTuple):
    """How to write a file: codec, layout and sample format as ffmpeg calls them."""

    suffix: str
    codec: str
    layout: str
    sample_format: str
    options: dict[str, str] = {}  # noqa: RUF012 - it is not changed


CODINGS = [
    Coding("m4a", "aac", "3.0", "fltp"),
    Coding("flac", "flac", "5.0", "s16"),
    Coding("wv", "wavpack", "6.1", "s16p"),
    Coding("m4a", "aac", "7.1", "fltp"),
    Coding("opus", "libopus", "7.1", "flt"),
    Coding("wv", "wavpack", "7.1", "s16p"),
    Coding("wv", "wavpack", "9 channels", "s32p"),
    Coding("mka", "pcm_f32le", "hexadecagonal", "flt"),
    Coding("wv", "wavpack", "16 channels", "fltp"),
    Coding("opus", "libopus", "ambisonic 3", "flt", {"mapping_family": "2"}),
    Coding("opus", "libopus", "24 channels", "flt", {"mapping_family": "255"}),
    Coding("wav", "pcm_s24le", "24 channels", "s32"),
    Coding("mka", "pcm_f32le", "255 channels", "flt"),
]


def write(path: Path, coding: Coding, *sounds: FloatArray) -> Path:
    """Write a file with one stream for each sound, which is alike in all its channels."""
    with av.open(str(path), "w") as container:
        streams = []
        for _ in sounds:
            stream = container.add_stream(
                coding.codec, rate=RATE_HZ, layout=coding.layout, format=coding.sample_format
            )
            assert isinstance(stream, av.AudioStream)
            stream.codec_context.options = {"strict": "experimental", **coding.options}
            if coding.codec in {"aac", "libopus"}:
                stream.bit_rate = 96_000 * stream.layout.nb_channels
            streams.append(stream)
        for first in range(0, len(sounds[0]), STEP):
            for stream, sound in zip(streams, sounds, strict=True):
                container.mux(stream.encode(frame_of(sound, first, stream.layout)))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def frame_of(sound: FloatArray, first: int, layout: av.AudioLayout) -> av.AudioFrame:
    part = np.repeat(sound[first : first + STEP], layout.nb_channels)[np.newaxis]
    frame = av.AudioFrame.from_ndarray(part, "flt", layout.name)
    frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, first, Fraction(1, RATE_HZ)
    return frame


@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: f"{coding.layout} {coding.codec}")
def test_any_number_of_channels_is_heard_as_their_mean(tmp_path: Path, coding: Coding) -> None:
    path = write(tmp_path / f"a.{coding.suffix}", coding, MUSIC)
    alone = write_audio(tmp_path / "alone.wav", MUSIC, RATE_HZ)
    found, expected = (decode_windows(each, CANONICAL).windows[0] for each in (path, alone))
    assert len(found) == pytest.approx(len(expected), rel=0.1)
    # What is read beyond the channels would be noise of any level, or zeros.
    np.testing.assert_allclose(outline(found), outline(expected), rtol=0.4, atol=0.02)


def outline(window: FloatArray) -> FloatArray:
    found: FloatArray = np.abs(window[: 16 * 790]).reshape(16, -1).mean(axis=1)
    return found


@pytest.mark.parametrize("channels", [7, 8, 9, 64, 255])
def test_planes_are_those_of_the_frame_and_no_others(channels: int) -> None:
    frame = av.AudioFrame(format="s16p", layout=f"{channels} channels", samples=1000)
    frame.sample_rate = RATE_HZ
    levels = np.arange(1000, 1000 + channels, dtype=np.int16)
    for plane, level in enumerate(levels):
        view = AudioPlane(frame, plane)
        view.update(np.full(view.buffer_size // 2, level, np.int16).tobytes())
    np.testing.assert_allclose(mono([frame]), np.full(1000, levels.mean() / 2**15), rtol=1e-6)


def test_hundreds_of_channels_are_not_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mka", CODINGS[-1], noise(0.2, RATE_HZ))
    with open_sound(path) as (container, stream):
        assert stream.layout.nb_channels == 255
        frames = SoundStream(container, stream).read(0.0, 1.0).frames
    assert {frame.layout.nb_channels for frame in frames} == {1}
    assert frames[1].time == pytest.approx(frames[0].samples / RATE_HZ, abs=0.01)


def test_a_worker_survives_eight_planes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.m4a", CODINGS[3], noise(1, RATE_HZ))
    with closing(WorkerClient(WORKER_LIMITS)) as worker:
        record, _ = worker.extract(path, worker.identify(path))
    assert record.duration_s == pytest.approx(1, abs=0.1)


PCM = Coding("mka", "pcm_s16le", "stereo", "s16")
FIRST, SECOND = noise(2, RATE_HZ, seed=1), noise(2, RATE_HZ, seed=2)
NOTHING = silence(2, RATE_HZ)
LATE = np.concatenate([NOTHING[RATE_HZ // 4 :], FIRST[: RATE_HZ // 4]])


@pytest.mark.parametrize(
    ("streams", "heard"),
    [
        ([FIRST, SECOND], FIRST),
        ([NOTHING, SECOND], SECOND),
        ([NOTHING, NOTHING, SECOND], SECOND),
        ([LATE, SECOND], LATE),
    ],
    ids=["first", "second", "third", "first begins late"],
)
def test_the_first_stream_that_is_not_silent_is_heard(
    tmp_path: Path, streams: list[FloatArray], heard: FloatArray
) -> None:
    path = write(tmp_path / "a.mka", PCM, *streams)
    alone = write(tmp_path / "alone.mka", PCM, heard)
    np.testing.assert_array_equal(
        decode_windows(path, CANONICAL).windows, decode_windows(alone, CANONICAL).windows
    )
    # Else two films with a silent first stream would be one sound.
    assert identify(path) == identify(alone)


def test_a_first_stream_that_cannot_be_decoded_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mka", PCM, FIRST, SECOND)
    alone = write(tmp_path / "alone.mka", PCM, SECOND)
    content = path.read_bytes()
    assert content.count(b"A_PCM/INT/LIT") == 2
    path.write_bytes(content.replace(b"A_PCM/INT/LIT", b"A_NOBODY/HEAR", 1))
    np.testing.assert_array_equal(
        decode_windows(path, CANONICAL).windows, decode_windows(alone, CANONICAL).windows
    )


def test_a_file_whose_streams_are_all_silent_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mka", PCM, NOTHING, NOTHING)
    with pytest.raises(UnusableClip, match="nothing but silence"):
        extract_features(path)


def test_channels_that_change_in_the_middle_are_followed(tmp_path: Path) -> None:
    parts = [
        write(tmp_path / f"{layout}.aac", Coding("aac", "aac", layout, "fltp"), noise(1, RATE_HZ))
        for layout in ("mono", "7.1", "stereo")
    ]
    path = tmp_path / "a.aac"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = decode_windows(path, CANONICAL)
    assert clip.duration_s == pytest.approx(3, abs=0.3)
