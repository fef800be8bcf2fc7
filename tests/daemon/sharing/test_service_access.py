"""The right to work on a catalogue: alone with a file or a folder, by a lease on a server."""

from __future__ import annotations

from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING

import pytest

from daemon.sharing.service_access import _SharedAccess, service_access
from storage.catalogue import Catalogue
from storage.database.catalogue_file import only_writer, writer_of
from storage.database.service_lease import ServiceLease
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgresql_server import PostgresqlServer

PATIENCE_S = 300


def test_a_file_has_one_service(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with service_access(url, tmp_path / "bundles") as access:
        assert (access.name, access.is_main) == (None, True)
        with pytest.raises(CatalogueBusy), only_writer(url):
            pass


def test_a_folder_of_bundles_has_one_service_and_a_server_one_main_one(
    server: PostgresqlServer, tmp_path: Path
) -> None:
    url = server.new_catalogue()
    with service_access(url, tmp_path / "one" / "bundles") as one:
        assert one.is_main
        with service_access(url, tmp_path / "two" / "bundles") as two:
            assert not two.is_main
            assert one.name != two.name
        with (
            pytest.raises(CatalogueBusy, match=r"one: process \d+ already works in this folder"),
            service_access(url, tmp_path / "one" / "bundles"),
        ):
            pass
    assert writer_of(url) is None, "the lease ends with the service"


def test_a_server_that_is_away_is_said_at_once(tmp_path: Path) -> None:
    away = service_access("postgresql+psycopg://u@127.0.0.1:1/d", tmp_path / "bundles")
    with pytest.raises(CatalogueError, match="refused"), away:
        pass


def test_who_has_been_replaced_is_told(server: PostgresqlServer) -> None:
    url, told = server.new_catalogue(), Event()
    reasons: list[CatalogueBusy] = []

    def lost(reason: CatalogueBusy) -> None:
        reasons.append(reason)
        told.set()

    with (
        closing(Catalogue(url)) as catalogue,
        closing(_SharedAccess(ServiceLease(url, "one"), "one", renewed_each_s=0.05)) as access,
    ):
        access.when_changed(lost, lambda: None)
        with catalogue.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE services SET is_main = false")
            connection.exec_driver_sql(
                "INSERT INTO services VALUES ('two', 1, true, clock_timestamp())"
            )
        assert told.wait(PATIENCE_S)
        assert not access.is_main
    assert "another service has taken over" in str(reasons[0])
