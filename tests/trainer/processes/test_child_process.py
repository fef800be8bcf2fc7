"""How processes of ours are waited for."""

from __future__ import annotations

import subprocess
import sys

from tests.driving import PATIENCE_S
from trainer.processes.child_process import exit_status_within


def test_a_process_is_waited_for_until_it_ends_or_the_time_is_over() -> None:
    code = "import sys; sys.stdin.read(); sys.exit(3)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert exit_status_within(process, 0) is None
        process.stdin.close()
        assert exit_status_within(process, PATIENCE_S) == 3
        assert exit_status_within(process, 0) == 3
