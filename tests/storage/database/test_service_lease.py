"""One service is the main one, a folder has one; what one that has ended had goes to others."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from storage.catalogue import Catalogue
from storage.database.catalogue_file import writer_of
from storage.database.service_lease import ServiceLease, folder_holders
from storage.schema.folder_states import FORGOTTEN_AFTER
from storage.schema.records import FolderState
from tests.records import A_MINUTE, NOON, record_entry, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.postgresql_server import PostgresqlServer

A, B = Path("/m/a.mp3"), Path("/m/b.mp3")


@pytest.fixture
def there(server: PostgresqlServer) -> str:
    return server.new_catalogue()


@pytest.fixture
def catalogues(there: str) -> Iterator[tuple[Catalogue, Catalogue]]:
    """Open one catalogue for two services, with two files in the queue."""
    with (
        closing(Catalogue(there, service="one")) as one,
        closing(Catalogue(there, service="two")) as two,
    ):
        one.queue.put([(A, stamp()), (B, stamp())], NOON)
        yield one, two


def die(catalogue: Catalogue, name: str) -> None:
    """Let a service be last heard of too long ago."""
    with catalogue.engine.begin() as connection:
        long_ago = "UPDATE services SET seen_at = seen_at - interval '1 hour' WHERE name = :name"
        connection.execute(text(long_ago), {"name": name})


def test_the_first_service_is_the_main_one_until_it_goes(there: str) -> None:
    assert writer_of(there) is None
    with closing(ServiceLease(there, "one")) as one, closing(ServiceLease(there, "two")) as two:
        assert one.renew().is_main
        assert not two.renew().is_main
        assert one.renew().is_main
        assert writer_of(there) is not None
        one.give_up()
        assert two.renew().is_main
        assert not one.renew().is_main


def test_another_takes_the_place_of_a_service_that_is_not_heard_of(
    there: str, catalogues: tuple[Catalogue, Catalogue]
) -> None:
    with closing(ServiceLease(there, "one")) as one, closing(ServiceLease(there, "two")) as two:
        one.renew()
        two.renew()
        die(catalogues[0], "one")
        assert writer_of(there) is None
        assert two.renew().is_main
        assert not one.renew().is_main, "it must learn that it is not the main one any more"


def test_only_what_a_dead_service_had_in_hand_waits_again(
    there: str, catalogues: tuple[Catalogue, Catalogue]
) -> None:
    one, two = catalogues
    with closing(ServiceLease(there, "two")) as second:
        with closing(ServiceLease(there, "one")) as first:
            first.renew()
        second.renew()
        assert (one.queue.claim(NOON), two.queue.claim(NOON)) != (None, None)
        assert second.renew().released == 0
        assert two.queue.claim(NOON) is None
        die(two, "one")
        assert second.renew().released == 1
        again = two.queue.claim(NOON)
        assert again is not None
        assert (again.path, again.attempts) == (A, 2)


def test_a_service_that_starts_again_releases_its_own_claims_alone(
    catalogues: tuple[Catalogue, Catalogue],
) -> None:
    one, two = catalogues
    assert one.queue.claim(NOON) is not None
    assert two.queue.claim(NOON) is not None
    assert two.queue.release_claims() == 1
    again = one.queue.claim(NOON)
    assert again is not None
    assert again.path == B


def test_a_claim_does_not_wait_for_a_writer(catalogues: tuple[Catalogue, Catalogue]) -> None:
    one, two = catalogues
    with one.engine.begin() as connection:
        connection.execute(text("UPDATE queue SET reason = 'seen' WHERE path = 'x'"))
        first = two.queue.claim(NOON)
    assert first is not None
    record_entry(two, first)
    assert [entry.path for entry in iter(lambda: one.queue.claim(NOON), None)] == [B]


def test_a_folder_has_one_service_and_so_have_those_inside_and_around_it(there: str) -> None:
    music, jazz, odd = (
        Path("/m/music"),
        Path("/m/music/jazz"),
        Path(os.fsdecode(b"/m/mus\xe9 \xff")),
    )
    with closing(ServiceLease(there, "one")) as one, closing(ServiceLease(there, "two")) as two:
        assert one.renew([music, jazz]).folders == {music, jazz}
        second = two.renew([Path("/m"), music, jazz / "x", Path("/m/music2"), odd])
        assert second.folders == {Path("/m/music2"), odd}
        assert second.refused == dict.fromkeys([Path("/m"), music, jazz / "x"], "one")
        assert folder_holders(there) == {
            music: "one",
            jazz: "one",
            Path("/m/music2"): "two",
            odd: "two",
        }
        assert one.renew([jazz]).folders == {jazz}
        assert two.renew([Path("/"), music, odd]).refused == {Path("/"): "one", music: "one"}
        one.give_up()
        assert two.renew([Path("/")]).folders == {Path("/")}
        assert one.renew([music]).refused == {music: "two"}
        assert folder_holders(there) == {Path("/"): "two"}


def test_the_folders_of_a_service_that_is_not_heard_of_are_free(
    there: str, catalogues: tuple[Catalogue, Catalogue]
) -> None:
    music = Path("/m/music")
    with closing(ServiceLease(there, "one")) as one, closing(ServiceLease(there, "two")) as two:
        assert one.renew([music]).folders == {music}
        assert not two.renew([music]).folders
        die(catalogues[0], "one")
        assert two.renew([music]).folders == {music}
        assert not one.renew([music]).folders


def test_each_service_records_the_states_of_its_own_folders(
    catalogues: tuple[Catalogue, Catalogue],
) -> None:
    def state(path: str, at: datetime = NOON) -> FolderState:
        return FolderState(Path(path), "events", at, None)

    def paths() -> list[str]:
        return [str(each.path) for each in one.queries.folders()]

    one, two = catalogues
    one.record_folders([state("/m"), state("/m/usb"), state("/gone")])
    two.record_folders([state("/n")])
    one.record_folders([state("/m"), state("/m/usb")])
    assert paths() == ["/m", "/m/usb", "/n"]
    two.record_folders([state("/m"), state("/n")])
    assert paths() == ["/m", "/n"], "it has taken the place of the other"
    one.record_folders([])
    assert paths() == ["/m", "/n"]
    one.record_folders([state("/o", NOON + FORGOTTEN_AFTER + A_MINUTE)])
    assert paths() == ["/o"]
