"""Every system call of a write fails once; the file is then wholly old or wholly new."""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteMode, WriteOptions, write
from daemon.tagging.disk.syscalls import DiskCalls
from daemon.tagging.disk.temp_names import is_temporary
from daemon.tagging.recovery import clean_up
from tests.daemon.tagging.readers import BLIND_PARSER, PARSER
from tests.daemon.tagging.sounds import sound, sound_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from storage.begun_writes import BegunWrites

_CALLS = tuple(name for name in vars(DiskCalls) if not name.startswith("_"))
_ERRORS = {
    "ENOSPC": OSError(errno.ENOSPC, "full"),
    "EIO": OSError(errno.EIO, "broken"),
    "EPERM": PermissionError(errno.EPERM, "not allowed"),
    "ctrl-c": KeyboardInterrupt(),
}


class Failing(DiskCalls):
    """Fails at the call of a given number, before or after it has done its work."""

    def __init__(self, at: int, error: BaseException, *, late: bool) -> None:
        self.at = at
        self.error = error
        self.late = late
        self.calls = 0
        self.failed: str | None = None

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._failing(name, found) if name in _CALLS else found

    def _failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls != self.at:
                return call(*arguments)
            self.failed = name
            if self.late and not name.startswith(("open_", "create")):
                call(*arguments)
            raise self.error

        return failing


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Items], bytes]:
    """The bytes that an undisturbed write leaves."""

    def bytes_of(kind: str, items: Items) -> bytes:
        path = sound_file(tmp_path_factory.mktemp("calm"), kind)
        write(path, items, WriteOptions(PARSER))
        return path.read_bytes()

    return bytes_of


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.IN_PLACE])
@pytest.mark.parametrize("kind", ["mp3", "flac", "wav"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", _ERRORS.values(), ids=_ERRORS.keys())
def test_a_failing_call_leaves_the_old_or_the_new_file(
    tmp_path: Path,
    affect: Items,
    written: Callable[[str, Items], bytes],
    begun: BegunWrites,
    mode: WriteMode,
    kind: str,
    error: BaseException,
    *,
    late: bool,
) -> None:
    old, new = sound(kind), written(kind, affect)
    options = WriteOptions(BLIND_PARSER, mode=mode, keep_mtime=True, begun=begun)
    for at in range(1, 99):
        path = sound_file(tmp_path, kind)
        disk = Failing(at, error, late=late)
        with suppress(TagWriteError, KeyboardInterrupt):
            write(path, affect, replace(options, disk=disk))
        left = [entry for entry in tmp_path.iterdir() if is_temporary(entry.name)]
        if left and mode is WriteMode.IN_PLACE:
            # Writing in place alone may be caught half-way, and then clean-up has the last word.
            list(clean_up([tmp_path], begun, lambda _: "same"))
            left = [entry for entry in tmp_path.iterdir() if is_temporary(entry.name)]
        assert not left, disk.failed
        assert path.read_bytes() in (old, new), disk.failed
        assert begun.all() == [], disk.failed
        if disk.failed is None:
            break
    assert at > 8
