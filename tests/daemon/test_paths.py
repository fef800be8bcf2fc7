from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.paths import playlist_entry, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï ♫.mp3", "plain ünï ♫.mp3"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.binary(min_size=1, max_size=60))
def test_any_file_name_becomes_one_line_of_valid_utf_8(name: bytes) -> None:
    shown = printable(os.fsdecode(name))
    assert shown.encode("utf-8")
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        (b"/m/a b.mp3", "/m/a b.mp3"),
        (b"/m/caf\xe9.mp3", "file:///m/caf%E9.mp3"),
        (b"/m/two\nlines.mp3", "file:///m/two%0Alines.mp3"),
    ],
)
def test_a_playlist_can_name_any_file(name: bytes, entry: str) -> None:
    assert playlist_entry(Path(os.fsdecode(name))) == entry
