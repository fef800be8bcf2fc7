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
    used: dict[int, list[Usage]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count, usages in used.items():
            usages.append(_pass(recordings, set(cores[:count])))
    group, files = f"first pass over {len(recordings)} files", len(recordings)
    figures: list[Figure] = []
    for count, usages in used.items():
        of = f"{count} core{'s' * (count > 1)}"
        elapsed = Figure(group, of, "all files", "elapsed s", [one.elapsed_s for one in usages])
        each = [one.processor_s / files for one in usages]
        rate = f"{number(files / elapsed.median)} files a second on {of}"
        if figures:
            rate += f", efficiency {figures[0].median / elapsed.median / count:.0%}"
        processor = Figure(group, of, "a file", "processor s", each)
        work = f"{number(processor.median / figures[1].median)} times on {of}" if figures else ""
        figures += [elapsed._replace(beside=rate), processor._replace(beside=work)]
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
