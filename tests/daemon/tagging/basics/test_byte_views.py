from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.tagging.basics.byte_views import (
    Assembled,
    Kept,
    Piece,
    Splice,
    View,
    ViewFile,
    common_length,
)
from tests.daemon.tagging.memory import Memory, spliced


@st.composite
def edits(draw: st.DrawFn) -> tuple[bytes, list[Splice]]:
    content = draw(st.binary(max_size=60))
    places = sorted(draw(st.lists(st.integers(0, len(content)), max_size=8)))
    places = places[: len(places) // 2 * 2]
    pairs = zip(places[::2], places[1::2], strict=True)
    return content, [Splice(a, b - a, draw(st.binary(max_size=5))) for a, b in pairs]


@st.composite
def pieces(draw: st.DrawFn, size: int) -> list[Piece]:
    ranges = st.tuples(st.integers(0, size), st.integers(0, size)).map(
        lambda pair: Kept(min(pair), abs(pair[0] - pair[1]))
    )
    return draw(st.lists(ranges | st.binary(max_size=9), max_size=6))


def everything(view: View) -> bytes:
    return view.read(0, view.size)


@given(edits(), st.integers(0, 70), st.integers(0, 70))
def test_a_spliced_view_reads_like_the_edited_bytes(
    case: tuple[bytes, list[Splice]], offset: int, length: int
) -> None:
    content, splices = case
    expected = bytearray(content)
    for at, count, new in sorted(splices, key=lambda splice: splice[:2])[::-1]:
        expected[at : at + count] = new
    edited = spliced(Memory(content), splices)
    assert edited.read(offset, length) == bytes(expected[offset : offset + length])
    assert edited.size == len(expected)


@given(st.data(), st.binary(max_size=40))
def test_views_of_views_refer_to_the_innermost(data: st.DataObject, content: bytes) -> None:
    inner = Assembled(Memory(content), data.draw(pieces(len(content))))
    outer = Assembled(inner, data.draw(pieces(inner.size)))
    plain = Assembled(Memory(everything(inner)), outer_pieces := data.draw(pieces(inner.size)))
    assert everything(Assembled(inner, outer_pieces)) == everything(plain)
    assert isinstance(outer.base, Memory)


def test_splices_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlapping"):
        spliced(Memory(bytes(9)), [Splice(0, 3, b""), Splice(2, 1, b"")])


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 5), st.integers(0, 5))
def test_common_length_ends_at_the_first_difference(
    content: bytes, differs: int, at: int, place: int
) -> None:
    one, other = bytes(at) + content, bytearray(bytes(place) + content)
    if differs < len(content):
        other[place + differs] ^= 1
    found = common_length(Memory(one), at, Memory(bytes(other)), place)
    assert found == min(differs, len(content))


def test_a_view_as_a_file_keeps_its_position() -> None:
    file = ViewFile(Memory(b"0123456789"))
    assert (file.read(2), file.read(3), file.tell()) == (b"01", b"234", 5)
    assert (file.seek(-3, 2), file.read(), file.read()) == (7, b"789", b"")
    assert (file.seek(-1, 1), file.read(1)) == (9, b"9")
    with pytest.raises(OSError, match="Invalid"):
        file.seek(-11, 2)
