"""What the service asks a worker to do about the tags of one file, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.tagging.basics.byte_views import Piece
    from daemon.tagging.basics.keys import Items

KINDS: Final = frozenset(
    {"mp3", "wav", "aiff", "dsf", "flac", "ogg", "mp4", "asf", "ape", "wavpack", "musepack"}
)
"""The containers that have tags of ours."""

MOST_CONTENT_BYTES: Final = 8 << 20
"""How long the packed description of an edited file may be."""

MOST_WRITTEN: Final = 64 << 20
"""How many bytes an edit may write in all, or make a file longer by."""

MOST_TEXT: Final = 64 << 10
"""How many characters all values of our keys may have."""

MOST_VALUES: Final = 1000
"""How many values all our keys may have."""


class JobKind(StrEnum):
    """What is to be done with our keys."""

    WRITE = "write"
    STRIP = "strip"
    RESTORE = "restore"
    RESET = "reset"


@dataclass(frozen=True)
class TagsBefore:
    """What the undo record of an edit says of the tags of the file before us.

    Attributes:
        kind: the container.
        items: our keys as they were; None where there was none.
        block: whether there was a tag block at all.
        is_clean: whether the bytes that the record leads to hold just these items. If not, tags of
            ours of which nothing else is known are in them.
        left: the same keys as the edit leaves them; None if a release before recorded it.
    """

    kind: str
    items: Mapping[str, list[str] | None]
    block: bool
    is_clean: bool = True
    left: Mapping[str, list[str] | None] | None = None


@dataclass(frozen=True)
class TagJob:
    """An edit to be planned.

    Attributes:
        kind: what is to be done.
        items: wanted, for `WRITE`.
        owned: our keys as the catalogue knows them, for `STRIP`; None for those that the file's
            own `VALENCED` item lists.
        first: what there was before us, if the catalogue knows of it.
        base: what the file was made of then, in ranges of the present one; None if others have
            changed it since, or its bytes are lost. `RESTORE` needs it.
    """

    kind: JobKind
    items: Items = field(default_factory=dict)
    owned: frozenset[str] | None = None
    first: TagsBefore | None = None
    base: Sequence[Piece] | None = None


@dataclass(frozen=True)
class TagPlan:
    """A planned edit, as a worker tells it.

    Attributes:
        was: the present values of our keys.
        wanted: their values after the edit.
        ours: the keys concerned; all others must stay.
        content: the file after the edit, in ranges of the present one; None if there is nothing to
            do.
        before: for the undo record.
    """

    was: Items
    wanted: Items
    ours: frozenset[str]
    content: Sequence[Piece] | None
    before: TagsBefore


@dataclass(frozen=True)
class Claim:
    """What is to be proven of a copy.

    Attributes:
        kind: its container.
        ours: the keys that may differ.
        wanted: their values in the copy.
        audio_hash: of the original, if known.
    """

    kind: str
    ours: frozenset[str]
    wanted: Items
    audio_hash: str | None = None


class FileReading(NamedTuple):
    """What ffmpeg reads of a file.

    Attributes:
        audio_hash: of all audio packets; None if not requested.
        metadata: each value as its place in the file, its key and its digest; None if the file
            cannot be read with its tags.
    """

    audio_hash: str | None
    metadata: Sequence[tuple[str, ...]] | None
