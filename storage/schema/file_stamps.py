"""By what a file is recognised without reading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from os import stat_result


@dataclass(frozen=True)
class FileStamp:
    """Size in bytes, modification time, inode number and change time (ctime) of a file.

    Times are in ns since the epoch. A program can set the modification time back, but not the
    change time; which is None if an earlier release recorded the stamp. A number of more than 64
    bits, such as the time of a file dated 2446, is reduced modulo 2^64, as the catalogue holds no
    more.
    """

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int | None = None

    @classmethod
    def of(cls, stat: stat_result) -> FileStamp:
        """Return the stamp in a stat result."""
        times = _signed(stat.st_mtime_ns), _signed(stat.st_ctime_ns)
        return cls(stat.st_size, times[0], _signed(stat.st_ino), times[1])

    @property
    def has_fine_ctime(self) -> bool:
        """Whether the file system keeps a change time of its own: FAT and exFAT do not."""
        return self.ctime_ns is not None and self.ctime_ns % _COARSE_NS != 0

    def holds_for(self, present: FileStamp) -> bool:
        """Whether a file that had this stamp is certainly the same, byte for byte.

        Some file systems give a file another inode number at each mount. Its change time stays.
        """
        if (self.size, self.mtime_ns) != (present.size, present.mtime_ns):
            return False
        is_same_inode = self.inode == present.inode
        if self.ctime_ns is None:
            return is_same_inode
        return self.ctime_ns == present.ctime_ns and (is_same_inode or self.has_fine_ctime)


_COARSE_NS: Final = 10_000_000
"""The times of exFAT are multiples of this, those of FAT of two seconds."""


def _signed(number: int) -> int:
    """Return the signed number of 64 bits that equals `number` modulo 2^64."""
    return (number + 2**63) % 2**64 - 2**63


NO_STAMP: Final = FileStamp(-1, -1, -1)
"""The stamp of no file."""


@dataclass(frozen=True)
class FileLook:
    """What tells cheaply whether only the attributes of a file have changed.

    Attributes:
        attributes: permissions, owner, group and number of links, as text.
        sample: hash of some pieces of its bytes.
    """

    attributes: str
    sample: str
