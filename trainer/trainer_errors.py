"""What can go wrong between a file and a fitted bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.errors import ValencedError

if TYPE_CHECKING:
    from pathlib import Path


NEEDS_MEMORY = "needs more memory than analysis.memory_mib allows"
"""The reason of a clip that ran into the limit of its worker."""


class ClipError(ValencedError):
    """One clip cannot be used; every other clip is unharmed.

    Args:
        path: the clip.
        reason: one line, without the path, fit for the view `failures`.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class UnreadableClip(ClipError):
    """The file cannot be opened or decoded: no permission, no audio stream, not audio at all."""


class UnusableClip(ClipError):
    """The file decodes but holds nothing that can be heard: too short, or no finite descriptor."""


class BundleError(ValencedError):
    """A bundle cannot be put in service; the one in service stays."""


class BundleMissing(BundleError):
    """There is no bundle where one was expected."""


class BundleCorrupt(BundleError):
    """A file of the bundle is absent, or differs from its checksum in the manifest."""


class BundleUntrusted(BundleError):
    """Somebody other than the service's user or root could have written the bundle."""


class BundleIncompatible(BundleError):
    """The bundle was made for another format, feature set or library version."""


class BundleOfOtherFeatures(BundleIncompatible):
    """The bundle was fitted on features of other settings; only extracting them again helps."""


class TrainingError(ValencedError):
    """A fit cannot be made; the bundle in service stays."""


class TooFewAnnotations(TrainingError):
    """There is nothing to learn from yet."""


class TrainingUnderWay(TrainingError):
    """Another process learns just now; to try again later helps."""

    exit_code = 75
