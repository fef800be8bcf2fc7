"""A catalogue on a server holds the files of one bundle."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from storage.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.database.published_bundles import PublishedBundles
    from tests.postgresql_server import PostgresqlServer

FILES = {"manifest.json": b"{}", "table.npz": bytes(range(256)) * 4000, "listener.npz": b""}


@pytest.fixture
def shared(server: PostgresqlServer) -> Iterator[PublishedBundles]:
    with closing(Catalogue(server.new_catalogue())) as catalogue:
        yield catalogue.bundles


def test_what_was_put_is_there_to_the_last_byte(shared: PublishedBundles) -> None:
    assert shared.shared_digests("learned-1") == set()
    assert shared.shared_files("learned-1") == {}
    shared.share("learned-1", FILES)
    assert shared.shared_files("learned-1") == FILES
    assert shared.shared_digests("learned-1") == {
        hashlib.sha256(content).hexdigest() for content in FILES.values()
    }


def test_there_is_one_at_a_time(shared: PublishedBundles) -> None:
    shared.share("learned-1", FILES)
    shared.share("learned-2", {"table.npz": b"new"})
    assert shared.shared_files("learned-1") == {}
    assert shared.shared_files("learned-2") == {"table.npz": b"new"}
