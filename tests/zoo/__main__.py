"""Makes every file of the zoo, tries each, and prints figures: `python -m tests.zoo`."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.zoo.trial import every_specimen, tried


def main() -> int:
    """Try every specimen whose name holds the given text."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", default="", help="names that hold this text")
    only = arguments.parse_args().only
    made, tagged, faulty = Counter[str](), Counter[str](), 0
    reasons: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for specimen in every_specimen():
            content = specimen.make() if only in specimen.name else None
            if content is None:
                continue
            result = tried(specimen, content, Path(folder))
            made[specimen.family] += 1
            if result.reason is None:
                tagged[specimen.family] += 1
            else:
                reasons[re.sub(r"\d{3,}", "N", result.reason)] += 1
            for fault in result.faults:
                faulty += 1
                sys.stdout.write(f"{specimen.name}: {fault}\n")
                sys.stdout.flush()
    for family in sorted(made):
        sys.stdout.write(f"{family:10} {made[family]:5} made, {tagged[family]:5} tagged\n")
    sys.stdout.write(
        f"{'all':10} {made.total():5} made, {tagged.total():5} tagged, {faulty} faults\n"
    )
    for reason, count in reasons.most_common():
        sys.stdout.write(f"{count:5}  {reason}\n")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
