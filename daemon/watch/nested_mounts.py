"""Remembers the file systems mounted inside watched folders, to notice an unmounted one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.system.mounts import MOUNTS, mounts_below
from daemon.watch.file_state import has_entries, is_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from config.settings import FolderSettings
    from storage.catalogue import Catalogue


class NestedMounts:
    """Mount points below the watched folders, present and past.

    After an unmount, the bare folder says nothing about the files that were seen there. If that
    folder is removed too, they count as gone.

    Args:
        roots: the watched folders.
        earlier: folders of an earlier run; those inside the roots count as mount points.
        mounts: a file in the form of `/proc/self/mountinfo`.
    """

    def __init__(
        self, roots: Sequence[Path], earlier: Iterable[Path] = (), mounts: Path = MOUNTS
    ) -> None:
        self._mounts = mounts
        self._known = set(earlier)
        self.change(roots)

    def change(self, roots: Sequence[Path]) -> None:
        """Replace the watched folders, and forget the mount points that lie in none of them."""
        self._roots = roots
        self._known = {
            path
            for path in self._known
            if path not in roots and any(map(path.is_relative_to, roots))
        }

    @property
    def known(self) -> list[Path]:
        """Every mount point that is remembered, in order."""
        return sorted(self._known)

    def refresh(self) -> Mapping[Path, str]:
        """Return the current mount points, each with its device, and remember them."""
        now = mounts_below(self._roots, self._mounts)
        self._known = self._known | now.keys()
        return now

    def unmounted(self) -> list[Path]:
        """Return the remembered mount points that are ordinary folders now."""
        if not self._known:
            return []
        now = mounts_below(self._roots, self._mounts)
        return [point for point in self.known if point not in now and is_folder(point)]

    def hides(self, path: Path) -> bool:
        """Tell whether a path lies on a file system that is unmounted."""
        return any(map(path.is_relative_to, self._known)) and any(
            map(path.is_relative_to, self.unmounted())
        )

    def may_hide(self, path: Path) -> bool:
        """Tell whether a path may lie on a file system that is unmounted.

        A watched folder that is empty may be the bare mount point of one.
        """
        roots = filter(path.is_relative_to, self._roots)
        return not (is_folder(path.parent) and all(map(has_entries, roots))) or self.hides(path)

    def forget(self, point: Path) -> None:
        """Treat a mount point as an ordinary folder from now on."""
        self._known = self._known - {point}


def remembered_mounts(folders: Sequence[FolderSettings], catalogue: Catalogue) -> NestedMounts:
    """Return the mount points inside some folders, with those that an earlier run saw there."""
    states = catalogue.queries.folders()
    return NestedMounts([folder.path for folder in folders], [state.path for state in states])
