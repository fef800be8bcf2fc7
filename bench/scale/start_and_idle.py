"""Measures what a library costs the service that knows it: starting, comparing, adding, idling.

    python -m bench.scale.start_and_idle DIR [--sounds 10000 100000] [--idle 60] [--mode native]

For each number, `DIR/NUMBER` is made by `bench.scale.made_library` if it is not there. Printed is a
table. Processor times and memory are of the main process alone; elapsed times of one more file
include those until it counts as complete (1 s) and in the worker. Elapsed times depend on other
load and on what the kernel has cached, processor times less so. Where the same is measured several
times, the least and the most are printed.
"""

from __future__ import annotations

import argparse
import re
import signal
import time
from pathlib import Path
from typing import Final

from bench.scale.made_library import make
from bench.speed.process_usage import processor_s, resident_mib
from tests import driving
from tests.driving import Running, Valenced
from tests.sounds import music_like, write_audio

COMPARED: Final = re.compile(
    r"compared the folders with the catalogue in ([\d.]+) s \(([\d.]+) s of processor time\):"
    r" (\d+) files known"
)
COLUMNS: Final = (
    "files",
    "start: processor s",
    "of it comparing",
    "start: elapsed s",
    "again: processor s",
    "again: elapsed s",
    "peak MiB",
    "one more file: processor s",
    "one more file: elapsed s",
    "idle %",
    "idle MiB",
)
ADDED: Final = 5


def measured(folder: Path, chosen: argparse.Namespace) -> list[str]:
    """Returns a row of the table."""
    valenced = Valenced(folder / "state", "log.level=debug", "watch.settle_s=1")
    began_s = time.monotonic()
    watched = f'watch.folder=[{{path = "{folder / "library"}", mode = "{chosen.mode}"}}]'
    line = valenced.line("run", "--no-tags", "--set", watched)
    # Not forked from a process that has imported everything, as in tests.
    with valenced.start_line(line) as service:
        process = service.process.pid
        _, comparing_s, files = _compared(service)
        service.wait_for("watching")
        started_s, start_cost_s = time.monotonic() - began_s, processor_s(process)
        again = []
        for _ in range(chosen.again):
            service.process.send_signal(signal.SIGHUP)
            again.append(_compared(service))
        added = [_cost_of_one(service, folder / "library") for _ in range(1 + ADDED)]
        time.sleep(30)
        before_s = processor_s(process)
        time.sleep(chosen.idle)
        idle = (processor_s(process) - before_s) / chosen.idle
        row = [f"{files:,.0f}", f"{start_cost_s:.1f}", f"{comparing_s:.1f}", f"{started_s:.0f}"]
        row += [_spread([cost_s for _, cost_s, _ in again], 1)]
        row += [_spread([elapsed_s for elapsed_s, _, _ in again], 0), f"{_peak_mib(process):.0f}"]
        # The first starts the worker.
        row += [_spread([cost_s for cost_s, _ in added[1:]], 2)]
        row += [_spread([elapsed_s for _, elapsed_s in added[1:]], 1)]
        row += [f"{100 * idle:.2f}", f"{resident_mib(process):.0f}"]
        service.stop()
    return row


def _spread(values: list[float], digits: int) -> str:
    least, most = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return least if least == most else f"{least} to {most}"


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


def _peak_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    """Measures libraries, the smallest first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sounds", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--idle", type=float, default=60.0, help="for how many seconds")
    parser.add_argument("--again", type=int, default=2, help="how often to compare once more")
    parser.add_argument("--mode", default="native", help="how to watch: native or poll")
    chosen = parser.parse_args()
    # Nothing is logged during a comparison, which may take long.
    driving.PATIENCE_S = 3600.0
    print("| " + " | ".join(COLUMNS) + " |")
    print("| " + " | ".join(["---:"] * len(COLUMNS)) + " |")
    for sounds in sorted(chosen.sounds):
        folder = chosen.folder.absolute() / str(sounds)
        if not (folder / "state").exists():
            make(folder, sounds, None)
        print("| " + " | ".join(measured(folder, chosen)) + " |", flush=True)


if __name__ == "__main__":
    main()
