"""What is told over the network, and to whom."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config.errors import SettingsError
from daemon.clock import utc_now
from daemon.monitoring.endpoints import fetch_problems
from daemon.monitoring.listening_socket import ListenError, listening_socket
from daemon.monitoring.service_status import Promise
from daemon.monitoring.status_replies import StatusReplies
from daemon.pipeline.run_stats import LONGEST_TURN_S, RunStats
from daemon.tagging.basics.tag_errors import READ_ONLY
from storage.catalogue import Catalogue
from storage.database.catalogue_file import only_writer
from storage.jobs import TrainingRun
from storage.schema.records import FolderState, TagOutcome, TagState
from storage.service_notes import BUNDLE, SETTINGS
from tests.daemon.page.page_client import served
from tests.driving import PATIENCE_S, Valenced
from tests.records import record, stamp
from tests.sounds import music_like, write_audio
from tests.torture.disks import NoDisk, memory_disk

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

RECONCILE_S = 900.0
ANYWHERE = "127.0.0.1:0"


def get(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    host, _, port = address.rpartition(":")
    with closing(HTTPConnection(host, int(port), timeout=PATIENCE_S)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def figures(address: str) -> dict[str, float]:
    status, text = get(address, "/metrics")
    assert status == 200
    lines = (line for line in text.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


class Service:
    """A catalogue that is worked on by this process, told of as the service does it."""

    def __init__(self, valenced: Valenced, stack: ExitStack) -> None:
        self.url = f"sqlite:///{valenced.catalogue}"
        stack.enter_context(only_writer(self.url))
        self.catalogue = stack.enter_context(closing(Catalogue(self.url)))
        self.now_s = 0.0
        self.stats = RunStats(2, clock=lambda: self.now_s)
        replies = StatusReplies(self.catalogue, lambda: RECONCILE_S, utc_now, self.stats)
        self.address = stack.enter_context(served(valenced.catalogue, service=replies)).address
        self._valenced = valenced

    def status(self) -> Any:
        return self._valenced.read("status", "--set", f"page.listen={self.address}")


@pytest.fixture
def service(valenced: Valenced) -> Iterator[Service]:
    with ExitStack() as stack:
        yield Service(valenced, stack)


def degrade(service: Service, promise: Promise) -> None:
    """Let a promise not be kept."""
    catalogue, now = service.catalogue, utc_now()
    long_ago = now - timedelta(days=2)
    match promise:
        case Promise.FOLDERS:
            state = FolderState(Path("/m"), "events", now, "empty; is its disk mounted?")
            catalogue.record_folders([state])
        case Promise.COMPARING:
            state = FolderState(Path("/m"), "events", long_ago, None)
            catalogue.record_folders([state])
        case Promise.WORK:
            catalogue.queue.put([(Path("/m/a.mp3"), stamp())], long_ago)
        case Promise.TAGS:
            clip = record(catalogue, "/m/a.mp3")
            catalogue.tag_journal.record(clip, TagOutcome(TagState.PENDING, "no room on the disk"))
        case Promise.SETTINGS | Promise.BUNDLE:
            about = SETTINGS if promise is Promise.SETTINGS else BUNDLE
            catalogue.notes.set(about, "what is wanted cannot be used: damaged", now)
        case Promise.LEARNING:
            training = TrainingRun(now, 30, "failed", "no memory left")
            catalogue.jobs.record_training(training, now)
        case Promise.CATALOGUE:
            service.stats.problem = "catalogue.db: database or disk is full"
        case Promise.LOOP:
            service.now_s += LONGEST_TURN_S + 1
        case Promise.ROOM:
            raise AssertionError("takes a disk of its own")


def assert_all_agree_on(service: Service, promise: Promise) -> None:
    """Compare what is told in each way."""
    status = service.status()
    assert status["broken"] == [promise]
    (why,) = status["degraded"]
    assert get(service.address, "/health") == (503, f"{why}\n".encode())
    code, body = get(service.address, "/health", Accept="application/json")
    told = {"status": "degraded", "reasons": [{"promise": promise, "why": why}]}
    assert (code, json.loads(body)) == (503, told)
    found = figures(service.address)
    assert [other for other in Promise if found[f'valenced_degraded{{promise="{other}"}}']] == [
        promise
    ]


@pytest.mark.parametrize("promise", [each for each in Promise if each is not Promise.ROOM])
def test_status_health_and_metrics_agree_on_every_broken_promise(
    service: Service, promise: Promise
) -> None:
    assert service.status()["broken"] == []
    assert get(service.address, "/health") == (200, b"ok\n")
    degrade(service, promise)
    assert_all_agree_on(service, promise)


@pytest.mark.parametrize(
    ("promise", "sign"),
    [(Promise.WORK, "stuck"), (Promise.CATALOGUE, "problem"), (Promise.CATALOGUE, "stalled")],
)
def test_status_health_and_metrics_agree_on_what_only_the_process_knows(
    service: Service, promise: Promise, sign: str
) -> None:
    setattr(service.stats, sign, "consumer-1")
    assert_all_agree_on(service, promise)


def test_two_problems_with_one_promise_are_both_reported(service: Service) -> None:
    degrade(service, Promise.WORK)
    service.stats.stuck = "consumer-1"
    status = service.status()
    assert status["broken"] == [Promise.WORK, Promise.WORK]
    told = get(service.address, "/health")[1].decode().splitlines()
    assert status["degraded"] == told
    assert figures(service.address)['valenced_degraded{promise="work"}'] == 2


def test_a_read_only_disk_breaks_no_promise(service: Service) -> None:
    clip = record(service.catalogue, "/m/a.mp3")
    service.catalogue.tag_journal.record(clip, TagOutcome(TagState.PENDING, READ_ONLY))
    assert service.status()["broken"] == []
    assert get(service.address, "/health") == (200, b"ok\n")


def test_status_health_and_metrics_agree_on_a_full_disk(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with ExitStack() as stack:
        try:
            stack.enter_context(memory_disk(state, "size=32m,mode=700"))
        except NoDisk as error:
            pytest.skip(str(error))
        assert_all_agree_on(Service(Valenced(state), stack), Promise.ROOM)


def test_an_unreadable_catalogue_is_reported(service: Service, valenced: Valenced) -> None:
    with service.catalogue.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE queue")
    status, body = get(service.address, "/health")
    assert status == 503
    assert b"no such table" in body
    assert get(service.address, "/metrics")[0] == 503
    valenced("status", exit_code=1)
    assert "no such table" in valenced.stderr


def test_a_running_service_reports_its_work(valenced: Valenced, music: Path) -> None:
    write_audio(music / "a.flac", music_like(2))
    (music / "letter.mp3").write_text("no song\n" * 99)
    with valenced.start("run", music, "--set", f"page.listen={ANYWHERE}") as service:
        address = service.wait_for("listening at http://").rpartition("http://")[2].strip()
        service.wait_for("watching")
        for part in ("a.flac: arousal", "letter.mp3: "):
            if not any(part in line for line in service.lines):
                service.wait_for(part)
        assert get(address, "/health") == (200, b"ok\n")
        found = figures(address)
        assert found["valenced_files_known"] == 1
        assert found["valenced_workers"] >= 1
        (path,) = (name for name in found if name.startswith("valenced_folder_away"))
        assert str(music) in path
        status = valenced.read("status", "--set", f"page.listen={address}")
        assert (status["known"], status["degraded"]) == (1, [])
        assert status["files_per_hour"] == 1
        assert [folder["away"] for folder in status["folders"]] == [False]
        assert [job["job"] for job in status["jobs"]] == ["learn"]
        assert sum(failure["count"] for failure in status["failures"]) == 1
        assert service.stop() == 0


@pytest.mark.parametrize("wrong", ["192.0.2.1:80", "no.such.host.invalid:80", "1.2.3.4.5:80"])
def test_a_foreign_address_is_a_wrong_setting(valenced: Valenced, music: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"page\.listen"):
        listening_socket(wrong)
    if wrong.startswith("192"):
        valenced("run", music, "--set", f"page.listen={wrong}", exit_code=78)
        (line,) = (line for line in valenced.stderr.splitlines() if "page.listen" in line)
        assert wrong in line


def test_an_address_in_use_is_reported() -> None:
    with listening_socket(ANYWHERE) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ListenError, match="free it, or choose another"):
            listening_socket(f"127.0.0.1:{port}")


def hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_another_program_at_the_address_reports_no_problems() -> None:
    with listening_socket(ANYWHERE) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        assert fetch_problems(f"127.0.0.1:{listener.getsockname()[1]}") == []
        thread.join()
    assert fetch_problems(ANYWHERE) == []
