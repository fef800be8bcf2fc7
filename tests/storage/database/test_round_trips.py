"""How many round trips to a server the catalogue needs: each adds the delay of the network."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from storage.catalogue import Catalogue
from storage.schema.records import QueueEntry, Tagged, TagOutcome, TagState
from storage.search.revision import CatalogueRevision
from tests.distant_server import distant
from tests.records import NOON, analysis, record, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.distant_server import Between
    from tests.postgresql_server import PostgresqlServer


@contextmanager
def counting(server: PostgresqlServer) -> Iterator[tuple[Catalogue, Between]]:
    with (
        distant(server, server.new_catalogue()) as (url, between),
        closing(Catalogue(url)) as catalogue,
    ):
        yield catalogue, between


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda catalogue: catalogue.clip_at(Path("/m/a.mp3")), id="reading"),
        pytest.param(lambda catalogue: catalogue.queue.claim(NOON), id="claiming"),
        pytest.param(lambda catalogue: catalogue.begun_writes.finish("copy"), id="forgetting"),
    ],
)
def test_a_single_statement_needs_one_round_trip(
    server: PostgresqlServer, ask: Callable[[Catalogue], Any]
) -> None:
    with counting(server) as (catalogue, between):
        ask(catalogue)
        before = between.round_trips
        ask(catalogue)
        assert between.round_trips - before == 1


def test_many_files_need_few_round_trips(server: PostgresqlServer) -> None:
    names = [f"{number}.mp3" for number in range(300)]
    paths = [f"/m/{name}" for name in names]
    with counting(server) as (catalogue, between), catalogue.known_files() as known:
        known.queued(paths)
        before = between.round_trips
        put = catalogue.queue.put([(Path(path), stamp()) for path in paths], NOON)
        queued = between.round_trips
        assert (put, known.queued(paths)) == (300, dict.fromkeys(paths, stamp()))
        assert known.named("/m/", names) == {}
        assert between.round_trips - queued == 2
    # The turn, the rows, in as many pieces as the driver sends, and the end.
    assert queued - before <= 8


def test_a_new_file_needs_few_round_trips(server: PostgresqlServer) -> None:
    waited = []
    with counting(server) as (catalogue, between):
        for number in range(12):
            path, sound = Path(f"/m/{number}.mp3"), f"sound {number}"
            found = analysis(sound, 0.1, 0.2)
            catalogue.queue.put([(path, stamp())], NOON)
            entry = QueueEntry(path, stamp(), 1)
            before = between.round_trips
            clip = catalogue.record(entry, sound, TagState.PENDING, NOON, found)
            recorded = between.round_trips
            outcome = TagOutcome(TagState.WRITTEN, None, stamp(), Tagged.of(found.prediction))
            catalogue.tag_journal.record(clip, outcome)
            waited.append((recorded - before, between.round_trips - recorded))
    # For its turn, numbers, identity, features, prediction, clip, queue and the end; then for its
    # turn, numbers, present values, clip, undo records and the end. The first files need more, as
    # the driver prepares statements.
    assert waited[-1] == (8, 6)


def test_looking_waits_for_no_writer(server: PostgresqlServer) -> None:
    url = server.new_catalogue()
    with (
        closing(Catalogue(url)) as writing,
        closing(Catalogue(url, reads_only=True)) as reading,
        closing(CatalogueRevision(url)) as revision,
    ):
        before = revision.current()
        # Who waited for the turn would give up after half a minute.
        with writing.engine.begin(), reading.engine.connect() as connection:
            assert revision.current() == revision.current()
            assert reading.queries.counts(NOON).known == 0
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
        record(writing, "/m/a.mp3")
        assert revision.current() != before


def test_an_undo_record_that_another_command_adds_is_kept(server: PostgresqlServer) -> None:
    url = server.new_catalogue()
    with closing(Catalogue(url)) as restoring, closing(Catalogue(url)) as writing:
        clip = record(restoring, "/m/a.mp3")
        restoring.tag_journal.begin(clip, {"of": "first"}, NOON)

        @event.listens_for(restoring.engine, "after_cursor_execute")
        def begin(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("SELECT tag_journal"):
                writing.tag_journal.begin(clip, {"of": "second"}, NOON)

        restoring.tag_journal.note_restored(clip)
        event.remove(restoring.engine, "after_cursor_execute", begin)
        assert restoring.tag_journal.undos(clip) == [
            {"of": "second"},
            {"of": "first", "restored": True},
        ]
