"""A catalogue with a few sounds, one page for all tests of a module."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileStamp
from storage.schema.records import TagState
from tests.daemon.page.page_client import PageClient, served
from tests.records import NOON, analysis
from tests.sounds import music_like, tone, write_audio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKUP = "<img src=x onerror=alert(1)>&amp;.mp3"
UNDECODABLE = os.fsdecode(b"caf\xe9.mp3")


class Library(NamedTuple):
    """A folder of sounds, and their catalogue."""

    music: Path
    catalogue: Path
    numbers: dict[str, int]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Make four sounds: two that can be played, one with markup, one that is not UTF-8."""
    base = tmp_path_factory.mktemp("page")
    music, state = base / "music", base / "state"
    (music / "a").mkdir(parents=True)
    state.mkdir()
    write_audio(music / "a" / "calm.flac", tone(2))
    write_audio(music / "a" / "loud.wav", music_like(2))
    for name in (MARKUP, UNDECODABLE):
        (music / name).write_bytes(b"no sound")
    values = {
        "a/calm.flac": (-0.5, 0.25),
        "a/loud.wav": (0.75, -0.5),
        MARKUP: (0.1, 0.1),
        UNDECODABLE: (-1.0, 1.0),
    }
    numbers = {}
    file = state / "catalogue.db"
    with closing(Catalogue(f"sqlite:///{file}")) as catalogue:
        for place, (name, (arousal, valence)) in enumerate(values.items()):
            catalogue.queue.put([(music / name, FileStamp(1, 1, place))], NOON)
            entry = catalogue.queue.claim(NOON)
            assert entry is not None
            found = analysis(f"{place:x}{place:063x}", arousal, valence)
            numbers[name] = catalogue.record(
                entry, found.features.identity, TagState.OFF, NOON, found
            ).id
        catalogue.queue.put([(music / "broken.mp3", FileStamp(1, 1, 99))], NOON)
        entry = catalogue.queue.claim(NOON)
        assert entry is not None
        catalogue.queue.fail(entry, "no sound could be decoded", None)
    return Library(music, file, numbers)


@pytest.fixture(scope="module")
def page(library: Library) -> Iterator[PageClient]:
    with served(library.catalogue) as client:
        yield client
