"""Errors of the trainer: clips, bundles and training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.errors import ValencedError

if TYPE_CHECKING:
    from pathlib import Path


NEEDS_MEMORY = "needs more memory than analysis.memory_mib allows"
"""The reason of a clip that exceeded the memory limit of its worker."""


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
    """The file decodes but cannot be described: too short, silent, or no finite descriptor."""


class BundleError(ValencedError):
    """A bundle cannot be used; the published bundle stays."""


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


class BundleOutdated(BundleIncompatible):
    """The bundle is sound but its pickle is not used; fitting it from its table helps.

    Args:
        source: names the bundle.
        why: one line: other versions, or this installation did not write it.
    """

    def __init__(self, source: str, why: str) -> None:
        super().__init__(source, why)
        self.source = source
        self.why = why

    def __str__(self) -> str:
        return f"{self.source}: {self.why}"


class TrainingError(ValencedError):
    """A fit cannot be made; the published bundle stays."""


class TooFewAnnotations(TrainingError):
    """There is nothing to learn from yet."""


class TrainingUnderWay(TrainingError):
    """Another process is training; trying again later helps."""

    exit_code = 75
