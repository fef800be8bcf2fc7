"""Sounds without tags, of every container, codec and number of channels that can be made here."""

from __future__ import annotations

import functools
import io
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import soundfile

from tests.daemon.tagging import sounds

if TYPE_CHECKING:
    from collections.abc import Callable

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_LENGTH_S = 0.4


@dataclass(frozen=True)
class Bare:
    """A kind of sound.

    Attributes:
        name: unique.
        family: how its tags are written.
        suffix: of the file's name.
        make: returns the bytes; may raise if an encoder is missing.
        is_heard: whether the sound must be decoded; False for noise in the clothes of a codec.
    """

    name: str
    family: str
    suffix: str
    make: Callable[[], bytes]
    is_heard: bool = True


def every_bare() -> dict[str, Bare]:
    """Return all kinds by name."""
    return {bare.name: bare for bare in (*_by_ffmpeg(), *_by_sndfile(), *_by_hand())}


def content_of(bare: Bare) -> bytes | None:
    """Return the bytes of a sound; None if it cannot be made here."""
    with suppress(
        av.error.FFmpegError, av.codec.codec.UnknownCodecError, soundfile.LibsndfileError
    ):
        return _content(bare)
    return None


@functools.cache
def _content(bare: Bare) -> bytes:
    return bare.make()


_FFMPEG: tuple[tuple[str, str, str, str, tuple[int, ...], int], ...] = (
    # Family, suffix, container, codec, channels, rate.
    ("mp3", "mp3", "mp3", "libmp3lame", (1, 2), 44100),
    ("mp3", "mp3", "mp3", "libmp3lame", (2,), 22050),
    ("mp3", "mp3", "mp3", "libmp3lame", (1,), 8000),
    ("mp3", "mp2", "mp2", "mp2", (1, 2), 48000),
    ("wav", "wav", "wav", "pcm_s16le", (1, 2, 6, 8), 44100),
    ("wav", "wav", "wav", "pcm_u8", (1,), 11025),
    ("wav", "wav", "wav", "pcm_s24le", (2, 6), 48000),
    ("wav", "wav", "wav", "pcm_f32le", (2,), 48000),
    ("wav", "wav", "wav", "pcm_mulaw", (1,), 8000),
    ("wav", "wav", "wav", "adpcm_ms", (2,), 22050),
    ("wav", "wav", "wav", "libmp3lame", (2,), 44100),
    ("aiff", "aiff", "aiff", "pcm_s16be", (1, 2, 6, 8), 44100),
    ("aiff", "aif", "aiff", "pcm_s24be", (2,), 48000),
    ("aiff", "aifc", "aiff", "pcm_mulaw", (1,), 8000),
    ("flac", "flac", "flac", "flac", (1, 2, 6, 8), 44100),
    ("ogg", "ogg", "ogg", "vorbis", (2,), 44100),
    ("ogg", "opus", "ogg", "libopus", (1, 2, 6, 8), 48000),
    ("mp4", "m4a", "ipod", "aac", (1, 2, 6, 8), 44100),
    ("mp4", "m4a", "ipod", "alac", (1, 2, 6), 44100),
    ("mp4", "mp4", "mp4", "libopus", (2,), 48000),
    ("mp4", "mp4", "mp4", "libmp3lame", (2,), 44100),
    ("mp4", "mp4", "mp4", "ac3", (2, 6), 48000),
    ("mp4", "3gp", "3gp", "aac", (1, 2), 44100),
    ("mp4", "3gp", "3gp", "libopencore_amrnb", (1,), 8000),
    ("mp4", "3g2", "3g2", "aac", (2,), 22050),
    ("mp4", "f4v", "f4v", "aac", (2,), 44100),
    ("asf", "wma", "asf", "wmav2", (1, 2), 44100),
    ("asf", "wma", "asf", "wmav1", (2,), 22050),
    ("wavpack", "wv", "wv", "wavpack", (1, 2, 6, 8), 44100),
    ("none", "mov", "mov", "aac", (2,), 44100),
    ("none", "mka", "matroska", "libopus", (1, 2, 6), 48000),
    ("none", "webm", "webm", "libopus", (2,), 48000),
    ("none", "tta", "tta", "tta", (2,), 44100),
    ("none", "caf", "caf", "alac", (2,), 44100),
    ("none", "au", "au", "pcm_s16be", (2,), 44100),
    ("none", "aac", "adts", "aac", (1, 2, 6), 44100),
    ("none", "ac3", "ac3", "ac3", (2, 6), 48000),
    ("none", "amr", "amr", "libopencore_amrnb", (1,), 8000),
    ("none", "w64", "w64", "pcm_s16le", (2,), 44100),
)
_MUXING: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "wav rf64": ("wav", "wav", "pcm_s16le", {"rf64": "always"}),
    "m4a index first": ("mp4", "m4a", "aac", {"movflags": "faststart"}),
    "m4a brand of phones": ("mp4", "m4a", "aac", {"brand": "3gp5"}),
    "mp4 fragmented": ("mp4", "mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "mp4 keys of films": ("mp4", "mp4", "aac", {"movflags": "use_metadata_tags"}),
    "mp3 variable": ("mp3", "mp3", "libmp3lame", {"write_xing": "1"}),
    "mp3 without a head": ("mp3", "mp3", "libmp3lame", {"write_xing": "0"}),
}


def _by_ffmpeg() -> list[Bare]:
    found = [
        Bare(
            f"{suffix} {codec} {channels} channels {rate_hz} Hz",
            family,
            suffix,
            functools.partial(_encoded, container, codec, channels, rate_hz),
        )
        for family, suffix, container, codec, many, rate_hz in _FFMPEG
        for channels in many
    ]
    for name, (family, suffix, codec, options) in _MUXING.items():
        container = {"m4a": "ipod"}.get(suffix, suffix)
        make = functools.partial(_encoded, container, codec, 2, 44100, tuple(options.items()))
        found.append(Bare(name, family, suffix, make))
    return found


def _by_sndfile() -> list[Bare]:
    kinds = [
        ("wav", "wav", "WAV", "PCM_16", 2),
        ("wav", "wav", "WAV", "GSM610", 1),
        ("wav", "wav", "WAVEX", "PCM_24", 8),
        ("wav", "wav", "RF64", "PCM_16", 2),
        ("aiff", "aiff", "AIFF", "PCM_24", 6),
        ("aiff", "aiff", "AIFF", "FLOAT", 2),
        ("flac", "flac", "FLAC", "PCM_24", 2),
        ("flac", "flac", "FLAC", "PCM_S8", 1),
        ("ogg", "ogg", "OGG", "VORBIS", 1),
        ("ogg", "ogg", "OGG", "VORBIS", 6),
        ("ogg", "opus", "OGG", "OPUS", 2),
        ("mp3", "mp3", "MP3", "MPEG_LAYER_III", 2),
        ("none", "w64", "W64", "PCM_16", 2),
        ("none", "voc", "VOC", "PCM_16", 1),
    ]
    return [
        Bare(
            f"{suffix} of libsndfile {form} {subtype} {channels} channels",
            family,
            suffix,
            functools.partial(_written, form, subtype, channels),
        )
        for family, suffix, form, subtype, channels in kinds
    ]


def _by_hand() -> list[Bare]:
    return [
        Bare("dsf", "dsf", "dsf", sounds.dsf),
        Bare("ape", "ape", "ape", sounds.ape, is_heard=False),
        Bare("musepack", "musepack", "mpc", sounds.musepack, is_heard=False),
        Bare("ogg flac", "ogg", "oga", sounds.oggflac),
    ]


def _samples(channels: int, rate_hz: int) -> np.ndarray[Any, Any]:
    count = int(_LENGTH_S * rate_hz)
    random = np.random.default_rng(channels)
    tone = np.sin(np.arange(count) * 440 * 2 * np.pi / rate_hz) * 0.3
    wave = tone[:, None] + random.normal(0, 0.05, (count, channels))
    return (wave * 20000).astype(np.int16)


def _written(form: str, subtype: str, channels: int) -> bytes:
    rate_hz = 48000 if subtype == "OPUS" else 8000 if subtype == "GSM610" else 44100
    file = io.BytesIO()
    soundfile.write(file, _samples(channels, rate_hz), rate_hz, format=form, subtype=subtype)
    return file.getvalue()


def _encoded(
    container: str,
    codec: str,
    channels: int,
    rate_hz: int,
    options: tuple[tuple[str, str], ...] = (),
) -> bytes:
    layout = _LAYOUTS[channels]
    # Without it, ffmpeg names itself in tags.
    muxing = {"fflags": "+bitexact", **dict(options)}
    if container == "mp3":
        muxing = {"id3v2_version": "0", "write_id3v1": "0", **muxing}
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container, options=muxing) as output:
            stream: Any = output.add_stream(codec, rate=rate_hz, layout=layout)
            stream.bit_rate = 12200 if "amr" in codec else 64000 * min(channels, 5)
            stream.codec_context.options = {"strict": "-2", "flags": "+bitexact"}
            frame = av.AudioFrame.from_ndarray(
                _samples(channels, rate_hz).reshape(1, -1), "s16", layout
            )
            frame.sample_rate = rate_hz
            size = stream.codec_context.frame_size or 1024
            wanted = stream.codec_context.format.name
            resampler = av.AudioResampler(wanted, layout, rate_hz, frame_size=size)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        return Path(file.name).read_bytes()
