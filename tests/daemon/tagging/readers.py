"""Readers for the proof of a write: the real one in this process, and two that see less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.disk.source import FileReading
from trainer.audio.ffmpeg_reading import read_back

if TYPE_CHECKING:
    from pathlib import Path


def ffmpeg_reader(path: Path, *, hashed: bool = True) -> FileReading:
    return FileReading(**read_back(path, hashed=hashed))


def blind_reader(path: Path, *, hashed: bool = True) -> FileReading:  # noqa: ARG001 - as a reader
    return FileReading("same", None)


def path_reader(path: Path, *, hashed: bool = True) -> FileReading:  # noqa: ARG001 - as a reader
    """Find other sound in every file."""
    return FileReading(str(path), None)
