"""What a process that was taken over could still do: real attempts in real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.trainer.audio.sandbox_attempts import ATTEMPTS
from trainer.audio.landlock import FILES, landlock_version
from trainer.audio.sandbox import LIMITS, NEEDED
from trainer.audio.system_call_filter import LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFINED = """
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, subprocess, sys, threading
from trainer.audio.sandbox import confine
path, kept, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
layers = confine(512)
try:
{attempt}
except (OSError, MemoryError, RuntimeError) as error:
    print("refused", type(error).__name__)
else:
    print("done")
print(*layers, sep=";")
"""


def ran(attempt: str, path: Path, *words: str) -> tuple[str, list[str]]:
    """Run code in a confined process; return what came of it, and the layers that held."""
    with path.open("rb") as kept:
        done = subprocess.run(
            [
                *(sys.executable, "-c", CONFINED.format(attempt=textwrap.indent(attempt, "    "))),
                *(str(path), str(kept.fileno()), *words),
            ],
            pass_fds=[kept.fileno()],
            # Where a library cannot start the threads that it wants, it ends the process.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
    outcome, layers = done.stdout.splitlines()
    return outcome, layers.split(";")


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "precious.wav"
    path.write_bytes(b"sound")
    return path


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_reading_sound_does_not_need_is_refused(file: Path, attempt: str, port: str) -> None:
    before = file.stat()
    outcome, layers = ran(ATTEMPTS[attempt], file, port)
    if not set(NEEDED) <= set(layers):
        pytest.skip(f"this kernel offers only {layers}")
    assert outcome.startswith("refused")
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == b"sound"
    assert (file.stat().st_mode, file.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


@pytest.mark.parametrize(
    "what",
    [
        "assert os.pread(kept, 9, 0) == b'sound'",
        "import statistics, sqlite3, av, numpy, opensmile, sklearn.linear_model, joblib",
        "bytearray(300 * 2**20)",
        "os.read(os.open('/dev/urandom', os.O_RDONLY), 1)",
        "signal.alarm(1); signal.alarm(0)",
    ],
)
def test_what_reading_sound_needs_goes_on(file: Path, what: str) -> None:
    assert ran(what, file, "0")[0] == "done"


def test_a_process_can_still_end_itself_by_a_signal(file: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ran("os.abort()", file, "0")
    assert caught.value.returncode == -signal.SIGABRT


def test_not_even_a_file_that_is_open_for_writing_is_written(file: Path) -> None:
    with file.open("r+b") as open_:
        code = CONFINED.format(attempt=f"    os.write({open_.fileno()}, b'x')")
        done = subprocess.run(
            [sys.executable, "-c", code, str(file), "0", "0"],
            pass_fds=[open_.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.startswith("refused")
    assert file.read_bytes() == b"sound"


def test_the_layers_that_hold_are_named_and_no_other(file: Path) -> None:
    _, layers = ran("pass", file, "0")
    assert LIMITS in layers
    assert (FILES in layers) == (landlock_version() >= 1)
    assert (LAYER in layers) == ran("socket.socket()", file, "0")[0].startswith("refused")


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        ("system_call_filter._LIBRARY = 'libabsent.so.1'", LAYER),
        ("landlock.landlock_version = lambda: 0", FILES),
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", FILES),
    ],
)
def test_what_is_missing_is_not_claimed(file: Path, without: str, missing: str) -> None:
    code = f"from trainer.audio import landlock, system_call_filter\nimport threading\n{without}"
    done = subprocess.run(
        [sys.executable, "-c", code + CONFINED.format(attempt="    pass"), str(file), "0", "0"],
        capture_output=True,
        text=True,
        check=True,
    )
    layers = done.stdout.splitlines()[1].split(";")
    assert missing not in layers
    assert LIMITS in layers
