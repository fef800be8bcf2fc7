"""The page's process: started, answered, started again when it ends, stopped with the service."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, get_args

from daemon.monitoring.page_messages import TEXT, Reply, Subject
from daemon.worker.worker_channel import receive_request, send
from trainer.processes.child_process import start_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.monitoring.page_messages import PageConfig

log = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 60.0
STOP_S: Final = 5.0
ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class PageChild:
    """Keeps a page process at a listening socket, and answers its questions; one thread does both.

    Args:
        listener: stays open here, so that nobody is turned away while the process changes.
        config: returns what a process is told at its start.
        reply: answers a question.
    """

    def __init__(
        self,
        listener: socket.socket,
        config: Callable[[], PageConfig],
        reply: Callable[[Subject], Reply],
    ) -> None:
        self._listener = listener
        self._config = config
        self._reply = reply
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_renewed = False
        # The kernel ends the process when the thread that started it ends.
        self._thread = threading.Thread(target=self._keep, name="page")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep it within the block."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._signal(signal.SIGTERM)
            self._thread.join(STOP_S)
            self._signal(signal.SIGKILL)
            self._thread.join()

    def renew(self) -> None:
        """Have another process take over, which is told the present configuration.

        The one before finishes its answers, and is answered meanwhile.
        """
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._process is not None:
                self._is_renewed = True
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)

    def _keep(self) -> None:
        delay_s = FIRST_DELAY_S
        while not self._stopping.is_set():
            begun_s = time.monotonic()
            try:
                status = self._run()
            except OSError as error:
                log.warning("the page cannot be started: %s", error.strerror or error)
                status = None
            if status == 0 or time.monotonic() - begun_s > LONGEST_DELAY_S:
                delay_s = FIRST_DELAY_S
            if status == 0:
                continue
            if self._stopping.is_set():
                return
            log.warning("the page ended with status %s; again in %g s", status, delay_s)
            self._stopping.wait(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    def _run(self) -> int:
        """Run one process until it ends; return 0 if that was meant to be."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self._lock:
                if self._stopping.is_set():
                    return 0
                descriptors = self._listener.fileno(), theirs.fileno()
                arguments = [*map(str, descriptors)]
                self._process = process = start_child(
                    "daemon.page.page_process", arguments, ENVIRONMENT, pass_fds=descriptors
                )
                self._is_renewed = False
            self._answer(ours)
            status = _ended(process)
            with self._lock:
                self._process = None
        return 0 if self._is_renewed else status

    def _answer(self, channel: socket.socket) -> None:
        """Answer questions until the process ends, or is to end."""
        with suppress(EOFError, OSError):
            send(channel, self._config().message())
            while True:
                question, files = receive_request(channel)
                for file in files:
                    os.close(file)
                reply = self._reply_to(question.get("about"))
                body = reply.body.decode()
                answer = {"status": reply.status, "type": reply.content_type, "body": body}
                send(channel, answer)

    def _reply_to(self, about: object) -> Reply:
        if about not in get_args(Subject):
            return Reply(404, TEXT, b"nothing is known about that\n")
        try:
            return self._reply(about)  # type: ignore[arg-type]
        except Exception:
            log.exception("a question of the page could not be answered")
            return Reply(500, TEXT, b"a fault; the log of the service says more\n")


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process, which ends with all that it has started; return its status."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()
