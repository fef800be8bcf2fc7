"""What one run of the service works on: settings, paths and options of the command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.system.mounts import is_read_only
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from config.settings import FolderSettings, Settings
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip


@dataclass(frozen=True)
class RunConfig:
    """The configuration of one run.

    Attributes:
        url: of the catalogue.
        registry: folder of the bundles.
        annotations: folder into which annotation tables are dropped.
        corpora: folder of the imported corpora.
        folders: what to watch or to scan.
        configured: the folders of the settings, whose `tags` applies even where others are given.
        tags: False writes no tags at all.
        keep_watching: False ends after one pass.
        again: whether known files are analysed again, too; of a single pass.
        jobs: number of workers, 0 for one per processor.
        cluster: of Dask, on which sounds are heard; empty for this machine.
    """

    settings: Settings
    url: str
    registry: Path
    annotations: Path
    corpora: Path
    folders: Sequence[FolderSettings]
    configured: Sequence[FolderSettings] = ()
    tags: bool = True
    keep_watching: bool = True
    again: bool = False
    jobs: int = 0
    cluster: str = ""

    def wants_tags(self, path: Path) -> bool:
        """Whether tags must be written at a path."""
        if not self.tags or self.settings.tags.mode == "none":
            return False
        folders = [*self.folders, *self.configured]
        parents = [folder for folder in folders if path.is_relative_to(folder.path)]
        # The innermost folder decides; where it is given twice, the one without tags.
        parents.sort(key=lambda folder: (len(folder.path.parts), not folder.tags))
        return bool(parents) and parents[-1].tags


@dataclass
class ActiveConfig:
    """The configuration in use; the methods always read the present one, after a reload the new."""

    config: RunConfig

    def settings(self) -> Settings:
        """Return the settings in force."""
        return self.config.settings

    def wants_tags(self, path: Path) -> bool:
        """Whether tags must be written at a path at present."""
        return self.config.wants_tags(path)

    def roots(self) -> list[Path]:
        """Return the folders to watch or to scan at present."""
        return [folder.path for folder in self.config.folders]

    def sees(self, path: Path) -> bool:
        """Whether a path lies in a folder that this run knows at present."""
        return any(map(path.is_relative_to, self.roots()))

    def settle_s(self) -> float:
        """Return for how many seconds a file must be silent to be complete, at present."""
        return self.config.settings.watch.settle_s

    def reconcile_s(self) -> float:
        """Return the interval at which the folders are compared at present, in seconds."""
        return self.config.settings.watch.reconcile_s


def with_real_path(folder: FolderSettings) -> FolderSettings:
    """Return a folder under its real path: the kernel does not watch through a link."""
    return folder.model_copy(update={"path": Path(os.path.realpath(folder.path))})


def clips_needing_tags(
    catalogue: Catalogue,
    config: RunConfig,
    states: Collection[TagState],
    folders: Collection[Path] | None = None,
) -> Iterator[Clip]:
    """Yield the clips in some tag states whose tags are wanted, not written yet, and writable.

    Where `folders` are given, only those at or below one of them.
    """
    for state in states:
        if state is TagState.WRITTEN:
            continue
        for clip in catalogue.clips_in(state, folders):
            removed_by_request = state is TagState.OFF and clip.tag_reason
            # A large library that can only be read is not opened file by file each time.
            if (
                not removed_by_request
                and config.wants_tags(clip.path)
                and not is_read_only(clip.path.parent)
            ):
                yield clip
