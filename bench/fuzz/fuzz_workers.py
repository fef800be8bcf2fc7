"""Sends damaged and hostile files through a real worker, and counts how each one ends.

    python bench/fuzz/fuzz_workers.py --inputs 20000 --seed 1 [--workers 1] [--report FILE]
        [--more DIR] [--only NUMBER] [--keep DIR]

Good files of every kind are synthesised (recordings in `--more` join them) and damaged
(`bench/fuzz/mutations.py`). Each is identified and analysed by `daemon.worker.worker_client`, as
the service does it. The run fails when a worker outlives its limits, a value is not finite, a
reason is not one line, or anything but a clip error reaches the service. Inputs that killed or
hung a worker, or caused an unexpected error, are stored for diagnosis; `--only` makes one again.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.fuzz.good_files import good_files
from bench.fuzz.mutations import damaged
from config.settings import AnalysisSettings
from daemon.worker.active_bundle import ActiveBundle
from daemon.worker.worker_client import WorkerClient
from trainer.bundles.bundle import authenticated
from trainer.bundles.registry import prepare
from trainer.features.extract import DESCRIPTORS
from trainer.features.vector_codec import unpack
from trainer.trainer_errors import ClipError, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.fuzz.mutations import Input
    from storage.schema.records import Analysis

LIMITS = AnalysisSettings(
    workers=1,
    timeout_s=20,
    memory_mib=1024,
    nice=0,
    renew_after=1000,
    max_load=0,
    on_battery="continue",
    cluster="",
    cluster_path=(),
)

# A worker that does not answer in time gets another second to end, then it is killed. The rest is
# for a machine that is busy with other things.
GRACE_S = 30.0

ANALYSED = "analysed"
TIMED_OUT = "worker stopped at its time limit"
NEVER = {
    "worker alive beyond its limit": "a process of a worker that was stopped still runs",
    "answer later than the limit": "the service waited longer than its own limit",
    "not finite": "a vector, prediction, duration or start that is NaN or infinite",
    "reason not one line": "empty, or several lines",
    "foreign error": "something else than a clip error reached the service",
}
# How many of the slowest inputs are listed, so that `--only` can send them again.
_SLOWEST = 20
_STORED = ("worker", "not finite", "reason not", "foreign", "answer later", "unexpected")


@dataclass
class Tally:
    """How the inputs of a run ended.

    Attributes:
        inputs: how many were sent.
        endings: how many ended in which way.
        damages: how many were damaged in which way.
        slowest: seconds and number of the inputs that took longest, longest first.
    """

    inputs: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    damages: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, int]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.inputs += other.inputs
        self.endings += other.endings
        self.damages += other.damages
        self.timed(*other.slowest)

    def timed(self, *took: tuple[float, int]) -> None:
        """Add the seconds and numbers of inputs; only the slowest are stored."""
        self.slowest = sorted([*self.slowest, *took], reverse=True)[:_SLOWEST]

    @property
    def broken(self) -> int:
        """How many endings were of a kind that must never happen."""
        return sum(self.endings[ending] for ending in NEVER)

    @property
    def deaths(self) -> int:
        """How many workers an input killed; those stopped at their limit do not count."""
        return sum(n for ending, n in self.endings.items() if ending.startswith("worker died"))


def starter_in(folder: Path) -> ActiveBundle:
    """Creates a registry with the shipped bundle, and returns that bundle."""
    directory, manifest = prepare(folder)
    return ActiveBundle(directory, manifest.name, manifest.hearing, authenticated(directory)[1])


def endings_of(
    worker: WorkerClient, path: Path, bundle: ActiveBundle, timeout_s: float = LIMITS.timeout_s
) -> list[str]:
    """Identifies and analyses one input; returns how it ended, and each broken promise."""
    before = _children()
    started_s = time.monotonic()
    late_after_s = timeout_s + GRACE_S
    try:
        identity = worker.identify(path)
        identified_s = time.monotonic()
        late = identified_s - started_s > late_after_s
        started_s = identified_s
        found = [ANALYSED, *_faults(worker.analyse(path, identity, bundle))]
    except ClipError as error:
        late = False
        found = _classified(error)
    except Exception as error:  # noqa: BLE001 - nothing else may arrive
        late = False
        found = ["foreign error", f"unexpected: {type(error).__name__}: {error}"]
    if late or time.monotonic() - started_s > late_after_s:
        found.append("answer later than the limit")
    if _in_sessions(before - _children()):
        found.append("worker alive beyond its limit")
    return found


def _faults(analysis: Analysis) -> list[str]:
    vector = unpack(analysis.features.vector)
    complete = len(vector) == DESCRIPTORS and np.isfinite(vector).all()
    starts_s = [point.start_s for point in analysis.curve]
    seconds = (analysis.features.duration_s, *starts_s)
    prediction = [each for each in vars(analysis.prediction).values() if not isinstance(each, str)]
    affect = [value for point in analysis.curve for value in (point.arousal, point.valence)]
    sane = all(math.isfinite(number) and number >= 0 for number in seconds)
    finite = bool(starts_s) and all(map(math.isfinite, (*prediction, *affect)))
    return [] if complete and sane and finite else ["not finite"]


def _classified(error: ClipError) -> list[str]:
    reason = error.reason
    one_line = bool(reason.strip()) and len(reason.splitlines()) == 1
    faults = [] if one_line else ["reason not one line"]
    if "no result within" in reason:
        return [TIMED_OUT, *faults]
    died = re.search(r"ended by (\w+)|ended with status (\d+)|invalid answer", reason)
    if died and "the worker" in reason:
        return [f"worker died: {died.group(0)}", *faults]
    if "memory" in reason.lower():
        return [f"memory refused: {reason}", *faults]
    if " failed: " in reason:
        faults.append("unexpected")
    kind = "unusable" if isinstance(error, UnusableClip) else "unreadable"
    return [f"{kind}: {re.sub(r'[0-9]+([.][0-9]+)?', 'N', reason)}", *faults]


def _children() -> set[int]:
    # Only of this thread: each thread starts its own worker.
    task = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return {int(number) for number in task.read_text().split()}


def _in_sessions(sessions: set[int]) -> set[int]:
    """Returns the processes that still run in the sessions of workers."""
    if not sessions:
        return set()
    alive = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, fields = stat.read_text(errors="replace").rpartition(")")
        except OSError:
            continue
        if int(fields.split()[3]) in sessions:
            alive.add(int(stat.parent.name))
    return alive


def run(
    numbers: Iterable[int],
    make: Callable[[int], Input],
    scratch: Path,
    keep: Path,
    bundle: ActiveBundle,
    limits: AnalysisSettings = LIMITS,
    progress: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Sends inputs through one worker.

    Args:
        numbers: which inputs.
        make: makes one.
        scratch: the folder that contains each while it is read.
        keep: the folder for those that did harm.
        bundle: predicts.
        limits: of the worker.
        progress: called after each.
    """
    tally = Tally()
    with closing(WorkerClient(limits)) as worker:
        for number in numbers:
            made = make(number)
            path = scratch / made.name
            path.write_bytes(made.content)
            started_s = time.monotonic()
            found = endings_of(worker, path, bundle, limits.timeout_s)
            tally.timed((time.monotonic() - started_s, number))
            tally.inputs += 1
            tally.endings.update(found)
            tally.damages.update(made.made_by)
            if any(ending.startswith(_STORED) for ending in found):
                print(number, path.name, made.made_by, found, file=sys.stderr, flush=True)
                (keep / f"{number}-{made.name}").write_bytes(made.content)
            path.unlink()
            progress(tally)
        sessions = _children()
    if _in_sessions(sessions):
        tally.endings["worker alive beyond its limit"] += 1
    return tally


def table(tally: Tally) -> str:
    """Writes the counts as Markdown."""
    lines = ["| result | inputs |", "| --- | ---: |", f"| **inputs sent** | {tally.inputs} |"]
    shown = [*tally.endings.most_common(), *((ending, 0) for ending in (ANALYSED, TIMED_OUT))]
    counts = dict(reversed(shown)) | {"worker died of a signal": tally.deaths}
    ordinary = sorted(counts, key=lambda ending: -counts[ending])
    lines += [f"| {ending} | {counts[ending]} |" for ending in ordinary if ending not in NEVER]
    lines += [f"| **never:** {ending} | {tally.endings[ending]} |" for ending in NEVER]
    slowest_s, _ = max(tally.slowest, default=(0.0, 0))
    lines += [f"| slowest input, in seconds | {slowest_s:.1f} |", ""]
    lines += ["| damage | times |", "| --- | ---: |"]
    lines += [f"| {damage} | {count} |" for damage, count in tally.damages.most_common()]
    return "\n".join(lines) + "\n"


def _progress(every: int, tally: Tally) -> None:
    if tally.inputs % every == 0:
        analysed = tally.endings[ANALYSED]
        line = f"{tally.inputs} sent, {analysed} analysed, {tally.broken} broken"
        print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Runs, prints the counts, and fails if anything happened that must never happen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report", type=Path, help="also write the table to this file")
    parser.add_argument("--more", type=Path, help="a folder of recordings to damage, too")
    parser.add_argument("--only", type=int, help="make and send this one input")
    parser.add_argument("--keep", type=Path, help="the folder for inputs that did harm")
    chosen = parser.parse_args()
    keep = chosen.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    keep.mkdir(parents=True, exist_ok=True)
    total = Tally()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.workers) as threads:
        short, long = good_files(Path(folder), chosen.more)
        make = partial(damaged, chosen.seed, short=short, long=long)
        numbers = range(chosen.inputs) if chosen.only is None else [chosen.only]
        shares = [numbers[share :: chosen.workers] for share in range(chosen.workers)]
        bundle = starter_in(Path(folder, "bundles"))
        send = partial(run, make=make, keep=keep, bundle=bundle, progress=partial(_progress, 500))
        for tally in threads.map(lambda share: send(share, scratch=Path(folder)), shares):
            total.add(tally)
    print(table(total))
    named = (f"{number} ({took_s:.1f} s)" for took_s, number in total.slowest)
    print("slowest inputs:", ", ".join(named), file=sys.stderr)
    if chosen.report:
        chosen.report.write_text(table(total))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
