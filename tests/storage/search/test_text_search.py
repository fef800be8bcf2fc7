"""Every file with a text in its path is found, by the index of names or without it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of
from storage.schema.sound_filter import SoundFilter
from storage.search.finder import Finder
from storage.search.text_search import files_with_text, is_plain
from tests.records import record

if TYPE_CHECKING:
    from collections.abc import Iterator

PATHS = [
    *("/m/rain/Summer rain.mp3", "/m/other/100% wool_x.mp3", "/m/other/100x woolyx.mp3"),
    *('/m/other/a "quoted" AND name.mp3', "/m/Äpfel/ÄÖ ü.mp3", "/m/other/back\\slash.mp3"),
    *(os.fsdecode(b"/m/raw/caf\xe9 rain.mp3"), os.fsdecode(b"/m/raw/\xff\xfe\xfdodd.mp3")),
    *(
        "/m/new\nline/two\nlines.mp3",
        "/m/\u65e5\u672c/\u97f3\u697d\u306e.mp3",
        "/m/other/\U0001f600 smile.mp3",
        "/m/other/\ufffd\uffff mark.mp3",
    ),
    *(os.fsdecode(b"/m/raw/Caf\xe8 \xe9.mp3"), os.fsdecode(b"/m/\xe8/in a raw folder.mp3")),
    *(os.fsdecode(b"/m/raw/\xc3\x84\x84 three.mp3"), "/m/other/\u0130 \u212a stra\u00dfe.mp3"),
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    url = f"sqlite:///{tmp_path_factory.mktemp('texts') / 'catalogue.db'}"
    with closing(Catalogue(url)) as catalogue:
        for path in PATHS:
            record(catalogue, path)
    with closing(sqlite3.connect(file_of(url))) as plain:
        plain.text_factory = os.fsdecode
        yield plain


@pytest.mark.parametrize(
    "text",
    [
        *("rain", "RAIN", "mer ra", "r", "n/S", "rain/", "/Summer", "m/rain/Sum", "/", "zzz"),
        *("100%", "_x", "%", '"quoted"', '"', "AND", "a* NOT", "back\\s", "two\nl", "mp3"),
        *("Äpf", "ÄÖ", "ö ü", "\u97f3\u697d\u306e", "\U0001f600 s", "caf", " rain."),
        *(os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xe9 ra"), os.fsdecode(b"\xfe\xfdodd"), "odd.m"),
        *(os.fsdecode(b"\xe8"), os.fsdecode(b"CAF\xe8"), os.fsdecode(b"\xe8/IN A")),
        *(
            os.fsdecode(b"\xff"),
            os.fsdecode(b"\x84 THREE"),
            os.fsdecode(b"\xc3"),
            "\ufffd",
            "\uffff",
        ),
        *("\u0130 \u212a", "k stra", "STRASSE", "mark\0", "y" * 5_000, "ab" * 30_000),
    ],
)
@pytest.mark.parametrize("few", [1, 100])
def test_what_is_found_is_what_has_the_text(plain: sqlite3.Connection, text: str, few: int) -> None:
    # Bytes have upper and lower case in ASCII only.
    wanted = os.fsencode(text).lower()
    expected = {Path(path) for path in PATHS if wanted in os.fsencode(path).lower()}
    found = Finder(plain, few=few).sounds(SoundFilter(text=(text,), limit=50))
    assert {sound.path for sound in found} == expected
    numbers = files_with_text(plain, text, few)
    assert numbers is None or len(numbers) <= few
    if few == 100:
        assert (numbers is None) == (not is_plain(text))
