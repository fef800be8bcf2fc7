"""A worker that was taken over plans an edit that destroys the song: it is refused or undone."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, restore, write
from daemon.tagging.basics.byte_views import Assembled, Kept, Piece
from daemon.tagging.file_history import FileHistory
from daemon.tagging.way_back import way_back
from tests.daemon.tagging.memory import Memory
from tests.daemon.tagging.readers import PARSER
from tests.daemon.tagging.sounds import encoded, sound_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from daemon.tagging.basics.tag_jobs import Claim, TagJob, TagPlan
    from daemon.tagging.disk.source import SourceFile

    Pieces = list[Piece]


@dataclass
class LyingParser:
    """Plans other content, and finds everything proven."""

    content: Callable[[int], Pieces]

    def read_tags(self, source: SourceFile) -> Items:
        return PARSER.read_tags(source)

    def plan_tags(self, source: SourceFile, job: TagJob) -> TagPlan:
        return replace(PARSER.plan_tags(source, job), content=self.content(source.view.size))

    def prove_tags(self, source: SourceFile, copy: int, claim: Claim) -> str:
        del source, copy, claim
        return "5a3e"


def song(folder: Path) -> Path:
    path = folder / "song.wav"
    path.write_bytes(encoded("wav", 4.0))
    return path


@pytest.mark.parametrize(
    "content",
    [
        lambda _: [],
        lambda _: [b"gone"],
        lambda size: [Kept(0, size // 2)],
        lambda size: [Kept(0, 4096)] * (size // 4096),
        lambda size: [Kept(0, size - 300_000), random.Random(1).randbytes(300_000)],
    ],
)
def test_what_cannot_be_undone_is_refused(
    tmp_path: Path, affect: Items, content: Callable[[int], Pieces]
) -> None:
    path = song(tmp_path)
    before = path.read_bytes()
    with pytest.raises(TagWriteError, match="too much of it"):
        write(path, affect, WriteOptions(LyingParser(content)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [
        lambda size: [Kept(size // 2, size - size // 2), Kept(0, size // 2)],
        lambda size: [b"\0" * 1000, Kept(1000, size - 1000)],
        lambda size: [Kept(0, size), Kept(0, size)],
    ],
)
def test_what_is_written_can_be_undone_byte_for_byte(
    tmp_path: Path, affect: Items, content: Callable[[int], Pieces]
) -> None:
    path = song(tmp_path)
    before = path.read_bytes()
    parser = LyingParser(content)
    done = write(path, affect, WriteOptions(parser))
    assert path.read_bytes() != before
    assert done.undo is not None
    restore(path, WriteOptions(parser), FileHistory.of([done.undo]))
    assert path.read_bytes() == before


def test_a_restore_takes_the_bytes_of_the_record_and_not_those_of_the_worker(
    tmp_path: Path, affect: Items
) -> None:
    path = sound_file(tmp_path, "flac")
    before = path.read_bytes()
    undo = write(path, affect, WriteOptions(PARSER)).undo
    assert undo is not None
    restore(
        path, WriteOptions(LyingParser(lambda size: [Kept(0, size - 1)])), FileHistory.of([undo])
    )
    assert path.read_bytes() == before


SIZE = 60
RANGES = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(
    lambda pair: Kept(min(pair), abs(pair[0] - pair[1]))
)
PIECES = st.lists(RANGES | st.binary(max_size=9), max_size=8)


@given(st.binary(min_size=SIZE, max_size=SIZE), PIECES, PIECES)
def test_the_way_back_leads_to_the_very_bytes(original: bytes, old: Pieces, new: Pieces) -> None:
    file = Memory(original)
    before, after = Assembled(file, old), Assembled(file, new)
    back = way_back(before, after, 10_000)
    assert back.pieces is not None
    made = Assembled(Memory(after.read(0, after.size)), back.pieces)
    assert made.read(0, made.size) == before.read(0, before.size)


def test_a_way_back_of_many_pieces_takes_time_in_proportion() -> None:
    count = 100_000
    file = Memory(bytes(8 * count))
    new = Assembled(file, [Kept(8 * place, 7) for place in reversed(range(count))])
    back = way_back(Assembled(file, [Kept(0, 8 * count)]), new, 1000)
    assert back == (None, count)
