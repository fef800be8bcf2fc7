"""The main loop, built of its real parts, when what it needs is in trouble."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from config.loading import load
from config.settings import FolderSettings
from daemon.cli.service.status_report import lines_of
from daemon.clock import ClockWatch, utc_now
from daemon.monitoring.service_status import status_of
from daemon.monitoring.status_document import document_of
from daemon.service.assembly import Assembly
from daemon.service.messages import (
    CheckFolders,
    MaintenanceDue,
    PathChanged,
    Reload,
    RetrainDue,
    Stop,
)
from daemon.service.progress import ProgressReporter
from daemon.service.reload import Reloader
from daemon.service.retrain_control import RetrainControl
from daemon.service.run_config import ActiveConfig, RunConfig
from daemon.sharing.service_access import ServiceAccess, service_access
from daemon.sharing.tag_handover import TagHandover
from daemon.system.sd_notify import Notifier
from daemon.watch.file_state import stamp_at
from daemon.watch.single_pass import SinglePass
from daemon.worker.worker_client import WorkerClient
from storage.catalogue import Catalogue
from storage.database.catalogue_file import only_writer
from storage.jobs import LEARN, TrainingRun
from storage.schema.file_stamps import NO_STAMP
from storage.service_notes import CONFINEMENT, PAUSED
from tests.driving import notifications
from trainer.audio.sandbox import NEEDED

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.service.event_loop import EventLoop
    from tests.postgresql_server import PostgresqlServer


PATIENCE_S = 300.0


def configured(tmp_path: Path, *overrides: str) -> RunConfig:
    environ = {"STATE_DIRECTORY": str(tmp_path), "HOME": str(tmp_path)}
    return RunConfig(
        settings=load(environ=environ, overrides=overrides).settings,
        url=f"sqlite:///{tmp_path / 'catalogue.db'}",
        registry=tmp_path / "bundles",
        annotations=tmp_path / "annotations",
        corpora=tmp_path / "corpora",
        folders=[FolderSettings(path=tmp_path / "music")],
    )


@pytest.fixture
def active(tmp_path: Path, music: Path) -> ActiveConfig:
    assert music == tmp_path / "music"
    return ActiveConfig(configured(tmp_path))


@pytest.fixture
def loop(active: ActiveConfig) -> Iterator[EventLoop]:
    with built_loop(active) as loop:
        yield loop


@contextmanager
def built_loop(active: ActiveConfig, access: ServiceAccess | None = None) -> Iterator[EventLoop]:
    workers = [WorkerClient(active.config.settings.analysis)]
    with ExitStack() as stack:
        catalogue = stack.enter_context(closing(Catalogue(active.config.url)))
        stack.callback(workers[0].close)
        yield Assembly(
            active,
            catalogue,
            stack,
            workers,
            workers,
            ProgressReporter(None),
            Notifier(),
            utc_now,
            access=access or ServiceAccess(),
        ).event_loop()


def test_a_stop_is_handled_although_the_catalogue_is_broken(
    loop: EventLoop, music: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "catalogue.db")) as catalogue:
        catalogue.execute("DROP TABLE clips")
    loop.messages.put(PathChanged(music / "gone.mp3"))
    loop.messages.put(Stop())
    loop.run()


def test_the_bundle_that_predicts_is_recorded_again_if_another_one_is(loop: EventLoop) -> None:
    bundles = loop.catalogue.bundles
    used = bundles.published()
    assert used is not None
    bundles.record("of-a-replaced-service", "2026", {})
    loop.handle([CheckFolders()])
    assert bundles.published() == used


def test_a_file_whose_tags_are_being_written_is_not_finished(loop: EventLoop) -> None:
    with loop.stats.working():
        assert loop.unfinished(waiting=0) == 1
        assert loop.unfinished(waiting=3) == 3
    assert loop.unfinished(waiting=0) == 0


def test_why_work_is_paused_is_stored_and_deleted_again(loop: EventLoop) -> None:
    notes = loop.catalogue.notes
    loop.stats.paused = "paused on battery"
    loop.handle([CheckFolders()])
    note = notes.get(PAUSED)
    assert note is not None
    assert note.text == "paused on battery"
    loop.stats.paused = None
    loop.handle([CheckFolders()])
    assert notes.get(PAUSED) is None


def test_status_shows_what_confines_the_workers(loop: EventLoop, active: ActiveConfig) -> None:
    worker = WorkerClient(active.config.settings.analysis)
    loop.confinement = lambda: worker.confinement
    with closing(worker), only_writer(active.config.url):
        loop.handle([CheckFolders()])
        assert loop.catalogue.notes.get(CONFINEMENT) is None
        layers = worker.layers()
        loop.handle([CheckFolders()])
        status = status_of(loop.catalogue, 60.0, utc_now())
    ((_, text),) = [line for line in lines_of(status, "x", utc_now()) if line[0] == "workers"]
    assert "confined: " in text
    assert document_of(status, "x", utc_now())["confinement"] == text
    missing = [layer for layer in NEEDED if layer not in layers]
    assert all(layer in text for layer in missing or layers)
    assert text.startswith("not ") is bool(missing)


def wait_until(holds: Callable[[], bool]) -> None:
    """Look until something holds that a thread of the consumers is about to do."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s


def test_no_heartbeat_is_sent_while_a_consumer_hangs(
    loop: EventLoop,
    supervisor: socket.socket,
    address: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = time.monotonic()
    loop.monotonic = lambda: now_s
    loop.notifier = Notifier(address, watchdog_s=40)
    loop.notifier.ready()
    with closing(sqlite3.connect(tmp_path / "catalogue.db", isolation_level=None)) as somebody:
        # Whoever keeps the catalogue keeps the consumer that would claim a file.
        somebody.execute("BEGIN IMMEDIATE")
        loop.consumers.start()
        wait_until(lambda: loop.consumers.stuck(math.inf, 0) is not None)
        loop.heartbeat()
        assert notifications(supervisor) == ["READY=1", "WATCHDOG=1"]
        now_s += loop.hang_after_s + PATIENCE_S
        for _ in range(3):
            now_s += 20
            loop.heartbeat()
        assert notifications(supervisor) == []
        assert loop.stats.stuck == "consumer-1"
        assert [record.levelname for record in caplog.records] == ["CRITICAL"]
        somebody.execute("ROLLBACK")
    wait_until(lambda: loop.consumers.stuck(math.inf, 0) is None)
    loop.heartbeat()
    assert (notifications(supervisor), vars(loop.stats)["stuck"]) == (["WATCHDOG=1"], None)
    loop.notifier.close()


def test_an_idle_consumer_does_not_count_as_hung(loop: EventLoop) -> None:
    assert loop.consumers.stuck(math.inf, 0) is None
    loop.consumers.start()
    wait_until(lambda: loop.consumers.stuck(math.inf, 0) is None)


def test_maintenance_empties_the_write_ahead_log(loop: EventLoop, tmp_path: Path) -> None:
    log = tmp_path / "catalogue.db-wal"
    assert log.stat().st_size > 0
    loop.handle([MaintenanceDue()])
    assert log.stat().st_size == 0


def test_a_reload_changes_how_long_an_annotation_table_must_be_left_alone(
    loop: EventLoop, active: ActiveConfig, tmp_path: Path
) -> None:
    def reload_with(settle_s: float) -> None:
        config = configured(tmp_path, f"watch.settle_s={settle_s}")
        loop.reload = Reloader(
            lambda: config, active, loop, ServiceAccess(), set_reconcile_s=lambda _: None
        )
        loop.handle([Reload(), CheckFolders()])
        assert isinstance(loop.retraining, RetrainControl)
        look = loop.retraining._thread._look
        assert look is not None
        look.result(PATIENCE_S)

    table = tmp_path / "annotations" / "ratings.csv"
    table.parent.mkdir()
    table.write_text("path,arousal\n", encoding="utf-8")
    minute_ago_s = time.time() - 60
    os.utime(table, (minute_ago_s, minute_ago_s))
    reload_with(settle_s=3600)
    assert table.exists()
    reload_with(settle_s=1)
    assert not table.exists()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the catalogue for moments only."""
    monkeypatch.setattr("storage.database.engine.BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr("daemon.service.event_loop.RETRY_S", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_locked_catalogue_is_waited_for_and_nothing_reported_meanwhile_is_lost(
    music: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [music / f"{name}.wav" for name in "abcd"]
    config = configured(tmp_path, "watch.settle_s=0.2")
    with (
        built_loop(ActiveConfig(config)) as loop,
        closing(sqlite3.connect(tmp_path / "catalogue.db", isolation_level=None)) as somebody,
        ThreadPoolExecutor(1) as thread,
    ):
        somebody.execute("BEGIN IMMEDIATE")
        running = thread.submit(loop.run)
        for file in files:
            file.write_bytes(bytes(100))
            # The next one is due while the failure of this one is handled.
            loop.messages.put(PathChanged(file))
            time.sleep(0.1)
        loop.messages.put(RetrainDue())
        wait_until(lambda: loop.stats.problem is not None or running.done())
        assert "is locked" in (loop.stats.problem or "")
        somebody.execute("ROLLBACK")
        wait_until(lambda: len(loop.catalogue.queue.untried()) == len(files) or running.done())
        wait_until(lambda: loop.catalogue.jobs.is_requested(LEARN) or running.done())
        loop.messages.put(Stop())
        running.result(PATIENCE_S)
    assert sorted(loop.catalogue.queue.untried()) == files
    assert "waiting for the catalogue" in caplog.text


def test_a_clock_that_is_set_back_delays_no_file_and_no_training(
    loop: EventLoop, music: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = utc_now()
    a_day = timedelta(days=1)
    loop.clock_watch = ClockWatch(lambda: now, steady_s=lambda: 0.0)
    found = []
    for name in ("a.wav", "b.wav"):
        file = music / name
        file.write_bytes(bytes(100))
        stamp = stamp_at(file)
        assert stamp is not None
        found.append((file, stamp))
    loop.catalogue.queue.put(found, now)
    entry = loop.catalogue.queue.claim(now)
    assert entry is not None
    loop.catalogue.queue.fail(entry, "damaged", now + a_day)
    loop.catalogue.jobs.record_training(TrainingRun(now, 1, "failed", "no reason"), now)
    caplog.set_level("INFO")
    now -= a_day
    loop.clock = lambda: now
    loop.handle([CheckFolders()])
    assert "the clock was set back by 86400 s" in caplog.text
    assert loop.catalogue.queue.waiting(now) == len(found)
    last = loop.catalogue.jobs.last_training()
    assert last is not None
    assert abs(last.begun_at - now) < timedelta(seconds=1)


def test_a_file_that_a_consumer_looks_at_when_waiting_ends_counts_as_unsettled(
    loop: EventLoop, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = music / "a.wav"
    file.write_bytes(bytes(100))
    stamp = stamp_at(file)
    assert stamp is not None
    now = utc_now()
    queue = loop.catalogue.queue
    queue.put([(file, stamp)], now)
    entry = queue.claim(now)
    assert entry is not None
    # Counted just before the claim.
    monkeypatch.setattr(loop, "waiting", lambda: 0)
    loop.single_pass = SinglePass(settle_s=0)

    def postpone_and_end() -> None:
        queue.postpone(entry, stamp, now + timedelta(days=1))
        loop.messages.put(Stop())

    monkeypatch.setattr(loop.consumers, "stop_when_idle", postpone_and_end)
    loop.run()
    assert loop.unsettled == [file]


def test_a_reload_gives_up_folders_and_gets_those_that_no_other_service_has(
    server: PostgresqlServer, tmp_path: Path, music: Path
) -> None:
    url, taken, free = server.new_catalogue(), tmp_path / "taken", tmp_path / "free"
    config = replace(configured(tmp_path), url=url)
    new = replace(config, folders=[FolderSettings(path=path) for path in (taken, free)])
    with (
        service_access(url, config.registry) as own,
        service_access(url, tmp_path / "other" / "bundles") as other,
    ):
        own.ask_for([music])
        other.ask_for([taken])
        active = ActiveConfig(config)
        with built_loop(active, own) as loop:
            assert loop.folders.roots == [music]
            queue = loop.catalogue.queue
            queue.put([(path / "a.wav", NO_STAMP) for path in (music, taken)], utc_now())
            loop.reload = Reloader(lambda: new, active, loop, own, set_reconcile_s=lambda _: None)
            loop.handle([Reload()])
            assert loop.folders.roots == [free]
            assert queue.folders == [taken, free]
            assert list(loop.catalogue.queued_stamps()) == [taken / "a.wav"]
        other.ask_for([music])
        assert [other.has(path) for path in (music, taken, free)] == [True, False, False]


def test_tags_of_new_predictions_are_requested_of_every_service(
    server: PostgresqlServer, tmp_path: Path, music: Path
) -> None:
    config = replace(configured(tmp_path), url=server.new_catalogue())
    with service_access(config.url, config.registry) as own:
        own.ask_for([music])
        with built_loop(ActiveConfig(config), own) as loop:
            others = TagHandover(loop.catalogue.jobs, loop.consumers.pipeline, utc_now)
            assert isinstance(loop.retraining, RetrainControl)
            loop.retraining._retag()
            assert others.is_requested()
