"""Writes the good files that the fuzz run damages, one of each kind that can be made."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np

from bench.fuzz.crafted_files import DECODABLE, NOISE
from tests.sounds import KINDS, LAYOUTS, Kind, music_like, noise, stereo, write_video

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sounds import Sound

# Containers that can be read, and that only the fuzz run writes.
MORE_KINDS = {
    "au": Kind("pcm_s16be", "au", "s16"),
    "caf": Kind("alac", "caf", "s16p"),
    "w64": Kind("pcm_s24le", "w64", "s32"),
    "voc": Kind("pcm_u8", "voc", "u8"),
    "avi": Kind("libmp3lame", "avi", "fltp"),
    "flv": Kind("aac", "flv", "fltp"),
    "ts": Kind("aac", "mpegts", "fltp"),
    "nut": Kind("vorbis", "nut", "fltp"),
    "mpg": Kind("mp2", "mpeg", "s16"),
    "eac3": Kind("eac3", "eac3", "fltp"),
    "webm": Kind("libopus", "webm", "flt"),
    "adpcm.wav": Kind("adpcm_ms", "wav", "s16"),
    "adpcm.aiff": Kind("adpcm_ima_qt", "aiff", "s16p"),
}
_ALL_KINDS = KINDS | MORE_KINDS

# Long enough to be analysed in windows, by seeking.
_LONG_KINDS = ("wav", "mp3", "ogg", "m4a", "mka", "aac")
_LONG_S = 20.0

# A recording larger than this would slow the run down.
_LARGEST = 4 * 2**20


class Sample(NamedTuple):
    """A good file.

    Attributes:
        kind: its file ending.
        content: its bytes.
        decodable: whether it can be decoded; False for frames of random bits.
    """

    kind: str
    content: bytes
    decodable: bool = True


def good_files(folder: Path, more: Path | None = None) -> tuple[list[Sample], list[Sample]]:
    """Writes the good files that are damaged later, and reads them back.

    Args:
        folder: an empty folder.
        more: a folder of recordings to use, too.

    Returns:
        Short files of every kind with the recordings, and a few files that are long enough for
        seeking.
    """
    short = [_written(folder, kind, number) for number, kind in enumerate(_ALL_KINDS)]
    video = write_video(folder / "video.mp4", music_like(0.5))
    short.append(Sample("mp4", video.read_bytes()))
    short += [Sample(kind, craft()) for kind, craft in DECODABLE.items()]
    short += [Sample(kind, craft(), decodable=False) for kind, craft in NOISE.items()]
    short += [
        Sample(path.suffix.lstrip(".") or "bin", path.read_bytes())
        for path in (sorted(more.rglob("*")) if more else ())
        if path.is_file() and 0 < path.stat().st_size <= _LARGEST
    ]
    sound = np.atleast_2d(music_like(_LONG_S, 16000))
    long = [_encoded(folder / f"long.{kind}", kind, sound, 16000) for kind in _LONG_KINDS]
    return short, long


def _written(folder: Path, kind: str, number: int) -> Sample:
    path = folder / f"{number}.{kind}"
    rate_hz = 48000 if "opus" in kind or kind == "webm" else 44100
    sound = music_like(0.3 + number % 8 / 10, rate_hz, seed=number)
    if number % 2:
        sound = stereo(sound, noise(len(sound) / rate_hz, rate_hz, seed=number))
    return _encoded(path, kind, np.atleast_2d(sound), rate_hz)


def _encoded(path: Path, kind: str, sound: Sound, rate_hz: int) -> Sample:
    made = _ALL_KINDS[kind]
    source_layout = LAYOUTS[len(sound)]
    # ffmpeg's Vorbis encoder supports stereo only; PyAV converts to the layout of the stream.
    layout = "stereo" if made.codec == "vorbis" else source_layout
    # Without random serial numbers, so that a seed always makes the same inputs.
    exact = {"fflags": "bitexact"}
    with av.open(path, "w", format=made.container, options=exact) as container:
        container.metadata.update({"title": "A", "comment": "B" * 200})
        stream = container.add_stream(
            made.codec, rate=rate_hz, layout=layout, format=made.sample_format
        )
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.options = {"strict": "experimental", "flags": "bitexact"}
        stream.bit_rate = 128_000
        packed = av.AudioFrame.from_ndarray(sound.T.reshape(1, -1).copy(), "flt", source_layout)
        packed.sample_rate, packed.pts = rate_hz, 0
        packed.time_base = Fraction(1, rate_hz)
        container.mux(stream.encode(packed))
        container.mux(stream.encode(None))
    return Sample(kind, path.read_bytes())
