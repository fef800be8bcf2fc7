from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz.crafted_files import dff, dsf, speex
from tests.daemon.tagging.sounds import musepack
from tests.sounds import KINDS, music_like, noise, silence, stereo, tone, write_audio, write_video
from tests.trainer.audio.outer_blocks import ID3V1, apev2, id3v2
from trainer.audio import decode, stream
from trainer.audio.container import sound_packets
from trainer.audio.decode import decode_windows, window_starts
from trainer.features.extract import FeatureSettings
from trainer.trainer_errors import ClipError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

BRIEF = FeatureSettings(rate_hz=16000, windows=4, window_s=0.5)


def loudest_hz(window: np.ndarray, rate_hz: int = 16000) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(window))) * rate_hz / len(window))


def staircase(steps: int, step_s: float, rate_hz: int = 44100) -> np.ndarray:
    return np.concatenate([tone(step_s, rate_hz, hz=200 * (n + 1)) for n in range(steps)])


@given(st.floats(2.0, 1e5), st.integers(1, 9))
def test_windows_are_spread_evenly_inside_the_file(duration_s: float, windows: int) -> None:
    starts_s = window_starts(duration_s, windows, duration_s / windows / 2)
    gaps_s = np.diff([-duration_s / windows / 2, *starts_s, duration_s])
    assert np.allclose(gaps_s[1:-1] - duration_s / windows / 2, starts_s[0])
    assert np.isclose(gaps_s[-1] - duration_s / windows / 2, starts_s[0])


@pytest.mark.parametrize("rate_hz", [8000, 44100, 96000])
def test_parts_that_are_resampled_at_once_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: int
) -> None:
    path = write_audio(tmp_path / "a.wav", noise(3, rate_hz), rate_hz)
    found = []
    for frames in (1, 5, 100_000):
        monkeypatch.setattr(decode, "_BATCH", frames)
        found.append(np.stack(decode_windows(path, BRIEF).windows))
    assert found[0].any()
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_windows_hold_the_sound_at_their_place(tmp_path: Path, kind: str) -> None:
    rate_hz = {"opus": 48000, "ulaw.wav": 8000}.get(kind, 44100)
    sound = staircase(9, 2.0, rate_hz)
    path = write_audio(tmp_path / f"sound.{kind}", stereo(sound, sound), rate_hz, kind=kind)
    clip = decode_windows(path, BRIEF)
    assert clip.duration_s == pytest.approx(18, abs=0.6)
    assert len(clip.windows) == 4
    for start_s, window in zip(clip.starts_s, clip.windows, strict=True):
        assert window.dtype == np.float32
        assert len(window) == 8000
        assert np.abs(window).max() <= 1
        assert loudest_hz(window) == pytest.approx(200 * (int(start_s / 2) + 1), abs=5)


def test_a_short_file_is_heard_whole(tmp_path: Path) -> None:
    clip = decode_windows(write_audio(tmp_path / "short.wav", noise(1.3)), BRIEF)
    assert sum(map(len, clip.windows)) == pytest.approx(1.3 * 16000, abs=3)
    assert len({len(window) for window in clip.windows}) == 1
    assert clip.duration_s == pytest.approx(1.3, abs=0.001)
    assert clip.starts_s[0] == 0


def test_eight_channels_are_averaged_without_growing_louder(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "cinema.wav", np.stack([tone(1)] * 8))
    clip = decode_windows(path, BRIEF)
    assert np.abs(clip.windows[0]).max() == pytest.approx(0.5, abs=0.01)


def test_each_channel_counts_the_same(tmp_path: Path) -> None:
    channels = np.zeros((8, 44100), np.float32)
    channels[3] = tone(1)
    clip = decode_windows(write_audio(tmp_path / "one of eight.wav", channels), BRIEF)
    assert np.abs(clip.windows[0]).max() == pytest.approx(0.5 / 8, abs=0.005)


_IN_A_CHILD = """
import sys
from pathlib import Path
from trainer.audio.decode import decode_windows
from trainer.audio.window_plan import WindowPlan
for _ in range(10):
    decode_windows(Path(sys.argv[1]), WindowPlan(16000, 1, 1.0))
"""


def test_an_order_of_channels_that_has_no_name_is_freed_once(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "cinema.aiff", np.stack([tone(1)] * 8))
    assert b"CHAN" in path.read_bytes()[:64]
    command = [sys.executable, "-c", _IN_A_CHILD, str(path)]
    # glibc then looks for freed memory that is freed again.
    done = subprocess.run(command, env={**os.environ, "MALLOC_CHECK_": "3"}, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("rate_hz", [8000, 192000])
def test_any_rate_comes_out_canonical(tmp_path: Path, rate_hz: int) -> None:
    clip = decode_windows(write_audio(tmp_path / "a.wav", tone(1, rate_hz), rate_hz), BRIEF)
    assert loudest_hz(np.concatenate(clip.windows)) == pytest.approx(440, abs=2)


def test_the_sound_of_a_video_is_heard(tmp_path: Path) -> None:
    clip = decode_windows(write_video(tmp_path / "film.mp4", staircase(6, 1.0)), BRIEF)
    assert clip.duration_s == pytest.approx(6, abs=0.1)
    assert len(clip.windows) == 4


def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableClip, match="no audio stream"):
        decode_windows(write_video(tmp_path / "mute.mp4", None, duration_s=1.0), BRIEF)


def test_floats_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    sound = tone(1, gain=5.0)
    sound[5000:5010] = np.nan
    sound[6000] = np.inf
    clip = decode_windows(write_audio(tmp_path / "loud.f32.wav", sound, kind="f32.wav"), BRIEF)
    assert np.isfinite(clip.windows).all()
    assert np.abs(clip.windows).max() == 1


class TestLyingHeaders:
    @pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 4 * 20 * 88200])
    @pytest.mark.parametrize("length_s", [1, 20])
    def test_wav_sizes(self, tmp_path: Path, size: int, length_s: int) -> None:
        whole = write_audio(tmp_path / "a.wav", noise(length_s)).read_bytes()
        place = whole.index(b"data") + 4
        lie = struct.pack("<I", size)
        path = tmp_path / "lying.wav"
        path.write_bytes(whole[:4] + lie + whole[8:place] + lie + whole[place + 4 :])
        clip = decode_windows(path, BRIEF)
        assert clip.duration_s == pytest.approx(length_s, abs=0.1)
        assert len(clip.windows) == min(4, 2 * length_s)

    @pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "opus", "wv", "mka", "aiff", "aac"])
    def test_a_file_cut_short_is_heard_as_far_as_it_goes(self, tmp_path: Path, kind: str) -> None:
        rate_hz = 48000 if kind == "opus" else 44100
        sound = music_like(30, rate_hz)
        path = write_audio(tmp_path / f"a.{kind}", stereo(sound, sound), rate_hz, kind=kind)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        clip = decode_windows(path, BRIEF)
        assert len(clip.windows) == 4
        assert clip.duration_s == pytest.approx(15, abs=2)

    @pytest.mark.parametrize("factor", [10, 0.02])
    def test_an_mp3_that_miscounts_its_frames(self, tmp_path: Path, factor: float) -> None:
        path = write_audio(tmp_path / "a.mp3", music_like(30))
        content = bytearray(path.read_bytes())
        place = content.index(b"Info") + 8
        frames = int(struct.unpack_from(">I", content, place)[0] * factor)
        struct.pack_into(">I", content, place, frames)
        path.write_bytes(content)
        assert len(decode_windows(path, BRIEF).windows) == 4

    def test_an_mp3_without_any_header(self, tmp_path: Path) -> None:
        content = write_audio(tmp_path / "a.mp3", music_like(30)).read_bytes()
        path = tmp_path / "bare.mp3"
        path.write_bytes(content[content.index(b"\xff\xfb", content.index(b"Info")) :])
        clip = decode_windows(path, BRIEF)
        assert len(clip.windows) == 4
        assert clip.duration_s == pytest.approx(30, abs=1)

    def test_an_mp4_that_lost_its_index_says_so(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "a.m4a", noise(5))
        path.write_bytes(path.read_bytes()[:-3000])
        with pytest.raises(UnreadableClip, match="damaged"):
            decode_windows(path, BRIEF)


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "opus", "wv", "aiff", "wma", "mka", "aac"])
@pytest.mark.parametrize("seed", range(4))
def test_damage_in_the_middle_is_survived(tmp_path: Path, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rate_hz = 48000 if kind == "opus" else 44100
    path = write_audio(tmp_path / f"a.{kind}", noise(10, rate_hz), rate_hz, kind=kind)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    first = len(content) // 3
    content[first : first * 2] = rng.integers(0, 256, first)
    path.write_bytes(content.tobytes())
    clip = decode_windows(path, BRIEF)
    assert np.isfinite(clip.windows).all()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_noise_on_every_byte_gives_sound_or_one_reason(tmp_path: Path, kind: str) -> None:
    rate_hz = {"opus": 48000, "ulaw.wav": 8000}.get(kind, 44100)
    path = write_audio(tmp_path / f"a.{kind}", noise(3, rate_hz), rate_hz, kind=kind)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        broken = content.copy()
        places = rng.integers(0, len(content) if seed % 2 else 400, 20)
        broken[places] = rng.integers(0, 256, 20)
        path.write_bytes(broken.tobytes())
        try:
            assert np.isfinite(decode_windows(path, BRIEF).windows).all()
        except ClipError as error:
            assert "\n" not in error.reason  # noqa: PT017 - either outcome is right


class TestTenHours:
    def sparse_wav(self, path: Path, length_s: int) -> Path:
        rate_hz = 16000
        content = write_audio(path, silence(0.1, rate_hz), rate_hz).read_bytes()
        place = content.index(b"data") + 4
        size = length_s * rate_hz * 2
        with path.open("wb") as file:
            file.write(content[:place] + struct.pack("<I", size))
            file.truncate(place + 4 + size)
        return path

    def cost(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
        decoded = packets = 0
        decode, demux = stream.SoundStream._decode, sound_packets

        def counting_decode(
            self: stream.SoundStream, packet: Packet[AudioStream]
        ) -> list[AudioFrame]:
            nonlocal decoded
            frames = decode(self, packet)
            decoded += sum(frame.samples for frame in frames)
            return frames

        def counting_demux(
            container: InputContainer, stream: AudioStream
        ) -> Iterator[Packet[AudioStream]]:
            nonlocal packets
            for packet in demux(container, stream):
                packets += 1
                yield packet

        with monkeypatch.context() as patch:
            patch.setattr(stream.SoundStream, "_decode", counting_decode)
            patch.setattr(stream, "sound_packets", counting_demux)
            decode_windows(path, BRIEF)
        return decoded, packets

    def test_cost_what_ten_minutes_cost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        short = self.cost(self.sparse_wav(tmp_path / "short.wav", 600), monkeypatch)
        long = self.cost(self.sparse_wav(tmp_path / "long.wav", 36000), monkeypatch)
        assert long[0] == pytest.approx(short[0], rel=0.05)
        assert long[1] <= short[1] + 2

    def test_fit_in_little_memory(self, tmp_path: Path) -> None:
        path = self.sparse_wav(tmp_path / "long.wav", 36000)
        tracemalloc.start()
        decode_windows(path, BRIEF)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5_000_000


def test_a_header_without_sound_says_so(tmp_path: Path) -> None:
    content = write_audio(tmp_path / "some.wav", silence(0.1)).read_bytes()
    path = tmp_path / "none.wav"
    path.write_bytes(content[: content.index(b"data") + 4] + bytes(4))
    with pytest.raises(UnusableClip, match="no sound"):
        decode_windows(path, BRIEF)


@pytest.mark.parametrize("kind", ["wav", "aiff", "m4a", "ogg", "wma", "wv", "tta", "mka", "flac"])
def test_tags_that_a_format_does_not_know_do_not_hide_its_sound(tmp_path: Path, kind: str) -> None:
    path = write_audio(tmp_path / f"tagged.{kind}", noise(3), kind=kind)
    plain = decode_windows(path, BRIEF)
    path.write_bytes(id3v2(300_000) + path.read_bytes() + apev2() + ID3V1)
    tagged = decode_windows(path, BRIEF)
    assert np.array_equal(tagged.windows, plain.windows)
    assert tagged.starts_s == plain.starts_s


@pytest.mark.parametrize("craft", [dsf, dff, musepack, speex])
def test_so_with_what_ffmpeg_cannot_write(tmp_path: Path, craft: Callable[[], bytes]) -> None:
    path = tmp_path / "tagged"
    path.write_bytes(craft())
    plain = decode_windows(path, BRIEF)
    for front, back in ((b"", ID3V1), (id3v2(), b""), (id3v2(), apev2() + ID3V1)):
        path.write_bytes(front + craft() + back)
        assert np.array_equal(decode_windows(path, BRIEF).windows, plain.windows)


def test_tags_around_text_do_not_make_it_sound(tmp_path: Path) -> None:
    path = tmp_path / "text.mp3"
    path.write_bytes(id3v2() + b"not a sound\n" * 1000 + apev2())
    with pytest.raises(UnreadableClip):
        decode_windows(path, BRIEF)
