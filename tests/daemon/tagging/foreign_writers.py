"""Writes tags as other programs do, by mutagen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import mutagen
import mutagen.apev2
import mutagen.id3
import mutagen.mp4

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

id3: Any = mutagen.id3
mp4: Any = mutagen.mp4
apev2: Any = mutagen.apev2
opened: Any = mutagen.File

Tags = dict[str, list[str]]


def _put_id3(path: Path, tags: Tags, picture: bytes | None, padding: int, version: int) -> None:
    file = opened(path)
    if file.tags is None:
        file.add_tags()
    for name, values in tags.items():
        file.tags.add(id3.TXXX(encoding=3, desc=name, text=values))
        file.tags.add(id3.COMM(encoding=1, lang="eng", desc=name, text=values))
    file.tags.add(id3.UFID(owner="somebody", data=b"\xff\xe0\0\xff"))
    if picture:
        file.tags.add(id3.APIC(encoding=0, mime="image/jpeg", type=3, desc="", data=picture))
    if version == 3:
        file.tags.update_to_v23()
    file.save(v2_version=version, padding=lambda _: padding)


def _put_comments(path: Path, tags: Tags, _: bytes | None, padding: int, __: int) -> None:
    file = opened(path)
    for name, values in tags.items():
        file[name] = values
    file.save(padding=lambda _: padding)


def _put_mp4(path: Path, tags: Tags, picture: bytes | None, padding: int, __: int) -> None:
    file = opened(path)
    file["\xa9cmt"] = "kept"
    if picture:
        file["covr"] = [mp4.MP4Cover(picture)]
    for name, values in tags.items():
        file[f"----:com.apple.iTunes:{name}"] = [value.encode() for value in values]
    file.save(padding=lambda _: padding)


def _put_asf(path: Path, tags: Tags, picture: bytes | None, padding: int, __: int) -> None:
    file = opened(path)
    for name, values in tags.items():
        file[name] = values
    file["Rating"] = [3]
    if picture:
        file["WM/Picture"] = [picture]
    file.save(padding=lambda _: padding)


def _put_ape(path: Path, tags: Tags, picture: bytes | None, _: int, __: int) -> None:
    try:
        file = apev2.APEv2(path)
    except apev2.APENoHeaderError:
        file = apev2.APEv2()
    for name, values in tags.items():
        file[name] = values
    if picture:
        # Some demuxers hand on any item as text, and PyAV does not open what is not UTF-8 then.
        shown = bytes(byte & 0x7F for byte in picture)
        file["Cover Art (Front)"] = apev2.APEValue(shown, apev2.BINARY)
    file.save(path)


_PUT: Final[dict[str, Callable[[Path, Tags, bytes | None, int, int], None]]] = {
    "opus": _put_comments,
    "vorbis": _put_comments,
    "oggflac": _put_comments,
    "flac": _put_comments,
    "m4a": _put_mp4,
    "m4a-front": _put_mp4,
    "alac": _put_mp4,
    "wma": _put_asf,
    "wavpack": _put_ape,
    "ape": _put_ape,
    "musepack": _put_ape,
}


def put_tags(
    kind: str,
    path: Path,
    tags: Tags,
    picture: bytes | None = None,
    padding: int = 17,
    version: int = 4,
) -> None:
    """Put tags and more into a file of a kind.

    Args:
        kind: of `sounds.TAGGED_KINDS`.
        path: of the file.
        tags: free texts by name.
        picture: bytes of a picture, if the container takes one.
        padding: bytes of padding, if the container has it.
        version: of ID3, 3 or 4.
    """
    _PUT.get(kind, _put_id3)(path, tags, picture, padding, version)
