"""Times the first pass of the real command over real recordings, on one core and on several.

The recordings are copied, since the pass writes tags into them. Elapsed times include the start of
the command and of its workers, and depend on what else the machine does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Final

from bench.figures import Figure, number
from bench.speed.process_usage import Usage, usage_of
from config.defaults import default_values
from tests.driving import Valenced

WHAT: Final = "first pass"


def recordings_in(folder: Path, files: int) -> list[Path]:
    """Returns some sound files below a folder, the same each time; fewer if there are fewer."""
    suffixes = {f".{suffix}" for suffix in default_values()["watch.suffixes"]}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    return Random(1).sample(found, min(files, len(found)))


def measure(recordings: list[Path], rounds: int) -> list[Figure]:
    """Runs the pass on one core and on all that this process may use, in turn."""
    cores = sorted(os.sched_getaffinity(0))
    counts = sorted({1, len(cores)})
    used: dict[int, list[Usage]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count, usages in used.items():
            usages.append(_pass(recordings, set(cores[:count])))
    figures: list[Figure] = []
    for count, usages in used.items():
        of = f"{len(recordings)} files, {count} core{'s' * (count > 1)}"
        elapsed = Figure(WHAT, of, "elapsed s", [usage.elapsed_s for usage in usages])
        processor = Figure(WHAT, of, "processor s", [usage.processor_s for usage in usages])
        rate = f"{number(len(recordings) / elapsed.median)} files a second"
        if figures:
            efficiency = figures[0].median / elapsed.median / count
            rate += f", efficiency {efficiency:.0%}"
        each = f"{number(processor.median / len(recordings))} a file"
        if figures:
            each += f", {number(processor.median / figures[1].median)} times that on 1 core"
        figures += [elapsed._replace(beside=rate), processor._replace(beside=each)]
    return figures


def _pass(recordings: list[Path], cores: set[int]) -> Usage:
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "library"
        library.mkdir()
        for number_, recording in enumerate(recordings):
            shutil.copyfile(recording, library / f"{number_}{recording.suffix}")
        valenced = Valenced(Path(temporary) / "state", "watch.settle_s=0.1")
        line = valenced.line("scan", "--jobs", f"{len(cores)}", library)
        return usage_of(line, valenced.environment, cores)
