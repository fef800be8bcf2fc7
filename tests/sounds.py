"""Synthesises sounds and writes them as real files, for tests and benchmarks."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import OutputContainer

Sound = NDArray[np.float32]

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


class Kind(NamedTuple):
    """How a kind of file is made: codec, container and the sample format of the encoder."""

    codec: str
    container: str
    sample_format: str


KINDS = {
    "wav": Kind("pcm_s16le", "wav", "s16"),
    "aiff": Kind("pcm_s16be", "aiff", "s16"),
    "flac": Kind("flac", "flac", "s16"),
    "mp3": Kind("libmp3lame", "mp3", "fltp"),
    "m4a": Kind("aac", "ipod", "fltp"),
    "alac.m4a": Kind("alac", "ipod", "s16p"),
    "ogg": Kind("vorbis", "ogg", "fltp"),
    "opus": Kind("libopus", "opus", "flt"),
    "wma": Kind("wmav2", "asf", "fltp"),
    "wv": Kind("wavpack", "wv", "fltp"),
    "tta": Kind("tta", "tta", "s16"),
    "aac": Kind("aac", "adts", "fltp"),
    "ac3": Kind("ac3", "ac3", "fltp"),
    "mka": Kind("flac", "matroska", "s16"),
    "ulaw.wav": Kind("pcm_mulaw", "wav", "s16"),
    "f32.wav": Kind("pcm_f32le", "wav", "flt"),
}
"""The kinds that `write_audio` can write, by file ending."""

_STEP = 4096


def tone(duration_s: float, rate_hz: int = 44100, *, hz: float = 440.0, gain: float = 0.5) -> Sound:
    """Returns a mono sine, shape (samples,), in [-gain, gain]."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (gain * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def noise(duration_s: float, rate_hz: int = 44100, *, gain: float = 0.2, seed: int = 0) -> Sound:
    """Returns mono white noise, shape (samples,), uniform in [-gain, gain]."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-gain, gain, round(duration_s * rate_hz)).astype(np.float32)


def silence(duration_s: float, rate_hz: int = 44100) -> Sound:
    """Returns digital silence, shape (samples,)."""
    return np.zeros(round(duration_s * rate_hz), np.float32)


def music_like(
    duration_s: float, rate_hz: int = 44100, *, seed: int = 0, bpm: float = 120
) -> Sound:
    """Returns mono chords with a beat, shape (samples,), in [-1, 1]; the seed picks the chords."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    beat_s = 60 / bpm
    roots = 110 * 2 ** (rng.integers(0, 24, int(duration_s / beat_s) + 1) / 12)
    root = roots[(time_s / beat_s).astype(int)]
    phase = 2 * np.pi * np.cumsum(root) / rate_hz
    chord = sum(np.sin(phase * ratio) / ratio for ratio in (1, 1.25, 1.5, 2, 3))
    fall = np.exp(-4 * (time_s % beat_s))
    drum = rng.standard_normal(len(time_s)) * np.exp(-40 * (time_s % beat_s))
    return np.clip(0.15 * chord * (0.4 + fall) + 0.15 * drum, -1, 1).astype(np.float32)


def stereo(left: Sound, right: Sound) -> Sound:
    """Returns two channels, shape (2, samples)."""
    return np.stack([left, right])


def write_audio(
    path: Path,
    sound: Sound,
    rate_hz: int = 44100,
    *,
    kind: str = "",
    bit_rate: int | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """Encodes sound into a real file.

    Args:
        path: the file to write; its suffix is the kind unless `kind` is given.
        sound: shape (samples,) or (channels, samples) with 1, 2, 6 or 8 channels, in [-1, 1].
        rate_hz: sampling rate of sound and file (48000 for Opus).
        kind: a key of `KINDS`.
        bit_rate: in bits per second, where the codec has one.
        tags: written by ffmpeg.

    Returns:
        The path.
    """
    made = KINDS[kind or path.suffix.lstrip(".")]
    sound = np.atleast_2d(sound)
    if made.codec == "vorbis" and len(sound) == 1:
        # ffmpeg's Vorbis encoder supports stereo only.
        sound = np.repeat(sound, 2, axis=0)
    with av.open(path, "w", format=made.container) as container:
        container.metadata.update(tags or {})
        _encode(container, sound, rate_hz, made, bit_rate)
    return path


def write_video(
    path: Path, sound: Sound | None, rate_hz: int = 44100, *, duration_s: float | None = None
) -> Path:
    """Writes an MP4 with a video stream, and the sound as AAC unless it is None.

    The video is as long as the sound unless `duration_s` is given. Returns the path.
    """
    with av.open(path, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        channels = np.zeros((1, 0), np.float32) if sound is None else np.atleast_2d(sound)
        made = Kind("aac", "mp4", "fltp")
        stream = None if sound is None else _stream(container, channels, rate_hz, made, None)
        video_s = channels.shape[1] / rate_hz if duration_s is None else duration_s
        for index in range(int(video_s * 10)):
            pixels = np.full((64, 64, 3), index % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if stream is not None:
            _fill(container, stream, channels, rate_hz)
    return path


def _encode(
    container: OutputContainer, sound: Sound, rate_hz: int, made: Kind, bit_rate: int | None
) -> None:
    stream = _stream(container, sound, rate_hz, made, bit_rate)
    _fill(container, stream, sound, rate_hz)


def _stream(
    container: OutputContainer, sound: Sound, rate_hz: int, made: Kind, bit_rate: int | None
) -> AudioStream:
    layout = LAYOUTS[len(sound)]
    stream = container.add_stream(
        made.codec, rate=rate_hz, layout=layout, format=made.sample_format
    )
    assert isinstance(stream, av.AudioStream)
    # ffmpeg's own Vorbis encoder is marked experimental.
    stream.codec_context.options = {"strict": "experimental"}
    # WMA's encoder has no default.
    if bit_rate or made.codec == "wmav2":
        stream.bit_rate = bit_rate or 128_000
    return stream


def _fill(container: OutputContainer, stream: AudioStream, sound: Sound, rate_hz: int) -> None:
    layout = LAYOUTS[len(sound)]
    for first in range(0, sound.shape[1], _STEP):
        part = np.ascontiguousarray(sound[:, first : first + _STEP].T.reshape(1, -1))
        packed = av.AudioFrame.from_ndarray(part, "flt", layout)
        packed.sample_rate, packed.pts = rate_hz, first
        packed.time_base = Fraction(1, rate_hz)
        container.mux(stream.encode(packed))
    container.mux(stream.encode(None))
