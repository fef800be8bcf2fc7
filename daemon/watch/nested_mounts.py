"""Remembers which disks are mounted inside the watched folders, to notice one taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.system.mounts import MOUNTS, mounts_below
from daemon.watch.file_state import is_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from config.settings import FolderSettings
    from storage.catalogue import Catalogue


class NestedMounts:
    """The file systems mounted below the watched folders, now and when they were last looked at.

    Where one was mounted and is not any more, an ordinary folder lies bare; that its files are not
    there says nothing. If that folder is removed too, they count as gone.

    Args:
        roots: the watched folders.
        earlier: folders that an earlier run looked at on their own; those inside the roots of
            now are remembered as mount points.
        mounts: a file in the form of `/proc/self/mountinfo`.
    """

    def __init__(
        self, roots: Sequence[Path], earlier: Iterable[Path] = (), mounts: Path = MOUNTS
    ) -> None:
        self._mounts = mounts
        self._known = set(earlier)
        self.change(roots)

    def change(self, roots: Sequence[Path]) -> None:
        """Look below other folders from now on; what lies in none of them is forgotten."""
        self._roots = roots
        self._known = {
            path
            for path in self._known
            if path not in roots and any(path.is_relative_to(root) for root in roots)
        }

    @property
    def known(self) -> list[Path]:
        """Every mount point that is remembered, in order."""
        return sorted(self._known)

    def refresh(self) -> Mapping[Path, str]:
        """Return the mount points that are in use now, each with its device; remember them."""
        now = mounts_below(self._roots, self._mounts)
        self._known |= now.keys()
        return now

    def away(self) -> list[Path]:
        """Return the mount points on which nothing is mounted any more."""
        if not self._known:
            return []
        now = mounts_below(self._roots, self._mounts)
        return [point for point in self.known if point not in now and is_folder(point)]

    def hides(self, path: Path) -> bool:
        """Tell whether a path lies on a disk that is away."""
        return any(path.is_relative_to(point) for point in self._known) and any(
            path.is_relative_to(point) for point in self.away()
        )

    def forget(self, point: Path) -> None:
        """Take a mount point for an ordinary folder from now on."""
        self._known.discard(point)


def remembered_mounts(folders: Sequence[FolderSettings], catalogue: Catalogue) -> NestedMounts:
    """Return the disks inside some folders, with those that an earlier run saw there."""
    states = catalogue.queries.folders()
    return NestedMounts([folder.path for folder in folders], [state.path for state in states])
