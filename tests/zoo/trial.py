"""One file of the zoo on its way through a write and a restore, and what is wrong about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, WriteOutcome, restore, write
from daemon.tagging.file_history import FileHistory
from tests.daemon.tagging.conftest import AFFECT
from tests.daemon.tagging.readers import PARSER
from tests.zoo.bare_sounds import content_of, every_bare
from tests.zoo.surgery import surgeries_of
from tests.zoo.tag_kinds import taggings_of
from tests.zoo.three_readers import Reading, reading_of, split
from trainer.audio.decode import decode_windows
from trainer.audio.window_plan import WindowPlan
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REASONS = (
    r"no tags are written into files of this kind; kept in the catalogue only",
    r"its tags cannot be handled: .*",
    r"its present tags cannot be read; save them again with a tag editor",
    r"it is cut short or damaged; the file is left alone",
    r"its sound is cut off, as in an unfinished copy; left alone",
    r"its last chunk is cut off; the file is left alone",
    r"it holds no sound where its chunks say; the file is left alone",
    r"its header claims \d+ bytes, but the file has \d+; repair it first",
    r"its header does not point to an ID3 tag at the end; repair the file first",
    r"its ID3 tag claims to be longer than .* first",
    r"a chunk before its tags lacks its last byte, .*",
    r"its ID3 (tag|extended header) is damaged; rewrite the tags once with a tagger",
    r"its ID3 tag is unsynchronised in an unusual way; rewrite it once",
    r"ID3 version 2\.\d+ is not known; the file is left alone",
    r"its tag chunk holds no ID3 tag; remove that chunk first",
    r"its MP4 index is not in one piece; the file is left alone",
    r"it is a fragmented MP4, as for streaming; save it as a normal M4A first",
    r"it holds absolute positions that cannot be moved; kept in the catalogue",
    r"its tags are of a kind for films, not for music; kept in the catalogue only",
    r"it chains several recordings; kept in the catalogue only",
    r"it holds more than one sound stream; kept in the catalogue only",
    r"it holds comments that would be lost, such as one without a name",
    r"it ends with a Lyrics3 block; kept in the catalogue only",
    r"(another tag|its sound) would have changed; the file is left alone",
    r"other programs would read another tag differently; the file is left alone",
    r"the new tags could not be read back; the file is left alone",
    r"its tags are larger than 64 MiB; .*",
)
"""Every reason for which a file of the zoo may be left alone."""

OF_WHOLE_FILES = ("fragmented MP4", "for films", "Lyrics3 block", "other programs")
"""What reasons say for which even a file that nothing was done to may be left alone."""

_PLAN = WindowPlan(rate_hz=16000, windows=1, window_s=1.0)


@dataclass(frozen=True)
class Specimen:
    """A file to be made.

    Attributes:
        name: sound, tags and damage.
        family: how its tags are written.
        suffix: of the file's name.
        make: returns its bytes; None if it cannot be made, or the damage does not apply.
        is_good: whether it must be heard.
        is_whole: whether nothing was done to it but tagging, so that it must be tagged.
    """

    name: str
    family: str
    suffix: str
    make: Callable[[], bytes | None]
    is_good: bool
    is_whole: bool


# TagLib shows of ASF what it knows, and ffmpeg of these nothing where other tags come first.
_SHOWN_BY: dict[str, Callable[[Specimen], bool]] = {
    "mutagen": lambda _: True,
    "taglib": lambda specimen: specimen.family != "asf",
    "ffmpeg": lambda specimen: (
        specimen.family not in ("wavpack", "ape", "musepack")
        and not _is_ape_only(specimen)
        and specimen.suffix not in ("3gp", "3g2")
    ),
}


def _is_ape_only(specimen: Specimen) -> bool:
    return specimen.family == "mp3" and "APEv2" in specimen.name


@dataclass(frozen=True)
class Result:
    """What became of a specimen: the reason of a refusal, if any, and what was wrong."""

    reason: str | None
    faults: tuple[str, ...]


def every_specimen() -> Iterator[Specimen]:
    """Yield all; damage is tried on the first sounds of each family and suffix only."""
    seen: set[tuple[str, str]] = set()
    for bare in every_bare().values():
        kind = (bare.family, bare.suffix)
        for tagging in taggings_of(bare.family):
            make = partial(_made, bare.name, tagging, None)
            name = f"{bare.name}, {tagging}"
            whole = bare.family != "none"
            yield Specimen(name, bare.family, bare.suffix, make, bare.is_heard, whole)
        if kind in seen:
            continue
        seen.add(kind)
        for tagging in taggings_of(bare.family):
            for surgery, done in surgeries_of(bare.family).items():
                make = partial(_made, bare.name, tagging, surgery)
                name = f"{bare.name}, {tagging}, {surgery}"
                good = bare.is_heard and done.is_good
                yield Specimen(name, bare.family, bare.suffix, make, good, is_whole=False)


def _made(sound: str, tagging: str, surgery: str | None) -> bytes | None:
    bare = every_bare()[sound]
    content = content_of(bare)
    if content is None:
        return None
    content = taggings_of(bare.family)[tagging](content)
    return surgeries_of(bare.family)[surgery].change(content) if surgery else content


def tried(specimen: Specimen, content: bytes, folder: Path) -> Result:
    """Write our tags into the file, look at it, and restore it."""
    path = folder / f"specimen.{specimen.suffix}"
    path.write_bytes(content)
    faults = _hearing_faults(specimen, path)
    before = reading_of(path, specimen.family)
    options = WriteOptions(PARSER)
    reason = None
    try:
        done = write(path, dict(AFFECT), options)
    except TagWriteError as error:
        reason = error.reason
        if not any(re.fullmatch(known, reason) for known in REASONS):
            faults.append(f"refused for a reason that nobody knows: {reason}")
        if specimen.is_whole and not any(words in reason for words in OF_WHOLE_FILES):
            faults.append(f"refused without need: {reason}")
    else:
        if done.outcome is not WriteOutcome.WRITTEN or done.undo is None:
            faults.append(f"the write ended as {done.outcome}")
        else:
            faults += _reading_faults(specimen, before, reading_of(path, specimen.family))
            restore(path, options, FileHistory.of([done.undo]))
    if path.read_bytes() != content:
        faults.append("not byte for byte as it was")
    path.unlink()
    return Result(reason, tuple(faults))


def _hearing_faults(specimen: Specimen, path: Path) -> list[str]:
    if not specimen.is_good:
        return []
    try:
        decode_windows(path, _PLAN)
    except ClipError as error:
        return [f"not heard: {error.reason}"]
    return []


def _reading_faults(specimen: Specimen, before: Reading, after: Reading) -> Iterator[str]:
    for program in Reading._fields:
        old, new = getattr(before, program), getattr(after, program)
        if old is None and new is None:
            continue
        if new is None:
            yield f"{program} cannot open it any more"
            continue
        others, ours = split(new)
        if _SHOWN_BY[program](specimen) and not ours:
            yield f"{program} does not show our tags"
        lost = {
            name: (text, others.get(name))
            for name, text in split(old or {}).others.items()
            if others.get(name) != text and max(text, default="") < "\udc80"
        }
        if lost:
            yield f"{program} reads differently: {lost}"
        more = set(others) - set(split(old or {}).others)
        if more and program == "taglib" and specimen.family != "asf" and old is not None:
            yield f"{program} reads more: {more}"
