"""What one run of the service is to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.system.mounts import is_read_only
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from config.settings import FolderSettings, Settings
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip


@dataclass(frozen=True)
class RunConfig:
    """What one run is to do.

    Attributes:
        settings: all settings; each part gets its own section.
        url: the catalogue.
        registry: folder of the bundles.
        annotations: folder into which tables of annotations are dropped.
        corpora: folder of the imported corpora.
        folders: what to watch or to look through.
        configured: the folders of the settings, whose `tags` counts wherever they are named.
        tags: False writes no tags at all.
        keep_watching: False ends after one pass.
        jobs: number of workers, 0 for one a processor.
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
    jobs: int = 0

    def wants_tags(self, path: Path) -> bool:
        """Tell whether tags shall be written at a path."""
        if not self.tags or self.settings.tags.mode == "none":
            return False
        homes = [
            folder
            for folder in (*self.folders, *self.configured)
            if path.is_relative_to(folder.path)
        ]
        # The innermost folder decides, and of two opinions on one folder the more careful.
        return (
            bool(homes) and max(homes, key=lambda home: (len(home.path.parts), not home.tags)).tags
        )


@dataclass
class ActiveConfig:
    """The plan by which the service works.

    Attributes:
        plan: another may be put here at any time.
    """

    config: RunConfig

    def wants_tags(self, path: Path) -> bool:
        """Tell whether tags shall be written at a path just now."""
        return self.config.wants_tags(path)

    def settle_s(self) -> float:
        """Return for how long a file must be silent just now to be complete, in seconds."""
        return self.config.settings.watch.settle_s

    def reconcile_s(self) -> float:
        """Return how often the folders are compared just now, in seconds."""
        return self.config.settings.watch.reconcile_s


def with_real_path(folder: FolderSettings) -> FolderSettings:
    """Return a folder under its real name: the kernel does not watch through a link."""
    return folder.model_copy(update={"path": folder.path.resolve()})


def clips_needing_tags(
    catalogue: Catalogue, plan: RunConfig, states: Collection[TagState]
) -> Iterator[Clip]:
    """Yield the clips in some states whose tags are wanted but not written, and can be."""
    for state in states:
        if state is not TagState.WRITTEN:
            for clip in catalogue.clips_in(state):
                taken_out = state is TagState.OFF and clip.tag_reason
                # A large library that can only be read is not to be opened file by file each time.
                if (
                    not taken_out
                    and plan.wants_tags(clip.path)
                    and not is_read_only(clip.path.parent)
                ):
                    yield clip
