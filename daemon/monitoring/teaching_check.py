"""Says who may teach: from where the service takes annotations, and who can write there."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.settings import AnnotationSettings, TagSettings


def who_may_teach(
    settings: AnnotationSettings, tags: TagSettings, folder: Path
) -> Iterator[tuple[bool, str]]:
    """Yield one line for each source of annotations, and whether it is safe as it is.

    Args:
        settings: which sources there are.
        tags: whether there are tags to change.
        folder: the annotation folder.
    """
    if settings.from_commands:
        yield True, "may teach: who may write to the catalogue, by commands"
    if settings.from_tags and tags.mode in {"replace", "in-place"}:
        yield True, "may teach: who may change a watched file, by its tags (annotations.from_tags)"
    if settings.from_folder:
        others = _other_writers(folder)
        yield True, f"may teach: {others or 'its owner'}, by tables in {folder}"
        if others and settings.annotator_column:
            advice = "annotations.annotator_column = false records the owner of each table"
            yield False, f"{folder}: {others} may annotate there in anybody's name; {advice}"


def _other_writers(folder: Path) -> str:
    try:
        mode = folder.stat().st_mode
    except OSError:
        return ""
    if mode & stat.S_IWOTH:
        return "everybody on this machine"
    return f"the group of the folder ({_group(folder)})" if mode & stat.S_IWGRP else ""


def _group(folder: Path) -> str:
    try:
        return folder.group()
    except KeyError:
        return str(folder.stat().st_gid)
