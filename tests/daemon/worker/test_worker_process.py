from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from daemon.worker import worker_process
from daemon.worker.running_worker import WORKER_ENVIRONMENT, RunningWorker
from daemon.worker.worker_client import WorkerClient
from tests.records import WORKER_LIMITS
from tests.trainer.audio.sandbox_attempts import PROBE
from trainer.audio.sandbox import NEEDED
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def test_an_unforeseen_error_becomes_a_reason_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: Mapping[str, Any], __: Sequence[int]) -> dict[str, Any]:
        raise RuntimeError("first line\n  second line\r\n")

    monkeypatch.setattr(worker_process, "REQUESTS", {"extract": failing})
    answer = worker_process._answer({"do": "extract"}, [])
    assert answer == {"unreadable": "extract failed: RuntimeError: first line second line"}


PROBED = (
    PROBE
    + """
from daemon.worker import worker_process
def probe(request, files):
    return {"unreadable": "not refused: " + ", ".join(successful(sys.argv[4], files[0], "9"))}
worker_process.REQUESTS = worker_process.REQUESTS | {"identify": probe}
worker_process.main()
"""
)


def test_what_runs_in_a_real_worker_can_do_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"sound")
    ours, theirs = socket.socketpair()
    with theirs:
        words = (theirs.fileno(), WORKER_LIMITS.nice, WORKER_LIMITS.memory_mib, path)
        process = subprocess.Popen(
            [sys.executable, "-c", PROBED, *map(str, words)],
            pass_fds=[theirs.fileno()],
            env=os.environ | WORKER_ENVIRONMENT,
            start_new_session=True,
        )
    with closing(WorkerClient(WORKER_LIMITS)) as worker:
        worker._running = RunningWorker(process, ours)
        if not set(NEEDED) <= set(worker.layers()):
            pytest.skip(f"this kernel offers only {worker.layers()}")
        with pytest.raises(UnreadableClip) as caught:
            worker.identify(path)
    assert caught.value.reason == "not refused: "
    assert path.read_bytes() == b"sound"
    assert list(tmp_path.iterdir()) == [path]
