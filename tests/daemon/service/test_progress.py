"""What is said about progress elsewhere than on a terminal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.service.progress import ProgressReporter

if TYPE_CHECKING:
    import pytest


def test_the_end_of_the_first_pass_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for says_when_done in (False, True):
        reporter = ProgressReporter(None, says_when_done=says_when_done)
        for finished, waiting in ((0, 0), (0, 1), (1, 0), (1, 0), (1, 1), (2, 0)):
            reporter.show(finished, waiting, 0.0)
    assert caplog.messages == ["one pass done: 1 file; watching for changes"]
