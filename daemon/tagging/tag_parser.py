"""The interface to what parses the tags of files, which the service itself never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from daemon.tagging.basics.keys import Items
    from daemon.tagging.basics.tag_jobs import Claim, TagJob, TagPlan
    from daemon.tagging.disk.source import SourceFile


class TagParser(Protocol):
    """Parses the tags of open files, in another process.

    Every method may raise TagsRefused, and ClipError if that process fails at the file.
    """

    def read_tags(self, source: SourceFile) -> Items:
        """Return every item of ours, whichever preset wrote it."""

    def plan_tags(self, source: SourceFile, job: TagJob) -> TagPlan:
        """Plan an edit; nothing is written."""

    def prove_tags(self, source: SourceFile, copy: int, claim: Claim) -> str:
        """Compare a copy, open for reading, with its original.

        Returns:
            The hash of the copy's audio packets.

        Raises:
            Unproven: something else than our keys differs.
        """
