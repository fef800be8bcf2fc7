"""Forks a command for each request of the tests; the modules that it needs are imported already.

Importing them takes most commands far more processor time than what they do. What is forked is a
process of its own with its own arguments, environment, folder, umask and streams, and it ends as
any process of Python does, except that its modules are not taken down one by one: that would copy
nearly all of the memory that it shares.

Run as a program, not imported: stdin is the socket of `tests.forked.Forked`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = ("config", "storage", "trainer", "daemon")
EVALUATION = ("trainer.experiments", "trainer.starter")
"""What only `valenced evaluate` and the build of the starter need, with scikit-learn and pandas."""

STREAMS = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}
LARGEST_REQUEST = 1 << 20


def preload(*packages: str, without: tuple[str, ...] = ()) -> None:
    """Import every module of some packages."""
    for package in map(importlib.import_module, packages):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(without):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def serve(tests: socket.socket) -> None:
    """Fork for each request, and return in the fork; end with the tests."""
    with selectors.DefaultSelector() as selector:
        selector.register(tests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    selector.unregister(key.fd)
                    _report(key.fd, *key.data)
                    continue
                text, descriptors, _, _ = socket.recv_fds(tests, LARGEST_REQUEST, 4)
                if not text:
                    os._exit(0)
                request = json.loads(text)
                if "evaluate" in request["line"]:
                    preload(*EVALUATION)
                pid = os.fork()
                if pid == 0:
                    _close(selector)
                    _become(request, descriptors)
                    return
                for descriptor in descriptors[:3]:
                    os.close(descriptor)
                answers = socket.socket(fileno=descriptors[3])
                with suppress(OSError):
                    answers.send(b"%d" % pid)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answers))


def _report(process: int, pid: int, answers: socket.socket) -> None:
    os.close(process)
    _, status = os.waitpid(pid, 0)
    with answers, suppress(OSError):
        answers.send(b"%d" % os.waitstatus_to_exitcode(status))


def _close(selector: selectors.BaseSelector) -> None:
    for key in list(selector.get_map().values()):
        if key.data is None:
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        else:
            os.close(key.fd)
            key.data[1].close()


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Take over arguments, environment, folder, umask and streams."""
    for number, (name, mode) in STREAMS.items():
        os.dup2(descriptors[number], number)
        ours = getattr(sys, name)
        theirs = open(number, mode, encoding=ours.encoding, errors=ours.errors, closefd=False)  # noqa: SIM115 - a descriptor
        setattr(sys, name, theirs)
        setattr(sys, f"__{name}__", theirs)
    for descriptor in descriptors:
        os.close(descriptor)
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = request["line"]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    os.umask(request["umask"])


def end_of(command: Callable[[], None]) -> int:
    """Run a command that ends by `sys.exit`, then all that is due at its end; return its code."""
    code: str | int | None = 0
    try:
        command()
    except SystemExit as end:
        code = end.code
    assert isinstance(code, int)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    # Closes what a reference cycle has kept open.
    gc.collect()
    return code


if __name__ == "__main__":
    from daemon.cli.main import main
    from daemon.cli.standard_streams import require_utf8_names

    require_utf8_names()
    preload(*PACKAGES, without=EVALUATION)
    serve(socket.socket(fileno=os.dup(0)))
    os._exit(end_of(main))
