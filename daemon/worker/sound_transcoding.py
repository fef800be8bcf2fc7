"""Has a sound encoded for browsers by a worker process."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.worker.worker_client import WorkerClient
    from trainer.audio.sound_file import SoundFile

LARGEST_SOUND: Final = 48 << 20
_MARK: Final = b"OggS"


def transcoded(worker: WorkerClient, file: SoundFile) -> bytes:
    """Return a sound, or the first hour of it, as a file of Opus in Ogg.

    Raises:
        UnreadableClip: the file cannot be read, or took too long.
        UnusableClip: nothing could be decoded.
    """
    return worker.ask(file.path, sound_in, {"do": "transcode"}, [file.descriptor])


def sound_in(answer: Mapping[str, Any]) -> bytes:
    """Return the file in an answer; raises one of `INVALID` if it cannot be one."""
    content = b64decode(answer["sound"], validate=True)
    if not content.startswith(_MARK) or len(content) > LARGEST_SOUND:
        raise ValueError("no sound in Ogg")
    return content
