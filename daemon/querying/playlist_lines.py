"""The lines of M3U8 playlists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from daemon.paths import playlist_entry, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from storage.schema.records import Sound

HEAD: Final = "#EXTM3U"
_TRACK: Final = re.compile(r"(?:\d{1,2}-)?\d{1,3}(?: ?- ?| ?\. ?)(?P<title>\S.*)")


def playlist_lines(
    sounds: Iterable[Sound],
    start: Path | None,
    credits_of: Callable[[Path], tuple[str, str]] = lambda _: ("", ""),
) -> Iterator[str]:
    """Yield the lines of a playlist.

    Args:
        sounds: in order.
        start: a folder that the paths are relative to; None for absolute ones.
        credits_of: returns artist and title of a file, empty where they are not known: then its
            folders and name have to tell them.
    """
    yield HEAD
    for sound in sounds:
        artist, title = credits_of(sound.path)
        told = f"{artist} - {title}" if artist and title else title
        yield f"#EXTINF:{round(sound.duration_s)},{told or _title_of(sound.path)}"
        yield playlist_entry(sound.path, start)


def _title_of(path: Path) -> str:
    """Return artist and title, as far as folders and name tell them.

    Most libraries have the folders ARTIST/ALBUM and names such as `01 - TITLE`.
    """
    track = _TRACK.match(path.stem)
    if track is None:
        return printable(path.stem)
    artist = path.parent.parent.name
    return printable(f"{artist} - {track['title']}" if artist else track["title"])
