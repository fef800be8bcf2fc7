"""A catalogue opened for searches only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from storage.database.catalogue_file import file_of
from storage.database.engine import absolute_url
from storage.schema.catalogue_errors import CatalogueError, SchemaTooNew
from storage.schema.sound_filter import SoundFilter
from storage.search.reader import open_finder
from tests.records import record
from tests.storage.database.test_migrate import NEWEST, SOUNDS, old_catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from storage.catalogue import Catalogue


def test_a_snapshot_is_read_while_others_write(catalogue: Catalogue) -> None:
    record(catalogue, "/m/a.mp3")
    with open_finder(catalogue.url) as finder:
        assert not finder.is_empty()
        record(catalogue, "/m/b.mp3")
        assert len(finder.sounds(SoundFilter())) == 1
        with pytest.raises((sqlite3.OperationalError, CatalogueError), match=r"read-?only"):
            finder._connection.execute("DELETE FROM predictions")
    with open_finder(catalogue.url) as finder:
        assert len(finder.sounds(SoundFilter())) == 2


def test_an_older_catalogue_is_migrated_and_a_newer_one_refused(file_url: str) -> None:
    file = old_catalogue(file_url, NEWEST - 1)
    with open_finder(file_url) as finder:
        assert len(finder.sounds(SoundFilter())) == SOUNDS
    with closing(sqlite3.connect(file)) as plain:
        plain.execute(f"PRAGMA user_version = {NEWEST + 1}")
    with pytest.raises(SchemaTooNew), open_finder(file_url):
        pass


def test_what_is_no_catalogue_is_refused_in_one_line(file_url: str) -> None:
    with pytest.raises(CatalogueError, match="unable to open"), open_finder(file_url):
        pass
    file = file_of(file_url)
    file.parent.mkdir()
    file.write_bytes(b"not a database at all, but long enough to be one" * 99)
    with pytest.raises(CatalogueError, match="not a database"), open_finder(file_url):
        pass


def test_a_relative_url_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_url("sqlite:///state/c.db") == f"sqlite:///{tmp_path}/state/c.db"
    assert absolute_url("sqlite:////var/c.db?timeout=3") == "sqlite:////var/c.db?timeout=3"
