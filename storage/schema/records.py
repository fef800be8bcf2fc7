"""What the catalogue gives and takes: plain frozen records, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from os import stat_result
    from pathlib import Path


class Mood(StrEnum):
    """The quadrants of the circumplex."""

    ENERGETIC = "energetic"
    TENSE = "tense"
    SAD = "sad"
    CALM = "calm"

    @classmethod
    def of(cls, arousal: float, valence: float, thresholds: tuple[float, float]) -> Mood:
        """Name the quadrant of a pair of values, given where the axes are cut."""
        energetic, pleasant = arousal >= thresholds[0], valence >= thresholds[1]
        if energetic:
            return cls.ENERGETIC if pleasant else cls.TENSE
        return cls.CALM if pleasant else cls.SAD


class TagState(StrEnum):
    """What became of the tags of one clip."""

    PENDING = "pending"
    WRITTEN = "written"
    OFF = "off"
    NOT_WRITTEN = "not written"


@dataclass(frozen=True)
class FileStamp:
    """What tells one state of a file from another without reading it.

    Attributes:
        size: in bytes.
        mtime_ns: modification time in nanoseconds since the epoch.
        inode: number of the file on its device.
    """

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: stat_result) -> FileStamp:
        """Take the stamp of a stat result."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)


NO_STAMP: Final = FileStamp(-1, -1, -1)
"""The stamp of no file."""


@dataclass(frozen=True)
class Clip:
    """One audio file as the catalogue knows it; `tagged` is what we last wrote into it."""

    id: int
    path: Path
    identity: str
    stamp: FileStamp
    tag_state: TagState
    tag_reason: str | None
    is_missing: bool
    tagged: Tagged | None = None


@dataclass(frozen=True)
class QueueEntry:
    """A file that waits to be heard, claimed by whoever holds this record."""

    path: Path
    stamp: FileStamp
    attempts: int


@dataclass(frozen=True)
class FeatureRecord:
    """The descriptors of one sound.

    Attributes:
        identity: hash of the audio packets.
        settings: key of the hearing settings; features of different keys never mix.
        duration_s: length of the sound in seconds.
        vector: the packed feature vector.
    """

    identity: str
    settings: str
    duration_s: float
    vector: bytes


@dataclass(frozen=True)
class CurvePoint:
    """Affect of the window that starts at `start_s`, both values in [-1, 1]."""

    start_s: float
    arousal: float
    valence: float


@dataclass(frozen=True)
class Prediction:
    """What one bundle says of one sound; values and bounds in [-1, 1], novelty from 0."""

    bundle: str
    arousal: float
    arousal_low: float
    arousal_high: float
    valence: float
    valence_low: float
    valence_high: float
    novelty: float


@dataclass(frozen=True)
class Analysis:
    """All that one analysis found, recorded together or not at all."""

    hearing: FeatureRecord
    prediction: Prediction
    curve: Sequence[CurvePoint]


@dataclass(frozen=True)
class Tagged:
    """What we last wrote into a file's tags.

    Attributes:
        arousal: in hundredths, from -100 to 100.
        valence: in hundredths, from -100 to 100.
        bundle: what the values came from.
    """

    arousal: int
    valence: int
    bundle: str

    @classmethod
    def of(cls, prediction: Prediction) -> Tagged:
        """Round a prediction as the tags do."""
        return cls(
            round(prediction.arousal * 100), round(prediction.valence * 100), prediction.bundle
        )


@dataclass(frozen=True)
class TagOutcome:
    """What became of a clip's tags.

    Attributes:
        state: its new tag state.
        reason: why no tag was written.
        stamp: the file's stamp after our write, by which the write is recognised as ours.
        tagged: what the file's tags say now, None if not ours or not known.
    """

    state: TagState
    reason: str | None = None
    stamp: FileStamp | None = None
    tagged: Tagged | None = None


@dataclass(frozen=True)
class Sound:
    """One row of the view `sounds`; the fields are its columns, in order."""

    path: Path
    arousal: float
    arousal_low: float
    arousal_high: float
    valence: float
    valence_low: float
    valence_high: float
    mood: Mood
    novelty: float
    duration_s: float
    bundle: str
    analysed_at: str
    tag_state: str


@dataclass(frozen=True)
class Failure:
    """One row of the view `failures`; `retry_at` None means given up until the file changes."""

    path: Path
    reason: str
    attempts: int
    retry_at: str | None


@dataclass(frozen=True)
class FolderState:
    """How a watched folder stands.

    Attributes:
        path: the folder.
        watched_by: `events`, `polling` or `nothing`.
        reconciled_at: when it was last compared with the catalogue.
        trouble: what is not as it was asked to be, in one line; None if all is well.
    """

    path: Path
    watched_by: str
    reconciled_at: datetime
    trouble: str | None


@dataclass(frozen=True)
class Counts:
    """How the catalogue stands, in numbers of files."""

    known: int
    pending: int
    failed: int
    tags_pending: int
    tags_given_up: int
