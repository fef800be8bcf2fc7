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

ATTEMPTS = {
    "append": "open(path, 'ab').write(b'x')",
    "overwrite": "open(path, 'r+b').write(b'x')",
    "truncate": "os.truncate(path, 0)",
    "unlink": "os.unlink(path)",
    "rename": "os.rename(path, path + 'x')",
    "mkdir": "os.mkdir(path + 'x')",
    "symlink": "os.symlink(path, path + 'x')",
    "link": "os.link(path, path + 'x')",
    "read a file": "open(path, 'rb').read()",
    "read it again": "open(f'/proc/self/fd/{kept}', 'rb').read()",
    "list a folder": "os.listdir(os.path.dirname(path))",
    "read the passwords": "open('/etc/passwd', 'rb').read()",
    "read another's memory": "open(f'/proc/{os.getppid()}/maps', 'rb').read()",
    "read another's environment": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "chmod": "os.chmod(path, 0o777)",
    "fchmod": "os.fchmod(kept, 0o777)",
    "utime": "os.utime(path)",
    "futime": "os.utime(kept)",
    "chown": "os.chown(path, os.getuid(), os.getgid())",
    "attribute": "os.setxattr(kept, 'user.x', b'x')",
    "lock": "fcntl.flock(kept, fcntl.LOCK_EX)",
    "lease": "fcntl.fcntl(kept, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
    "write": "os.write(kept, b'x')",
    "execute": "os.execv('/bin/true', ['true'])",
    "subprocess": "subprocess.run(['/bin/true'])",
    "fork": "os.fork() or os._exit(0)",
    "thread": "threading.Thread(target=print).start()",
    "tcp": "socket.create_connection(('127.0.0.1', int(target)))",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "udp by a socket that was left": "udp.sendto(b'x', ('127.0.0.1', int(target)))",
    "unix": "socket.socket(socket.AF_UNIX)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "signal": "os.kill(os.getppid(), 0)",
    "signal to all": "os.kill(-1, 0)",
    "signal by a file": "fcntl.fcntl(kept, fcntl.F_SETOWN, os.getppid())",
    "queued signal": "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)",
    "priority of another": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "limits of another": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "trace": "call(libc.ptrace(16, os.getppid(), 0, 0))",
    "memory of another": "call(libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0))",
    "memory file": "os.memfd_create('x')",
    "shared memory segment": "call(libc.shmget(0, 4096, 0o1600))",
    "namespace": "call(libc.unshare(0x10000000))",
    "mount": "call(libc.mount(b'x', b'/', b'tmpfs', 0, None))",
    "bpf": "call(libc.syscall(321 if os.uname().machine == 'x86_64' else 280, 0, 0, 0))",
    "io_uring": "call(libc.syscall(425, 1, 0))",
    "command to a terminal": "fcntl.ioctl(kept, 0x5412, b'x')",
    "private memory": "bytearray(700 * 2**20)",
    "shared memory": "mmap.mmap(-1, 4000 * 2**20)",
    "descriptors": "[os.dup(kept) for _ in range(100)]",
}


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
