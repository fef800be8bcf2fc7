"""The long form of the torture tests; `make torture` runs all of them.

python -m tests.torture --files 1000 --kills 200 --seed 1
python -m tests.torture --files 300 --kills 40 --fault-rate 0.02
python -m tests.torture --files 200 --kills 60 --learning
python -m tests.torture --files 200 --disk-failure "media full" --rounds 20
python -m tests.torture --flood 50000
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from tests.torture.disk_failure_run import DiskFailureRun, Failure
from tests.torture.disks import NoDisk
from tests.torture.flood_run import FloodReport, FloodRun
from tests.torture.kill_run import KillRun, Report
from tests.torture.observed_service import State

if TYPE_CHECKING:
    from collections import Counter


def main() -> int:
    chosen = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        try:
            text, is_good = _run(chosen.keep or Path(temporary), chosen)
        except NoDisk as error:
            text, is_good = f"skipped: {error}\n", True
    sys.stdout.write(text)
    return 0 if is_good else 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--files", type=int, default=1000, help="how many new files arrive")
    parser.add_argument("--kills", type=int, default=200, help="how many kills there are")
    parser.add_argument(
        "--fault-rate",
        type=float,
        default=0.0,
        help="the probability with which each disk call fails",
    )
    parser.add_argument(
        "--learning", "--lessons", action="store_true", help="users annotate and train, too"
    )
    parser.add_argument(
        "--disk-failure", "--blow", choices=list(Failure), help="no kills; a disk fails like this"
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often the disk fails")
    parser.add_argument("--flood", type=int, metavar="N", help="no kills; N small files at once")
    parser.add_argument("--seed", type=int, default=1, help="of all random choices")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in; it stays")
    return parser


def _run(folder: Path, chosen: Namespace) -> tuple[str, bool]:
    if chosen.flood:
        # Without tags: each write waits for the medium twice, which would hide the figures.
        flood = FloodRun(folder, chosen.flood, chosen.seed, "tags.mode=none").run()
        return flood_table(flood), not flood.faults
    report = (
        DiskFailureRun(
            folder, Failure(chosen.disk_failure), chosen.files, chosen.rounds, chosen.seed
        ).run()
        if chosen.disk_failure
        else KillRun(
            folder,
            chosen.files,
            chosen.kills,
            chosen.seed,
            chosen.fault_rate,
            learning=chosen.learning,
        ).run()
    )
    return table(report), not (report.faults or report.crashes)


def table(report: Report) -> str:
    rows = [
        ("actions of other programs and users", ""),
        *_counts(report.actions),
        ("kills", str(report.kills.total())),
        *_counts(report.kills),
        ("states when killed or failed (several can hold at once)", ""),
        *((f"  {state}", str(report.states[state])) for state in State),
        ("disk calls that failed", str(report.disk_errors.total())),
        *_counts(report.disk_errors),
        ("tags not written when the disk worked again (most)", str(report.untagged)),
        *_counts(report.reasons),
        ("trainings", str(report.trainings.total())),
        *_counts(report.trainings),
        ("stalls", str(report.stalls)),
        ("starts of the service", str(report.starts)),
        ("folders polled for lack of watches", str(report.polled)),
        ("crashes", str(len(report.crashes))),
        ("files at the end", str(report.files)),
        ("faults", str(len(report.faults))),
        ("seconds", f"{report.duration_s:.0f}"),
    ]
    return _lines(rows, [*report.faults, *report.crashes])


def _counts(counter: Counter[str]) -> list[tuple[str, str]]:
    return [(f"  {name}", str(count)) for name, count in sorted(counter.items())]


def flood_table(report: FloodReport) -> str:
    rows = [
        (entry.name.replace("_", " "), f"{getattr(report, entry.name):.0f}")
        for entry in fields(report)
        if entry.name != "faults"
    ]
    return _lines([*rows, ("faults", str(len(report.faults)))], report.faults)


def _lines(rows: list[tuple[str, str]], faults: list[str]) -> str:
    lines = [f"{name:<72}{count:>8}" for name, count in rows]
    return "\n".join([*lines, *faults, ""])


if __name__ == "__main__":
    sys.exit(main())
