"""Runs a module of ours that shall not outlive the process that started it.

    python -m trainer.processes.die_with_parent PARENT MODULE [ARGUMENT…]

A service that is killed can call nothing back, and one that is started again would find the work of
the dead still going on.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from typing import Final

_SIGNAL_ON_PARENTS_DEATH: Final = 1


def main() -> None:
    """Run the program."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(_SIGNAL_ON_PARENTS_DEATH, signal.SIGKILL)
    if os.getppid() != parent:
        # It ended before the line above could take effect.
        sys.exit(1)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
