"""The immutable records that the catalogue takes and returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from storage.schema.file_stamps import FileLook, FileStamp


class Mood(StrEnum):
    """The quadrants of the circumplex of affect."""

    ENERGETIC = "energetic"
    TENSE = "tense"
    SAD = "sad"
    CALM = "calm"

    @classmethod
    def of(cls, arousal: float, valence: float, thresholds: tuple[float, float]) -> Mood:
        """Return the mood of a pair of values, by thresholds (arousal, valence)."""
        energetic, pleasant = arousal >= thresholds[0], valence >= thresholds[1]
        if energetic:
            return cls.ENERGETIC if pleasant else cls.TENSE
        return cls.CALM if pleasant else cls.SAD


class TagState(StrEnum):
    """The state of the tags of one clip."""

    PENDING = "pending"
    WRITTEN = "written"
    OFF = "off"
    NOT_WRITTEN = "not written"


@dataclass(frozen=True)
class Clip:
    """One audio file in the catalogue.

    `tagged` is what we last wrote into it, `tag_tries` how often in a row a worker was asked to
    handle its tags, and failed at the file or has not answered yet. `tag_contests` is how often in
    a row another program had changed our tags when we wrote them. `look` is None if an earlier
    release recorded the file.
    """

    id: int
    path: Path
    identity: str
    stamp: FileStamp
    tag_state: TagState
    tag_reason: str | None
    is_missing: bool
    tagged: Tagged | None = None
    tag_tries: int = 0
    look: FileLook | None = None
    tag_contests: int = 0


@dataclass(frozen=True)
class QueueEntry:
    """A file of the queue, claimed for analysis by the holder of this record.

    Attributes:
        path: of the file.
        stamp: as it was queued.
        attempts: how often it was claimed, with this time.
        fresh_since: features that were extracted before do not count; None if all do.
    """

    path: Path
    stamp: FileStamp
    attempts: int
    fresh_since: datetime | None = None


@dataclass(frozen=True)
class FeatureRecord:
    """The features of one sound.

    Attributes:
        identity: hash of its audio packets.
        settings: key of the feature settings; features of different keys are not comparable.
        duration_s: of the sound.
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


SOUND_KINDS: Final = ("music", "voice", "sound")
"""Music, voice, and everyday sound."""


@dataclass(frozen=True)
class Prediction:
    """One bundle's prediction for one sound; values and bounds in [-1, 1], novelty from 0.

    `kind` is one of `SOUND_KINDS`, its probability in [0, 1]; both None in predictions of older
    releases.
    """

    bundle: str
    arousal: float
    arousal_low: float
    arousal_high: float
    valence: float
    valence_low: float
    valence_high: float
    novelty: float
    kind: str | None = None
    kind_probability: float | None = None


@dataclass(frozen=True)
class Analysis:
    """The results of one analysis, recorded together or not at all."""

    features: FeatureRecord
    prediction: Prediction
    curve: Sequence[CurvePoint]


@dataclass(frozen=True)
class Tagged:
    """What we last wrote into a file's tags; values in hundredths, from -100 to 100."""

    arousal: int
    valence: int
    bundle: str

    @classmethod
    def of(cls, prediction: Prediction) -> Tagged:
        """Return a prediction, rounded as in the tags."""
        return cls(
            round(prediction.arousal * 100), round(prediction.valence * 100), prediction.bundle
        )


@dataclass(frozen=True)
class TagOutcome:
    """The outcome of a tag write.

    Attributes:
        state: the clip's new tag state.
        reason: why no tag was written.
        stamp: the file's stamp after the write, by which the watcher recognises it as ours.
        tagged: the values in the file's tags, None if not ours or not known.
        is_try: whether a worker failed at the file, so that the tries of its clip still count.
        look: of the file after the write, None if that is not known.
        contests: the clip's new `tag_contests`; None to leave the number as it is.
        was_there: whether the file held the values already, and was left as it is.
    """

    state: TagState
    reason: str | None = None
    stamp: FileStamp | None = None
    tagged: Tagged | None = None
    is_try: bool = False
    look: FileLook | None = None
    contests: int | None = None
    was_there: bool = False


@dataclass(frozen=True)
class BegunWrite:
    """A write of tags that has begun, and its copy: a rescue copy, or one to replace the file.

    Attributes:
        rescue: name of the rescue copy, which lies in the folder of the file. In an exchange, the
            file has it for a moment.
        path: of the file.
        device: number of the file system when the write began.
        inode: of the file.
        rescue_inode: of the rescue copy.
        rescue_size: of the rescue copy, in bytes.
        owner: of the rescue copy, as a user number.
        audio_hash: of all audio packets of both.
        way_back: how to make the file as it was of the rescue copy, None if that is not known.
        trouble: why the rescue copy is kept, in one line; None until clean-up has seen it.
        digest: of all bytes of the file before an exchange; None if it is written in place.
    """

    rescue: str
    path: Path
    device: int
    inode: int
    rescue_inode: int
    rescue_size: int
    owner: int
    audio_hash: str
    way_back: str | None = None
    trouble: str | None = None
    digest: str | None = None

    @property
    def rescue_path(self) -> Path:
        """Where the rescue copy was last seen."""
        return self.path.with_name(self.rescue)


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
    kind: str | None = None
    kind_probability: float | None = None


@dataclass(frozen=True)
class Failure:
    """One row of the view `failures`; without `retry_at` it is given up until the file changes."""

    path: Path
    reason: str
    attempts: int
    retry_at: str | None


@dataclass(frozen=True)
class FolderState:
    """The state of a watched folder.

    Attributes:
        path: the folder.
        watched_by: `events`, `polling` or `nothing`.
        reconciled_at: when it was last compared with the catalogue.
        trouble: what is not as configured, in one line; None if nothing.
    """

    path: Path
    watched_by: str
    reconciled_at: datetime
    trouble: str | None


@dataclass(frozen=True)
class Counts:
    """Numbers of files in the catalogue."""

    known: int
    pending: int
    failed: int
    tags_pending: int
    tags_given_up: int
