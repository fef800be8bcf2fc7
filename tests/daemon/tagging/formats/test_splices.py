from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.tagging.formats.splices import Memory, Patched, Splice, inverse, narrow, tidy


@st.composite
def edits(draw: st.DrawFn) -> tuple[bytes, list[Splice]]:
    content = draw(st.binary(max_size=60))
    places = sorted(draw(st.lists(st.integers(0, len(content)), max_size=8)))
    places = places[: len(places) // 2 * 2]
    pairs = zip(places[::2], places[1::2], strict=True)
    return content, [Splice(a, b - a, draw(st.binary(max_size=5))) for a, b in pairs]


def whole(view: Memory | Patched) -> bytes:
    return view.read(0, view.size)


@given(edits())
def test_inverse_brings_every_byte_back(case: tuple[bytes, list[Splice]]) -> None:
    content, splices = case
    base = Memory(content)
    edited = Patched(base, splices)
    assert whole(Patched(edited, inverse(base, splices))) == content


@given(edits(), st.integers(0, 70), st.integers(0, 70))
def test_patched_reads_like_the_bytes_it_stands_for(
    case: tuple[bytes, list[Splice]], offset: int, length: int
) -> None:
    content, splices = case
    expected = bytearray(content)
    for at, count, new in reversed(tidy(splices)):
        expected[at : at + count] = new
    edited = Patched(Memory(content), splices)
    assert edited.read(offset, length) == bytes(expected[offset : offset + length])
    assert edited.size == len(expected)


@given(edits())
def test_narrowed_splices_do_the_same(case: tuple[bytes, list[Splice]]) -> None:
    content, splices = case
    base = Memory(content)
    assert whole(Patched(base, narrow(base, splices))) == whole(Patched(base, splices))


def test_overlapping_splices_are_refused() -> None:
    with pytest.raises(ValueError, match="overlapping"):
        tidy([Splice(0, 4, b""), Splice(3, 2, b"")])
