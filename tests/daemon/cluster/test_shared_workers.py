from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

from daemon.cluster.shared_workers import SharedWorkers
from daemon.worker.worker_client import WorkerClient
from tests.records import WORKER_LIMITS
from tests.sounds import tone, write_audio

if TYPE_CHECKING:
    from pathlib import Path


def process_of(worker: WorkerClient) -> int | None:
    return None if worker._running is None else worker._running.process.pid


def test_a_process_outlives_the_consumer_that_used_it_first_and_ends_with_the_last(
    tmp_path: Path,
) -> None:
    path = write_audio(tmp_path / "a.wav", tone(1))
    worker = WorkerClient(WORKER_LIMITS)
    with closing(SharedWorkers([worker])) as shared:
        first = threading.Thread(target=shared.run, args=("first", lambda w: w.identify(path)))
        first.start()
        first.join()
        started = process_of(worker)
        assert started is not None
        assert len(shared.run("second", lambda w: w.identify(path))) > 4
        shared.release("first")
        assert process_of(worker) == started
        shared.release("second")
        assert process_of(worker) is None
