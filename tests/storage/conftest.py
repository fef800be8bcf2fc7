from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from storage.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgresql_server import PostgresqlServer

DATABASES = ("sqlite", "postgresql")


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """Return the URL of a catalogue that is a file of SQLite."""
    return f"sqlite:///{tmp_path / 'state' / 'catalogue.db'}"


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, file_url: str) -> str:
    """Return the URL of a catalogue, on one database and then on the other."""
    if request.param == "sqlite":
        return file_url
    server: PostgresqlServer = request.getfixturevalue("server")
    return server.new_catalogue()


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    with closing(Catalogue(url)) as opened:
        yield opened


@pytest.fixture
def file_catalogue(file_url: str) -> Iterator[Catalogue]:
    with closing(Catalogue(file_url)) as opened:
        yield opened
