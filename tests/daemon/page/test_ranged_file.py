from __future__ import annotations

import pytest

from daemon.page.http.ranged_file import range_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        # The file has no such range: empty.
        ("bytes=100-", (100, 100)),
        ("bytes=-0", (100, 100)),
        # No range, or several: the whole is sent.
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("bytes=0x1-", None),
        ("bytes=\u0661-", None),
        ("bytes=" + "9" * 19 + "-", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_ranges(text: str, found: tuple[int, int] | None) -> None:
    assert range_in(text, 100) == found


def test_a_range_far_beyond_the_end_is_empty() -> None:
    start, end = range_in("bytes=999999999999999999-", 100) or (0, 1)
    assert start >= end
