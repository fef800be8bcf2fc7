"""The long version of the torture; `make torture` runs all of it.

python -m tests.torture --files 1000 --kills 200 --seed 1
python -m tests.torture --files 300 --kills 40 --fault-rate 0.02
python -m tests.torture --files 200 --kills 60 --lessons
python -m tests.torture --files 200 --blow "media full" --rounds 20
python -m tests.torture --flood 50000
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path

from tests.torture.disk_failure_run import Blow, Trial
from tests.torture.disks import NoDisk
from tests.torture.flood_run import Flood, FloodReport
from tests.torture.kill_run import Ordeal, Report
from tests.torture.observed_service import State


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
    parser.add_argument("--files", type=int, default=1000, help="how many files arrive")
    parser.add_argument("--kills", type=int, default=200, help="how many kills there are")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="how often disk calls fail")
    parser.add_argument("--lessons", action="store_true", help="people annotate and teach, too")
    parser.add_argument("--blow", choices=list(Blow), help="no kills; this happens to a disk")
    parser.add_argument("--rounds", type=int, default=10, help="how often it happens")
    parser.add_argument("--flood", type=int, metavar="N", help="no kills; N small files at once")
    parser.add_argument("--seed", type=int, default=1, help="of all that is left to chance")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which is kept")
    return parser


def _run(folder: Path, chosen: Namespace) -> tuple[str, bool]:
    if chosen.flood:
        # Each tag write waits for the medium twice, which is not what a flood is about.
        flood = Flood(folder, chosen.flood, chosen.seed, "tags.mode=none").run()
        return flood_table(flood), not flood.faults
    report = (
        Trial(folder, Blow(chosen.blow), chosen.files, chosen.rounds, chosen.seed).run()
        if chosen.blow
        else Ordeal(
            folder,
            chosen.files,
            chosen.kills,
            chosen.seed,
            chosen.fault_rate,
            lessons=chosen.lessons,
        ).run()
    )
    return table(report), not (report.faults or report.died)


def table(report: Report) -> str:
    rows = [("acts", "")]
    rows += [(f"  {act}", str(count)) for act, count in sorted(report.acts.items())]
    rows += [("kills", str(report.kills.total()))]
    rows += [(f"  {prey}", str(count)) for prey, count in sorted(report.kills.items())]
    rows += [("struck while (several can hold at once)", "")]
    rows += [(f"  {state}", str(report.states[state])) for state in State]
    rows += [("calls of the disk that failed", str(report.failures.total()))]
    rows += [(f"  {call}", str(count)) for call, count in sorted(report.failures.items())]
    rows += [("tags owed when the disk was mended (most)", str(report.owed))]
    rows += [(f"  {reason}", str(count)) for reason, count in sorted(report.reasons.items())]
    rows += [("trainings noted", str(report.trainings.total()))]
    rows += [(f"  {outcome}", str(count)) for outcome, count in sorted(report.trainings.items())]
    rows += [
        ("waits for the catalogue", str(report.stood_still)),
        ("starts of the service", str(report.starts)),
        ("folders polled for lack of watches", str(report.polled)),
        ("ended by itself", str(len(report.died))),
        ("files in the end", str(report.files)),
        ("faults", str(len(report.faults))),
        ("seconds", f"{report.lasted_s:.0f}"),
    ]
    return _lines(rows, [*report.faults, *report.died])


def flood_table(report: FloodReport) -> str:
    rows = [
        (entry.name.replace("_", " "), f"{getattr(report, entry.name):.0f}")
        for entry in fields(report)
        if entry.name != "faults"
    ]
    return _lines([*rows, ("faults", str(len(report.faults)))], report.faults)


def _lines(rows: list[tuple[str, str]], told: list[str]) -> str:
    lines = [f"{name:<72}{count:>8}" for name, count in rows]
    return "\n".join([*lines, *told, ""])


if __name__ == "__main__":
    sys.exit(main())
