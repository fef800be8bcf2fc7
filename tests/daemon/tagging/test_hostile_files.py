"""Files with bytes changed at random: written and restored, or refused and untouched."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, WriteOutcome, restore, write
from daemon.tagging.disk.syscalls import DiskCalls
from daemon.tagging.file_history import FileHistory
from tests.daemon.tagging.foreign_writers import put_tags
from tests.daemon.tagging.readers import BLIND_PARSER, read
from tests.daemon.tagging.sounds import TAGGED_KINDS, sound_file

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.basics.keys import Items

# Each example costs far less than one of the property tests.
_EXAMPLES = 4 * int(os.environ.get("VALENCED_EXAMPLES", "8"))


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Change, cut out or double a few bytes near the ends, where the structure is."""
    raw = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        reach = min(len(raw), chance.choice([16, 64, 400, 4000]))
        at = chance.randrange(reach)
        if chance.random() < 0.3:
            at = len(raw) - 1 - at
        what = chance.random()
        if what < 0.6:
            raw[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        elif what < 0.8:
            del raw[at : at + chance.randint(1, 8)]
        else:
            raw[at:at] = raw[at : at + chance.randint(1, 40)]
        if not raw:
            break
    return bytes(raw)


@pytest.mark.parametrize("tagged", [False, True], ids=["bare", "tagged"])
@pytest.mark.parametrize("kind", TAGGED_KINDS)
def test_mutated_files_are_never_harmed(
    tmp_path: Path, affect: Items, kind: str, *, tagged: bool
) -> None:
    # ffmpeg is slow on damaged files, and is tested with them elsewhere.
    options = WriteOptions(BLIND_PARSER)
    path = sound_file(tmp_path, kind)
    if tagged:
        put_tags(kind, path, {"MOOD_AROUSAL": ["1", "2"], "VALENCED": ["x"], "OTHER": ["y"]})
    content = path.read_bytes()
    chance = random.Random(f"{kind} {tagged}")
    for _ in range(_EXAMPLES):
        before = mutated(content, chance)
        path.write_bytes(before)
        try:
            done = write(path, affect, options)
        except TagWriteError as error:
            assert "\n" not in str(error.reason)  # noqa: PT017 - both ends are fine
        else:
            if done.outcome is WriteOutcome.WRITTEN:
                assert done.undo is not None
                assert read(path)["MOOD_AROUSAL"] == ["42"]
                restore(path, options, FileHistory.of([done.undo]))
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


class _Measured(DiskCalls):
    largest = 0

    def write(self, descriptor: int, content: bytes, at: int) -> None:
        self.largest = max(self.largest, len(content))
        super().write(descriptor, content, at)


def test_padding_that_only_a_header_claims_is_not_written(tmp_path: Path, affect: Items) -> None:
    path = sound_file(tmp_path, "m4a")
    write(path, affect, WriteOptions(BLIND_PARSER))
    content = bytearray(path.read_bytes())
    at = content.index(b"free", content.index(b"ilst"))
    content[at - 4 : at] = (1 << 28).to_bytes(4, "big")
    path.write_bytes(content)
    disk = _Measured()
    with suppress(TagWriteError):
        write(path, {**affect, "MOOD_AROUSAL": ["7"]}, WriteOptions(BLIND_PARSER, disk=disk))
    assert disk.largest < 4 << 20
    assert path.stat().st_size < len(content) + (2 << 20)
