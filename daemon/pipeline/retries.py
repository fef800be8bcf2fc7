"""Retries failed analyses and tag writes on request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.tag_errors import READ_ONLY
from storage.jobs import RETAG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from config.settings import Settings
    from storage.catalogue import Catalogue


class Retried(NamedTuple):
    """How many files will be analysed, and how many tagged, again."""

    files: int
    tags: int


def retry_failed(
    catalogue: Catalogue, settings: Settings, paths: Sequence[Path], now: datetime
) -> Retried:
    """Have failed analyses and tag writes retried: all, or those at or below some paths."""
    wanted = partial(_wants_tags, settings)
    selected: list[Path | None] = [*paths] or [None]
    files = sum(catalogue.queue.retry(now, path) for path in selected)
    tags = sum(catalogue.tag_journal.retry(wanted, but=READ_ONLY, under=path) for path in selected)
    if tags:
        catalogue.jobs.request(RETAG, now)
    return Retried(files, tags)


def _wants_tags(settings: Settings, path: Path) -> bool:
    around = [folder for folder in settings.watch.folder if path.is_relative_to(folder.path)]
    # Folders that were named on the command line of `run` are not known here.
    inner = max(around, key=lambda folder: len(folder.path.parts), default=None)
    return settings.tags.mode != "none" and (inner is None or inner.tags)
