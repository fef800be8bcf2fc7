"""WAVs that state PCM and hold AC-3 or DTS, as discs and receivers write them."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from tests.sounds import music_like, noise, write_audio
from trainer.audio.container import open_sound
from trainer.audio.decode import decode_windows
from trainer.features.extract import CANONICAL
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from pathlib import Path

RATE_HZ = 48000
MUSIC = music_like(4, RATE_HZ)
PROBED = 2**20
FRAME = 1024


def ac3(container: str) -> bytes:
    """Encodes music."""
    written = io.BytesIO()
    with av.open(written, "w", format=container) as output:
        stream = output.add_stream("ac3", rate=RATE_HZ, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 640_000
        both = np.repeat(MUSIC[np.newaxis], 2, axis=0)
        frame = av.AudioFrame.from_ndarray(both, "fltp", "stereo")
        frame.sample_rate = RATE_HZ
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return written.getvalue()


def dts() -> bytes:
    """Makes frames of DTS with headers of 48 kHz stereo, since ffmpeg's encoder is not in PyAV."""
    fields = (
        (0x7FFE8001, 32), (1, 1), (31, 5), (0, 1), (15, 7), (FRAME - 1, 14), (2, 6), (13, 4),
        (15, 5), (0, 29),
    )  # fmt: skip
    bits = "".join(f"{value:0{width}b}" for value, width in fields)
    header = int(bits, 2).to_bytes(len(bits) // 8)
    rng = np.random.default_rng(0)
    return b"".join(header + rng.bytes(FRAME - len(header)) for _ in range(500))


def wrapped(path: Path, data: bytes) -> Path:
    """Writes a WAV of two channels of 16 bits that has the data for samples."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(data[: len(data) // 4 * 4])
    return path


def codec_of(path: Path) -> str:
    """Returns what the file is decoded by."""
    with open_sound(path) as (_, stream):
        return stream.codec_context.name


STREAMS = {"ac3": ("ac3", ac3("ac3")), "bursts": ("ac3", ac3("spdif")), "dts": ("dca", dts())}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("is_swapped", [False, True])
@pytest.mark.parametrize("silent", [0, 4096])
def test_what_is_heard_is_what_is_wrapped(
    tmp_path: Path, name: str, *, is_swapped: bool, silent: int
) -> None:
    codec, data = STREAMS[name]
    if is_swapped:
        data = np.frombuffer(data[: len(data) // 2 * 2], "<u2").byteswap().tobytes()
    found = codec_of(wrapped(tmp_path / "a.wav", bytes(silent) + data))
    known = codec_by_probing(tmp_path / "a.wav")
    assert found == known
    if not silent and not is_swapped:
        assert found == codec


def codec_by_probing(path: Path) -> str:
    """Returns what ffmpeg decodes the file by if it may look as far as it wants."""
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.name


def test_wrapped_ac3_sounds_like_what_was_encoded(tmp_path: Path) -> None:
    plain = decode_windows(write_audio(tmp_path / "b.flac", MUSIC, RATE_HZ), CANONICAL)
    heard = decode_windows(wrapped(tmp_path / "a.wav", STREAMS["ac3"][1]), CANONICAL)
    size = min(len(plain.windows[0]), len(heard.windows[0]))
    # Magnitudes, since the encoder delays it by some hundred samples.
    spectra = [np.abs(np.fft.rfft(each.windows[0][:size])) for each in (plain, heard)]
    assert np.corrcoef(spectra)[0, 1] > 0.9


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_wrapped_is_found_behind_a_large_chunk(tmp_path: Path, name: str) -> None:
    codec, data = STREAMS[name]
    path = wrapped(tmp_path / "a.wav", data)
    whole, junk = (
        path.read_bytes(),
        b"JUNK" + (3 * PROBED).to_bytes(4, "little") + bytes(3 * PROBED),
    )
    path.write_bytes(whole[:12] + junk + whole[12:])
    assert codec_of(path) == codec_by_probing(path) == codec


@pytest.mark.parametrize("kind", ["noise", "zeros", "words of ac3", "a word of dts"])
def test_what_only_looks_wrapped_stays_pcm(tmp_path: Path, kind: str) -> None:
    data = {
        "noise": np.random.default_rng(0).bytes(2 * PROBED),
        "zeros": bytes(2 * PROBED),
        "words of ac3": b"\x0b\x77\x00\x00" * 2000 + np.random.default_rng(0).bytes(PROBED),
        "a word of dts": bytes(400) + b"\xfe\x7f\x01\x80" + np.random.default_rng(0).bytes(PROBED),
    }[kind]
    assert codec_of(wrapped(tmp_path / "a.wav", data)) == "pcm_s16le"


@pytest.mark.parametrize("size", [1, 11, 12, 13, 44, 47])
def test_a_wav_that_ends_in_its_header_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(write_audio(tmp_path / "b.wav", noise(1.0)).read_bytes()[:size])
    with pytest.raises(UnreadableClip, match="damaged"):
        codec_of(path)
