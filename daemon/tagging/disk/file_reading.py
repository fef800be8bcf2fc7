"""What ffmpeg reads of a file in a worker process, to prove a write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class FileReading(NamedTuple):
    """What an independent library reads of a file.

    Attributes:
        audio_hash: of all audio packets; None if not requested.
        metadata: each value as its place in the file, its key and its digest; None if the file
            cannot be read with its tags.
    """

    audio_hash: str | None
    metadata: Sequence[tuple[str, ...]] | None


class Reader(Protocol):
    """Reads a file by ffmpeg, outside this process."""

    def __call__(self, path: Path, *, hashed: bool = True) -> FileReading:
        """Read metadata and, if `hashed`, hash the audio packets.

        Raises:
            ClipError: the file cannot be read.
        """
