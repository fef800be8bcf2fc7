"""Runs one of our modules in a process that is killed when its parent ends.

    python -m trainer.processes.die_with_parent PARENT_PID MODULE [ARGUMENT…]

A service that is killed cannot stop its children; without this, they would still be at work when it
is started again. The kernel kills when the thread ends that started the process.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Run the program."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It ended before the line above could take effect.
        sys.exit(1)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
