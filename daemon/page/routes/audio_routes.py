"""The sound itself, for the player of a browser."""

import os
from pathlib import Path
from typing import Final, Literal

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from daemon.page.http.ranged_file import RangedFile
from daemon.page.routes.page_context import PROBLEMS, Page, not_found
from daemon.page.routes.sound_routes import SoundNumber
from daemon.system.folder_handle import open_folder
from trainer.audio.sound_file import SoundFile, system_reason

router = APIRouter(prefix="/api/v1/sounds", tags=["sounds"], responses=PROBLEMS)

MEDIA_TYPES: Final = {
    "aac": "audio/aac",
    "aif": "audio/aiff",
    "aifc": "audio/aiff",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "m4b": "audio/mp4",
    "mka": "audio/x-matroska",
    "mkv": "audio/x-matroska",
    "mp2": "audio/mpeg",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "spx": "audio/ogg",
    "wav": "audio/wav",
    "wave": "audio/wav",
    "webm": "audio/webm",
    "wma": "audio/x-ms-wma",
}
"""By suffix; what a browser does not know it does not play, and asks to be transcoded."""

OGG: Final = "audio/ogg"
_UNKNOWN: Final = "application/octet-stream"


@router.get(
    "/{number}/audio",
    response_class=Response,
    responses={
        200: {"content": {"audio/*": {}}, "description": "The file"},
        206: {"content": {"audio/*": {}}, "description": "The range that was asked for"},
        304: {"description": "As it was"},
    },
)
def audio(page: Page, number: SoundNumber, format: Literal["ogg"] | None = None) -> Response:  # noqa: A002 - the name of the parameter
    """The sound, by ranges; with `format=ogg` as Opus, for browsers that lack its own format."""
    with page.view() as view:
        path = view.path_of(number)
    if path is None:
        raise not_found(number)
    descriptor = _opened(path)
    if format is None:
        media_type = MEDIA_TYPES.get(path.suffix.lower().removeprefix("."), _UNKNOWN)
        return RangedFile(descriptor, media_type, version_of(descriptor))
    try:
        version = version_of(descriptor)
        ogg = page.transcoder.ogg(SoundFile(path, descriptor), version)
    finally:
        os.close(descriptor)
    return RangedFile(ogg, OGG, f'"ogg-{version[1:]}')


def _opened(path: Path) -> int:
    """Open a file for reading, by no link that others could have made; raises HTTPException."""
    try:
        with open_folder(path.parent) as folder, folder.open_file(path.name) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise HTTPException(404, f"the file cannot be opened: {system_reason(error)}") from error


def version_of(descriptor: int) -> str:
    """Return the entity tag of an open file."""
    status = os.fstat(descriptor)
    return f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
