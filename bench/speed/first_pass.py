"""Times the first pass of the real command over real recordings, on one core and on several.

The recordings are copied, since the pass writes tags into them. Elapsed times include the start of
the command and of its workers, and depend on what else the machine does. Beside the pass stands
what the same files take if no tags are written, and if their features are extracted and nothing
else is done.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from bench.figures import Figure, number
from bench.speed.process_usage import Usage, usage_of
from config.defaults import default_values
from tests.driving import Valenced

if TYPE_CHECKING:
    from collections.abc import Iterator


def recordings_in(folder: Path, files: int) -> list[Path]:
    """Returns some sound files below a folder, the same each time; fewer if there are fewer."""
    suffixes = {f".{suffix}" for suffix in default_values()["watch.suffixes"]}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    return Random(1).sample(found, min(files, len(found)))


class _Usages(NamedTuple):
    """What each way took, for each round."""

    passes: list[Usage]
    untagged: list[Usage]
    alone: list[Usage]


def measure(recordings: list[Path], rounds: int) -> list[Figure]:
    """Runs the pass on one core and on all that this process may use, in turn."""
    cores = sorted(os.sched_getaffinity(0))
    counts = sorted({1, len(cores)})
    used = {count: _Usages([], [], []) for count in counts}
    for _ in range(rounds):
        for count in counts:
            for usages, one in zip(used[count], _ways(recordings, set(cores[:count])), strict=True):
                usages.append(one)
    group, files = f"first pass over {len(recordings)} files", len(recordings)
    figures: list[Figure] = []
    for count in counts:
        of = f"{count} core{'s' * (count > 1)}"
        elapsed, untagged, hearing = (
            Figure(group, of, what, "elapsed s", [one.elapsed_s for one in usages])
            for what, usages in zip(
                ("all files", "without tags", "hearing them alone"), used[count], strict=True
            )
        )
        shares = (
            f"{other.median / elapsed.median:.0%} of the rate {how}"
            for other, how in ((untagged, "without tags"), (hearing, "of hearing alone"))
        )
        rate = f"{number(files / elapsed.median)} files a second on {of}, {', '.join(shares)}"
        if figures:
            rate += f", efficiency {figures[0].median / elapsed.median / count:.0%}"
        each = [one.processor_s / files for one in used[count].passes]
        processor = Figure(group, of, "a file", "processor s", each)
        work = f"{number(processor.median / figures[1].median)} times on {of}" if figures else ""
        figures += [
            elapsed._replace(beside=rate),
            processor._replace(beside=work),
            untagged,
            hearing,
        ]
    return figures


def _ways(recordings: list[Path], cores: set[int]) -> Iterator[Usage]:
    """Yields what the pass uses, the same without tags, and what extracting features alone uses."""
    count = f"{len(cores)}"
    for options in ((), ("--no-tags",)):
        with library_of(recordings) as library:
            valenced = Valenced(library.parent / "state", "watch.settle_s=0.1")
            line = valenced.line("scan", "--jobs", count, *options, library)
            yield usage_of(line, valenced.environment, cores)
    with library_of(recordings) as library:
        # As in workers, each process has one thread for linear algebra.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        alone = [sys.executable, "-m", "bench.speed.hearing_alone", f"{library}", count]
        yield usage_of(alone, environment, cores)


@contextmanager
def library_of(recordings: list[Path]) -> Iterator[Path]:
    """Copies recordings into a folder within the block."""
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "library"
        library.mkdir()
        for number_, recording in enumerate(recordings):
            shutil.copyfile(recording, library / f"{number_}{recording.suffix}")
        yield library
