"""Encodes a sound as Opus in Ogg, which every browser plays."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import av

from trainer.audio.container import open_sound
from trainer.audio.sound_file import opened
from trainer.audio.stream import SoundStream
from trainer.trainer_errors import UnusableClip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.audio.frame import AudioFrame

    from trainer.audio.sound_file import SoundFile

RATE_HZ: Final = 48_000
BITS_PER_S: Final = 96_000
LONGEST_S: Final = 3600.0
"""Of a longer sound, the rest is left out."""

_STEP_S: Final = 5.0
_LAYOUT: Final = "stereo"


def as_ogg(source: Path | SoundFile) -> bytes:
    """Return a sound, or its first `LONGEST_S`, as a file of Opus in Ogg.

    Args:
        source: a regular file, or its path.

    Raises:
        UnreadableClip: the file cannot be opened or is not sound.
        UnusableClip: nothing could be decoded.
    """
    content = io.BytesIO()
    with (
        opened(source) as file,
        open_sound(file) as (container, stream),
        av.open(content, "w", format="ogg") as target,
    ):
        encoder = target.add_stream("libopus", rate=RATE_HZ, layout=_LAYOUT)
        encoder.bit_rate = BITS_PER_S
        samples = 0
        for frame in _resampled(SoundStream(container, stream), encoder.codec_context.frame_size):
            frame.pts = samples
            samples += frame.samples
            target.mux(encoder.encode(frame))
        if not samples:
            raise UnusableClip(file.path, "no sound could be decoded")
        target.mux(encoder.encode(None))
    return content.getvalue()


def _resampled(sound: SoundStream, frame_size: int) -> Iterator[AudioFrame]:
    """Yield the sound in frames as the encoder takes them; a format may change midway."""
    resampler, of = None, None
    for segment in sound.read_sequentially(_STEP_S, LONGEST_S):
        for frame in segment.frames:
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            if kind != of:
                if resampler is not None:
                    yield from resampler.resample(None)
                resampler = av.AudioResampler("flt", _LAYOUT, RATE_HZ, frame_size or None)
                of = kind
            # Times of damaged files jump; the encoder counts samples.
            frame.pts = None
            assert resampler is not None
            yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)
