"""The long version: `python -m tests.torture --files 1000 --kills 200 --seed 1`."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path

from tests.torture.killing import State
from tests.torture.ordeal import Ordeal, Report


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--files", type=int, default=1000, help="how many files arrive")
    parser.add_argument("--kills", type=int, default=200, help="how many kills there are")
    parser.add_argument("--seed", type=int, default=1, help="of all that is left to chance")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which is kept")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        folder = chosen.keep or Path(temporary)
        report = Ordeal(folder, chosen.files, chosen.kills, chosen.seed).run()
    sys.stdout.write(table(report))
    return 1 if report.faults or report.died else 0


def table(report: Report) -> str:
    rows = [("acts", "")]
    rows += [(f"  {act}", str(count)) for act, count in sorted(report.acts.items())]
    rows += [("kills", str(report.kills.total()))]
    rows += [(f"  {prey}", str(count)) for prey, count in sorted(report.kills.items())]
    rows += [("kills while (several can hold at once)", "")]
    rows += [(f"  {state}", str(report.states[state])) for state in State]
    rows += [
        ("starts of the service", str(report.starts)),
        ("folders polled for lack of watches", str(report.polled)),
        ("ended by itself", str(len(report.died))),
        ("files in the end", str(report.files)),
        ("faults", str(len(report.faults))),
        ("seconds", f"{report.lasted_s:.0f}"),
    ]
    lines = [f"{name:<40}{count:>6}" for name, count in rows]
    return "\n".join([*lines, *report.faults, *report.died, ""])


if __name__ == "__main__":
    sys.exit(main())
