"""Makes any number of different sounds, each with the hash of its audio as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.sounds import music_like, noise, write_audio
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("wav", "flac", "mp3", "ogg", "m4a", "opus")
RATE_HZ = 48000
NOT_A_SOUND = b"Dear all, this is no song.\n"


class FileContent(NamedTuple):
    """A file's bytes, and the hash of all its audio packets; None if it holds no sound."""

    content: bytes
    identity: str | None


class SoundFactory:
    """Makes sounds of which no two are equal.

    Args:
        folder: where to encode them; it is not watched.
        seed: of the first sound.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._next = seed * 1_000_000

    def sound(self, kind: str) -> FileContent:
        """Encode another sound, a second of noise or of music."""
        self._next += 1
        seed = self._next
        gain = 0.02 + seed % 17 / 20
        sound = noise(1, RATE_HZ, gain=gain, seed=seed) if seed % 3 else music_like(1, seed=seed)
        rate_hz = RATE_HZ if seed % 3 or kind == "opus" else 44100
        path = write_audio(self._folder / f"made.{kind}", sound, rate_hz)
        made = FileContent(path.read_bytes(), identify(path, every_packet=True))
        path.unlink()
        return made

    def text(self) -> FileContent:
        """Return text that will be stored under the name of a sound."""
        self._next += 1
        return FileContent(NOT_A_SOUND * (self._next % 100 + 1), None)
