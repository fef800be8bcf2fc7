"""Times the first pass of the real command over real recordings, on one core and on several.

The recordings are copied, since the pass writes tags into them. Elapsed times include the start of
the command and of its workers, and depend on what else the machine does. Beside the pass stands
what the same files take if their features are extracted and nothing else is done.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from bench.figures import Figure, number
from bench.speed.process_usage import Usage, usage_of
from config.defaults import default_values
from tests.driving import Valenced


def recordings_in(folder: Path, files: int) -> list[Path]:
    """Returns some sound files below a folder, the same each time; fewer if there are fewer."""
    suffixes = {f".{suffix}" for suffix in default_values()["watch.suffixes"]}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    return Random(1).sample(found, min(files, len(found)))


def measure(recordings: list[Path], rounds: int) -> list[Figure]:
    """Runs the pass on one core and on all that this process may use, in turn."""
    cores = sorted(os.sched_getaffinity(0))
    counts = sorted({1, len(cores)})
    passes: dict[int, list[Usage]] = {count: [] for count in counts}
    alone: dict[int, list[Usage]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            both = _both(recordings, set(cores[:count]))
            passes[count].append(both[0])
            alone[count].append(both[1])
    group, files = f"first pass over {len(recordings)} files", len(recordings)
    figures: list[Figure] = []
    for count in counts:
        of = f"{count} core{'s' * (count > 1)}"
        elapsed, hearing = (
            Figure(group, of, what, "elapsed s", [one.elapsed_s for one in usages[count]])
            for what, usages in (("all files", passes), ("hearing them alone", alone))
        )
        share = f"{hearing.median / elapsed.median:.0%} of the rate of hearing alone"
        rate = f"{number(files / elapsed.median)} files a second on {of}, {share}"
        if figures:
            rate += f", efficiency {figures[0].median / elapsed.median / count:.0%}"
        each = [one.processor_s / files for one in passes[count]]
        processor = Figure(group, of, "a file", "processor s", each)
        work = f"{number(processor.median / figures[1].median)} times on {of}" if figures else ""
        figures += [elapsed._replace(beside=rate), processor._replace(beside=work), hearing]
    return figures


def _both(recordings: list[Path], cores: set[int]) -> tuple[Usage, Usage]:
    """Returns what the pass uses, and what extracting the features alone uses."""
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "library"
        library.mkdir()
        for number_, recording in enumerate(recordings):
            shutil.copyfile(recording, library / f"{number_}{recording.suffix}")
        valenced = Valenced(Path(temporary) / "state", "watch.settle_s=0.1")
        count = f"{len(cores)}"
        line = valenced.line("scan", "--jobs", count, library)
        passed = usage_of(line, valenced.environment, cores)
        # As in workers, each process has one thread for linear algebra.
        environment = valenced.environment | {"OPENBLAS_NUM_THREADS": "1"}
        alone = [sys.executable, "-m", "bench.speed.hearing_alone", f"{library}", count]
        return passed, usage_of(alone, environment, cores)
