"""Plays a sound by a program that the user has installed, and says when that fails."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from daemon.cli.output import warn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

PLAYERS: Final = (
    ("mpv", "--no-video", "--really-quiet", "--"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("play", "-q"),
    ("paplay",),
    ("aplay", "-q"),
)
_FAILS_WITHIN_S: Final = 0.5
"""A player that cannot play says so at once; the question waits for no longer."""

_LONGEST_REASON: Final = 300


def find_player() -> tuple[str, ...] | None:
    """Return the command line of the first player that is installed, without the file."""
    return next((player for player in PLAYERS if shutil.which(player[0])), None)


@contextmanager
def playing(player: tuple[str, ...] | None, sound: Path) -> Iterator[None]:
    """Play a sound within the block; if the player fails, say so and go on in silence."""
    if player is None:
        yield
        return
    # A pipe that nobody reads could block the player.
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 - a player that the user has installed
                [*player, sound], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
            )
        except OSError as error:
            warn(f"{player[0]} cannot be started: {error.strerror}")
            yield
            return
        try:
            try:
                code = process.wait(_FAILS_WITHIN_S)
            except subprocess.TimeoutExpired:
                code = 0
            if code:
                warn(f"{player[0]} failed ({code}){_last_line(errors)}")
            yield
        finally:
            process.terminate()
            process.wait()


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read(1 << 16).decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:_LONGEST_REASON]}" if last else ""
