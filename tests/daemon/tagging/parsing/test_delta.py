from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.tagging.basics.byte_views import Assembled, Kept, Splice
from daemon.tagging.parsing import delta as deltas
from daemon.tagging.parsing.delta import delta
from tests.daemon.tagging.memory import Memory, spliced

LIMIT = 256 * 1024


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def literal_bytes(old: bytes, new: bytes) -> int:
    """Check that the delta makes the old bytes again; return how many of them are literal."""
    pieces = delta(Memory(old), Memory(new), LIMIT)
    assert pieces is not None
    made = Assembled(Memory(new), pieces)
    assert made.read(0, made.size) == old
    return sum(len(piece) for piece in pieces if isinstance(piece, bytes))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_made_from_any_others(old: bytes, new: bytes) -> None:
    literal_bytes(old, new)


@settings(deadline=None)
@given(st.data())
def test_a_few_edits_cost_a_few_bytes(data: st.DataObject) -> None:
    old = noise(4000)
    places = sorted(data.draw(st.lists(st.integers(0, len(old)), max_size=8)))
    pairs = zip(places[::2], places[1::2], strict=False)
    splices = [Splice(a, min(b - a, 20), data.draw(st.binary(max_size=40))) for a, b in pairs]
    new = spliced(Memory(old), splices)
    # At most the edited bytes, and after each edit what is too short to refer to or to search for.
    most = sum(splice.length + 4 * deltas.SHORTEST_RANGE for splice in splices)
    assert literal_bytes(old, new.read(0, new.size)) <= most


def test_what_was_moved_is_found() -> None:
    head, text, picture, tail = noise(500), noise(90, 2), noise(100_000, 3), noise(50_000, 4)
    old = head + picture + text + tail
    new = head + text + noise(200, 5) + picture + bytes(30) + tail
    assert literal_bytes(old, new) < 100


def test_scattered_changes_cost_only_the_changed_bytes() -> None:
    pages = [noise(4000, seed) for seed in range(200)]
    old = b"".join(b"%04d" % number + page for number, page in enumerate(pages))
    new = b"x" * 4100 + b"".join(b"%04d" % (number + 1) + page for number, page in enumerate(pages))
    assert literal_bytes(old, new) <= 4 * 200


def test_what_would_be_too_large_is_given_up() -> None:
    assert delta(Memory(noise(5000)), Memory(noise(5000, 2)), 4000) is None
    assert delta(Memory(noise(5000)), Memory(b""), 6000) == [noise(5000)]


class Watched(Memory):
    """Remembers the longest read."""

    longest = 0

    def read(self, offset: int, length: int) -> bytes:
        self.longest = max(self.longest, length)
        return super().read(offset, length)


def test_large_files_are_compared_in_parts() -> None:
    sound = noise(1 << 16) * 512
    old, new = Watched(b"one head" + sound), Watched(b"a head" + sound)
    pieces = delta(old, new, LIMIT)
    assert pieces == [b"one", Kept(1, len(sound) + 5)]
    assert max(old.longest, new.longest) <= 2 << 20


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 100_000])
def test_equal_files_are_one_range(size: int) -> None:
    content = noise(size)
    assert delta(Memory(content), Memory(content), LIMIT) == [Kept(0, size)] * bool(size)
