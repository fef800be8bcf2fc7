"""Measures what a library costs the service that knows it: starting, comparing, adding, idling.

The library is that of `bench.scale.made_library`. Processor times and memory are of the main
process alone; elapsed times of one more file include those until it counts as complete (1 s) and in
the worker. Elapsed times depend on other load and on what the kernel has cached, processor times
less so.
"""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING, Final

from bench.figures import Figure
from bench.speed.process_usage import peak_mib, processor_s, resident_mib
from tests import driving
from tests.driving import Running, Valenced
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from pathlib import Path

COMPARED: Final = re.compile(
    r"compared the folders with the catalogue in ([\d.]+) s \(([\d.]+) s of processor time\):"
    r" (\d+) files known"
)
ADDED: Final = 5
COMPARED_AGAIN: Final = 2
LOGS_WITHIN_S: Final = 3600.0
"""A comparison may take long, and nothing is logged during it."""


def measure(folder: Path, idle_s: float, mode: str = "native") -> list[Figure]:
    """Runs the service on a library.

    Args:
        folder: where it was made.
        idle_s: for how many seconds the service idles; half as long it comes to rest before.
        mode: how to watch: native or poll.
    """
    driving.PATIENCE_S = LOGS_WITHIN_S
    valenced = Valenced(folder / "state", "log.level=debug", "watch.settle_s=1")
    began_s = time.monotonic()
    watched = f'watch.folder=[{{path = "{folder / "library"}", mode = "{mode}"}}]'
    line = valenced.line("run", "--no-tags", "--set", watched)
    # Not forked from a process that has imported everything, as in tests.
    with valenced.start_line(line) as service:
        process = service.process.pid
        _, first_s, files = _compared(service)
        service.wait_for("watching")
        started_s, start_cost_s = time.monotonic() - began_s, processor_s(process)
        compared = []
        for _ in range(COMPARED_AGAIN):
            service.process.send_signal(signal.SIGHUP)
            compared.append(_compared(service))
        # The first starts the worker.
        added = [_cost_of_one(service, folder / "library") for _ in range(1 + ADDED)][1:]
        time.sleep(idle_s / 2)
        before_s = processor_s(process)
        time.sleep(idle_s)
        idle_cost_s = processor_s(process) - before_s
        measured: dict[tuple[str, str], list[float]] = {
            ("start", "processor s"): [start_cost_s],
            ("start", "elapsed s"): [started_s],
            ("first comparison, of the start", "processor s"): [first_s],
            ("comparison", "processor s"): [cost_s for _, cost_s, _ in compared],
            ("comparison", "elapsed s"): [elapsed_s for elapsed_s, _, _ in compared],
            ("one more file", "processor s"): [cost_s for cost_s, _ in added],
            ("one more file", "elapsed s"): [elapsed_s for _, elapsed_s in added],
            ("memory", "peak MiB"): [peak_mib(process)],
            ("memory", "idle MiB"): [resident_mib(process)],
            ("idle", "% of a core"): [100 * idle_cost_s / idle_s],
        }
        service.stop()
    of, size = f"{files:,.0f} files", round(files)
    return [
        Figure("known library", of, what, unit, values, size=size)
        for (what, unit), values in measured.items()
    ]


def _compared(service: Running) -> tuple[float, ...]:
    """Returns elapsed and processor seconds, and the number of known files."""
    found = COMPARED.search(service.wait_for("compared the folders"))
    assert found is not None
    return tuple(map(float, found.groups()))


def _cost_of_one(service: Running, library: Path) -> tuple[float, float]:
    """Returns the processor seconds of the main process, and those until the file is known."""
    file = library / f"added {time.time_ns()}.wav"
    began_s, before_s = time.monotonic(), processor_s(service.process.pid)
    write_audio(file, music_like(1, seed=time.time_ns() % 1_000_000))
    service.wait_for(file.name, "arousal")
    cost_s = processor_s(service.process.pid) - before_s
    elapsed_s = time.monotonic() - began_s
    file.unlink()
    return cost_s, elapsed_s
