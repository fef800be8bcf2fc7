"""Changes the files of a large library for an hour, and checks that nothing is missed or grows.

    python -m bench.scale.soak DIR [--files 100000] [--changes-an-hour 10000] [--minutes 60]

`DIR` must be empty or not exist. The library has real short sounds that the catalogue knows
(`bench.scale.sounding_library`). Other programs then write new sounds, edit tags, rename, move,
copy, replace and delete files, evenly over the time, as in `tests.torture`. Each minute a line says
what the service used and what waits. At the end each file that was written, edited or moved is
read: its audio and its title must be what was written there, its tags what the catalogue says. No
other file may have been written to, and the catalogue must have nothing else.

Processor seconds are those of the service and its workers, and depend little on other load; what
else the machine does shows in the queue. A figure is flat if a straight line through it grows by
less than a tenth after the first fifth. Comparisons with the catalogue are counted from the log.
The exit code is 1 if anything was missed, a figure grew, or a comparison had another cause than the
start and the interval.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.scale import sounding_library
from bench.speed.long_run import GROWTH, Curve, curve_of
from bench.speed.process_usage import processor_s, proportional_mib, tree_of
from tests.driving import COMMAND, Valenced
from tests.torture.file_activity import ACTIONS, ExpectedFile, FileActivity, planned
from tests.torture.file_checks import file_faults
from tests.torture.observed_service import ObservedService
from tests.torture.remaining_work import UNFINISHED, UNTRIED, falls_to_zero
from tests.torture.sound_factory import SoundFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

ALBUMS: Final = 100
ENDS_WITHIN_S: Final = 1800.0
REGULAR: Final = {"the service starts", "interval elapsed"}
LAST: Final = "SELECT count(*) = 0 FROM clips WHERE name = 'last.wav'"
COMPARING: Final = re.compile(r"comparing the folders with the catalogue: (.*)")
COLUMNS: Final = (
    "minute",
    "changes",
    "waiting",
    "processor s",
    "of it the service",
    "MiB of the service",
    "MiB of its workers",
    "comparisons",
)


class Sample(NamedTuple):
    """What the service has used since it started, and what it holds now.

    Attributes:
        minute: since the changes began.
        changes: made so far.
        waiting: files in the queue that were not tried yet.
        all_s: processor seconds, workers included.
        service_s: those of the main process alone.
        service_mib: memory of the main process.
        worker_mib: memory of its workers.
        comparisons: begun so far, the first included.
    """

    minute: float
    changes: int
    waiting: int
    all_s: float
    service_s: float
    service_mib: float
    worker_mib: float
    comparisons: int


@dataclass
class Report:
    """What a soak has shown.

    Attributes:
        samples: one for each minute.
        changes: how often each was made.
        comparisons: the reasons of all comparisons with the catalogue.
        caught_up_s: from the last change until no work was left.
        files: at the end.
        faults: broken promises, in a line each.
    """

    samples: list[Sample] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    comparisons: Counter[str] = field(default_factory=Counter)
    caught_up_s: float = 0.0
    files: int = 0
    faults: list[str] = field(default_factory=list)


class Soak:
    """One run.

    Args:
        folder: an empty one; holds the library, the state and the log.
        chosen: `files`, `changes_an_hour`, `minutes`, `seed`, and settings in `set`.
    """

    def __init__(self, folder: Path, chosen: argparse.Namespace) -> None:
        self._library = folder / "library"
        self._seconds = 60.0 * chosen.minutes
        settings = ("log.level=debug", "analysis.workers=0", *chosen.set)
        self._valenced = Valenced(folder / "state", *settings)
        made = sounding_library.make(self._library, self._valenced, chosen.files)
        self._made = {one.path: (ExpectedFile(one.identity), one.stamp) for one in made}
        rng = Random(f"soak {chosen.seed}")
        factory = SoundFactory(folder, chosen.seed)
        self._factory = factory
        self._activity = FileActivity([self._library], factory, rng, ALBUMS)
        self._activity.expected |= {path: file for path, (file, _) in self._made.items()}
        changes = round(chosen.changes_an_hour * chosen.minutes / 60)
        self._actions = planned(round(changes / (1 + sum(ACTIONS.values()))), rng)
        self._log = folder / "stderr.log"
        # Not forked from this process, whose memory would count.
        self._service = ObservedService(
            self._valenced, [self._library], self._log, lambda _: [COMMAND]
        )
        self.report = Report()

    def run(self) -> Report:
        """Make the changes, wait until they are processed, and check what is left."""
        report = self.report
        self._service.start()
        try:
            self._service.wait_until_started()
            self._change()
            self._activity.finish()
            began_s = time.monotonic()
            if not self._is_done():
                report.faults.append(f"not done {ENDS_WITHIN_S:.0f} s after the last change")
            report.caught_up_s = time.monotonic() - began_s
            self._service.stop()
        finally:
            self._service.kill()
        report.changes, report.files = self._activity.done, len(self._activity.expected)
        report.comparisons = self._comparisons()
        report.faults += self._faults()
        return report

    def _change(self) -> None:
        """Make all changes, evenly over the time, and take a sample each minute."""
        began_s = next_s = time.monotonic()
        pause_s = self._seconds / len(self._actions)
        for number, action in enumerate(self._actions):
            due_s = began_s + number * pause_s
            time.sleep(max(0.0, due_s - time.monotonic()))
            if time.monotonic() >= next_s:
                self._sample((time.monotonic() - began_s) / 60, number)
                next_s += 60.0
            self._activity.act(action)
        self._sample((time.monotonic() - began_s) / 60, len(self._actions))

    def _is_done(self) -> bool:
        """Wait until no work is left; return whether that happened in time."""
        # Once it knows a file that is written after all changes, it knows of them all.
        made, path = self._factory.sound("wav"), self._library / "last.wav"
        path.write_bytes(made.content)
        self._activity.expected[path] = ExpectedFile(made.identity)
        return all(
            falls_to_zero(self._valenced, count, ENDS_WITHIN_S) for count in (LAST, UNFINISHED)
        )

    def _sample(self, minute: float, changes: int) -> None:
        process = self._service.pid
        tree = tree_of(process)
        sample = Sample(
            minute,
            changes,
            self._valenced.select(UNTRIED)[0][0],
            sum(map(processor_s, tree)),
            processor_s(process, ended_children=False),
            proportional_mib(process),
            sum(map(proportional_mib, tree[1:])),
            self._comparisons().total(),
        )
        print(row_of(self.report.samples[-1:], sample), flush=True)
        self.report.samples.append(sample)

    def _comparisons(self) -> Counter[str]:
        with self._log.open(encoding="utf-8", errors="replace") as log:
            return Counter(found[1] for line in log if (found := COMPARING.search(line)))

    def _faults(self) -> Iterator[str]:
        for reason in self.report.comparisons.keys() - REGULAR:
            yield f"compared with the catalogue: {reason}"
        for curve in curves_of(self.report.samples):
            if not curve.is_flat:
                yield f"{curve.title}: grew by {curve.growth:.0%}"
        with self._log.open(encoding="utf-8", errors="replace") as log:
            yield from (line.strip() for line in log if " ERROR " in line or "Traceback" in line)
        yield from self._service.crashes
        folders, expected = [self._library], self._activity.expected
        untouched = {
            path: stamp for path, (file, stamp) in self._made.items() if expected.get(path) is file
        }
        yield from file_faults(self._valenced.catalogue, folders, expected, untouched)


def row_of(before: list[Sample], now: Sample) -> str:
    """Return a row of the table; processor seconds and changes are those since the one before."""
    last = before[0] if before else now
    cells = [
        f"{now.minute:.0f}",
        f"{now.changes - last.changes}",
        f"{now.waiting}",
        f"{now.all_s - last.all_s:.1f}",
        f"{now.service_s - last.service_s:.1f}",
        f"{now.service_mib:.0f}",
        f"{now.worker_mib:.0f}",
        f"{now.comparisons}",
    ]
    return f"| {' | '.join(cells)} |"


def curves_of(samples: list[Sample]) -> list[Curve]:
    """Return the figures that must not grow."""
    pairs = list(pairwise(samples))
    at = [sample.changes for sample in samples]
    used = [(b.all_s - a.all_s) / max(1, b.changes - a.changes) for a, b in pairs]
    service = [sample.service_mib for sample in samples]
    workers = [sample.worker_mib for sample in samples]
    return [
        curve_of("processor seconds a change", at[1:], used, may_grow=GROWTH),
        curve_of("MiB of the service", at, service, may_grow=GROWTH),
        curve_of("MiB of its workers", at, workers, may_grow=GROWTH),
    ]


def verdict(report: Report) -> str:
    """Return the figures of a whole run as text."""
    lines = [f"  {name}: {count}" for name, count in sorted(report.changes.items())]
    lines += [f"compared: {reason}: {count}" for reason, count in report.comparisons.items()]
    for curve in curves_of(report.samples):
        values = sorted(curve.values)
        middle = values[len(values) // 2]
        growth = f"from {values[0]:.3g} to {values[-1]:.3g}, {curve.growth:+.1%} over the run"
        lines.append(f"{curve.title}: {middle:.3g} ({growth})")
    lines.append(f"done {report.caught_up_s:.0f} s after the last change; {report.files} files")
    lines += [f"{len(report.faults)} faults", *report.faults]
    return "\n".join(lines)


def main() -> int:
    """Run a soak and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--changes-an-hour", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if any(chosen.folder.iterdir()):
        sys.exit(f"{chosen.folder}: not empty; name a folder that is, or that does not exist")
    began_s = time.monotonic()
    soak = Soak(chosen.folder.resolve(), chosen)
    print(f"{chosen.files} files made in {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    print("| " + " | ".join(COLUMNS) + " |")
    print("| " + " | ".join(["---:"] * len(COLUMNS)) + " |", flush=True)
    report = soak.run()
    print(verdict(report))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
