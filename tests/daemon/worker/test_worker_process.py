from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.worker import worker_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest


def test_an_unforeseen_error_becomes_a_reason_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: Mapping[str, Any], __: Sequence[int]) -> dict[str, Any]:
        raise RuntimeError("first line\n  second line\r\n")

    monkeypatch.setattr(worker_process, "REQUESTS", {"extract": failing})
    answer = worker_process._answer({"do": "extract"}, [])
    assert answer == {"unreadable": "extract failed: RuntimeError: first line second line"}
