"""Follows the frames of an MP3 from header to header."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.audio.sound_file import FileView

# ISO/IEC 11172-3 and 13818-3, layer III; version 2.5 halves the rates of version 2.
_KBITS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_OF_LOW_RATES: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ: Final = (44100, 48000, 32000)
# Bits of the version, by how much it divides the rate.
_VERSIONS: Final = {1: 0b11, 2: 0b10, 4: 0b00}
_HEADER: Final = 4
_BLOCK: Final = 2**20


def frames_adjoin(view: FileView, start: int) -> bool:
    """Returns whether frames of one version and rate fill a file from `start` to its end.

    The last one may be cut off. Frames of no stated bit rate are not followed.

    Raises:
        OSError: the file cannot be read.
    """
    at, size = start, view.size
    lengths: Mapping[bytes, int] | None = None
    while at + _HEADER <= size:
        view.seek(at)
        block = view.read(_BLOCK)
        if len(block) < _HEADER:
            return False
        lengths = lengths or _lengths_like(block[:_HEADER])
        here, last = 0, len(block) - _HEADER
        while here <= last:
            length = lengths.get(block[here : here + 3])
            if length is None:
                return False
            here += length
        at += here
    return at >= size


def _lengths_like(header: bytes) -> Mapping[bytes, int]:
    """Returns the length of a frame by its first three bytes, for those like a first one."""
    return next((table for table in _tables() if header[:3] in table), {})


@cache
def _tables() -> tuple[Mapping[bytes, int], ...]:
    return tuple(_table(*kind) for kind in product(_VERSIONS, range(len(_RATES_HZ))))


def _table(divisor: int, rate: int) -> Mapping[bytes, int]:
    kbits = _KBITS if divisor == 1 else _KBITS_OF_LOW_RATES
    samples_8 = 144 if divisor == 1 else 72
    version = 0b111_00_01_0 | _VERSIONS[divisor] << 3
    lengths = {}
    for unprotected, index, padding, private in product((0, 1), range(len(kbits)), (0, 1), (0, 1)):
        third = (index + 1) << 4 | rate << 2 | padding << 1 | private
        length = samples_8 * kbits[index] * 1000 * divisor // _RATES_HZ[rate] + padding
        lengths[bytes([0xFF, version | unprotected, third])] = length
    return lengths
