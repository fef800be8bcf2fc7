"""Playlists that the service keeps up to date, by the table `[[playlist]]` of the settings."""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from config.errors import SettingsError
from daemon.paths import canonical_path, printable
from daemon.querying.playlist_lines import HEAD, playlist_lines
from daemon.querying.query_options import Asked, asked_of, values_in
from daemon.service_errors import PlaylistRefused
from daemon.tagging.disk.source import OriginalChanged
from daemon.tagging.disk.temporary import temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from config.settings import MoodSettings, PlaylistSettings
    from daemon.tagging.disk.syscalls import DiskCalls
    from storage.search.found_rows import SoundSearch

MARK: Final = "# Kept up to date by valenced: changes are overwritten."
_READABLE: Final = 0o644
_LARGEST: Final = 1 << 30


@dataclass(frozen=True)
class KeptPlaylist:
    """One playlist: its name for people, its file, and what it asks for."""

    name: str
    file: Path
    asked: Asked

    def content(self, finder: SoundSearch) -> bytes:
        """Return what the file should hold; paths are relative to its folder."""
        head, *lines = playlist_lines(self.asked.sounds(finder), self.file.parent)
        title = f"#PLAYLIST:{printable(self.name)}"
        return "\n".join([head, MARK, title, *lines, ""]).encode()


def kept_playlists(
    settings: Sequence[PlaylistSettings], thresholds: MoodSettings, allowed: Sequence[Path]
) -> list[KeptPlaylist]:
    """Return the playlists of the settings.

    Args:
        settings: as read.
        thresholds: of the moods.
        allowed: folders in which a playlist may be, or below which.

    Raises:
        SettingsError: a query is wrong, or a file may not be there.
    """
    problems: list[str] = []
    found = []
    for number, playlist in enumerate(settings):
        try:
            asked = asked_of(values_in(shlex.split(playlist.query)), thresholds)
        except (click.ClickException, ValueError) as error:
            told = error.format_message() if isinstance(error, click.ClickException) else error
            problems.append(f"playlist[{number}].query = {playlist.query!r}: {told}")
            continue
        file = canonical_path(playlist.file)
        if not any(file.is_relative_to(os.path.realpath(folder)) for folder in allowed):
            places = ", ".join(map(str, allowed))
            problems.append(f"playlist[{number}].file = '{file}': must be in {places}")
        found.append(KeptPlaylist(playlist.name, file, asked))
    if problems:
        raise SettingsError(problems)
    return found


def write_playlist(file: Path, content: bytes, disk: DiskCalls) -> bool:
    """Put a playlist in place of an earlier one of ours, all or nothing.

    Returns:
        Whether it had to be written.

    Raises:
        PlaylistRefused: something else has its name.
        OSError: the system refused; an earlier playlist is as it was.
    """
    folder = disk.open_folder(file.parent)
    try:
        earlier = disk.status_of(folder, file.name)
        if earlier is not None:
            present = _content_of_ours(folder, file, disk)
            if present == content:
                return False
        with temporary(folder, disk) as new:
            disk.write(new.descriptor, content, 0)
            disk.set_mode(new.descriptor, _READABLE)
            disk.sync(new.descriptor)
            if earlier is None:
                new.rename_to_free(file.name)
                new.is_kept = True
                disk.sync_folder(folder)
            else:
                new.replace(file.name, _is_same(folder, earlier, disk))
    except (FileExistsError, OriginalChanged) as error:
        raise PlaylistRefused(file) from error
    finally:
        os.close(folder)
    return True


def _is_same(folder: int, earlier: os.stat_result, disk: DiskCalls) -> Callable[[str], bool]:
    def is_same(name: str) -> bool:
        now = disk.status_of(folder, name)
        return now is not None and (now.st_dev, now.st_ino) == (earlier.st_dev, earlier.st_ino)

    return is_same


def _content_of_ours(folder: int, file: Path, disk: DiskCalls) -> bytes:
    """Return the content of an earlier playlist of ours; raise PlaylistRefused if it is none."""
    try:
        descriptor = disk.open_to_read(folder, file.name)
    except OSError as error:
        raise PlaylistRefused(file) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PlaylistRefused(file)
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(_LARGEST)
    if not content.startswith(f"{HEAD}\n{MARK}\n".encode()):
        raise PlaylistRefused(file)
    return content
