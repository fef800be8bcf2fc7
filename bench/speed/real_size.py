"""Takes corpora of the size of IADS-E and PMEmo from their import to a published joint bundle.

    python -m bench.speed.real_size [--share 1] [--folder DIR]

935 sounds of 6 s with a workbook and 794 choruses of 30 s with their tables are synthesised
(`bench/studies/synthetic_corpora.py`); then run the real commands: `corpus add iads-e`, `corpus add
pmemo` and `train --publish`, in a state directory of their own. For each are printed the clock's
seconds, the processor's seconds of the whole tree of processes shared among the cores (what it
would take on a machine with nothing else to do), and the most memory that the tree held at any
moment (the sum of what is resident, so that shared pages count several times). Then a process of
its own fits and cross-validates both dimensions again on the table of the candidate, which is timed
likewise. Then follow why it was published or not, and what was learned, be it published or not. If
a limit is passed, or nothing is published, the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.studies.synthetic_corpora import Rated, make, put_iads_e, put_pmemo
from tests.driving import Valenced
from trainer.bundles import bundle, registry
from trainer.corpora.corpus_store import CorpusStore
from trainer.evaluation.cross_validation import cross_validate
from trainer.evaluation.scores import r2
from trainer.features.extract import CANONICAL
from trainer.regression.joint import regression_from
from trainer.regression.training_table import decode_table

if TYPE_CHECKING:
    from collections.abc import Sequence

CORES = len(os.sched_getaffinity(0))
LOOK_S = 0.1
MOST_S = 600.0
MOST_FITTING_S = 180.0
MOST_MIB = 4096.0
SEED = 20240229
CANDIDATE = "learned-1"


class Taken(NamedTuple):
    """What a program took."""

    what: str
    clock_s: float
    processor_s: float
    most_mib: float


def timed(what: str, valenced: Valenced, line: Sequence[str | Path]) -> Taken:
    """Runs a program to its end and measures it with all that it starts.

    Raises:
        SystemExit: it fails.
    """
    began_s = time.monotonic()
    with valenced.start_line(list(line)) as running:
        process = running.process
        most = [0.0]
        over = threading.Event()
        watching = threading.Thread(target=_watch, args=(process.pid, most, over))
        watching.start()
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        watching.join()
    if process.returncode:
        sys.exit(f"{what}: {said}")
    clock_s = time.monotonic() - began_s
    return Taken(what, clock_s, used.ru_utime + used.ru_stime, most[0])


def _watch(process: int, most: list[float], over: threading.Event) -> None:
    while not over.wait(LOOK_S):
        most[0] = max(most[0], sum(map(_resident_mib, _tree(process))))


def _tree(process: int) -> list[int]:
    found = [process]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                with suppress(OSError):
                    found += map(int, (task / "children").read_text().split())
    return found


def _resident_mib(process: int) -> float:
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def fit_again(directory: Path) -> None:
    """Fits and cross-validates the regression of a bundle on its own table."""
    manifest = bundle.verify(directory)
    table = decode_table((directory / bundle.TABLE).read_bytes(), "")
    regression = regression_from(manifest.recipe.settings).fit(table)
    cross_validate(table, regression, SEED)


def learned(candidate: Path, corpora: Path, sounds: Sequence[Rated]) -> None:
    """Prints why a candidate was taken or not, and its R2 beside that of who knows the rule."""
    manifest = bundle.verify(candidate)
    assert manifest.comparison is not None
    print(f"{manifest.comparison.verdict}\n")
    felt = {f"{each.path.parent.name}/{each.path.name}": each.felt for each in sounds}
    tables, _ = CorpusStore(corpora).tables(CANONICAL.key)
    print("| corpus | dimension | clips | R2, held out | 95 % interval | R2 of the rule itself |")
    print("| --- | --- | --- | --- | --- | --- |")
    for part in manifest.held_out:
        rows = [
            (table, (table.corpus == name) & ((table.domain == domain) | (domain == "")))
            for table in tables
            for name, domain in [_named(part.part)]
            if (table.corpus == name).any()
        ]
        for table, chosen in rows:
            dim = ("arousal", "valence").index(part.dimension)
            rule = np.array([felt[path][dim] for path in table.path[chosen].tolist()])
            best = r2(table.ratings[chosen, dim], rule)
            figure = part.r2
            print(
                f"| {part.part} | {part.dimension} | {part.clips} | {figure.value:.3f} |"
                f" {figure.low:.3f} to {figure.high:.3f} | {best:.3f} |"
            )


def _named(part: str) -> tuple[str, str]:
    name, _, rest = part.partition(" (")
    return name, rest.rstrip(")")


def measure(folder: Path, share: float) -> bool:
    """Makes the corpora, runs the commands, prints the tables; returns whether all held."""
    sounds = put_iads_e(folder / "IADS-E", share, 10_000)
    songs = put_pmemo(folder / "PMEmo", share, 20_000)
    make([*sounds, *songs], CORES)
    print(f"{len(sounds)} sounds, {len(songs)} choruses; load {os.getloadavg()[0]:.1f}\n")
    state = Path(tempfile.mkdtemp(prefix="state-", dir=folder))
    valenced = Valenced(state)
    taken = [
        timed(" ".join(map(str, said)), valenced, valenced.line(*line))
        for said, line in (
            (("corpus add iads-e",), ("corpus", "add", "iads-e", folder / "IADS-E")),
            (("corpus add pmemo",), ("corpus", "add", "pmemo", folder / "PMEmo")),
            (("train --publish",), ("train", "--publish")),
        )
    ]
    bundles = state / "bundles"
    published = registry.published_bundle(bundles).name
    candidate = bundles / CANDIDATE
    again: list[str | Path] = [
        sys.executable,
        "-m",
        "bench.speed.real_size",
        "--fit-again",
        candidate,
    ]
    fitting = timed("of which fitting and cross-validation", valenced, again)
    whole = Taken(
        "all three",
        sum(each.clock_s for each in taken),
        sum(each.processor_s for each in taken),
        max(each.most_mib for each in taken),
    )
    print(f"| command | s | processor s / {CORES} | MiB |\n| --- | --- | --- | --- |")
    for each in (*taken, whole, fitting):
        used_s = each.processor_s / CORES
        print(f"| {each.what} | {each.clock_s:.0f} | {used_s:.0f} | {each.most_mib:.0f} |")
    print(f"\nin service: {published}\n")
    learned(candidate, state / "corpora", [*sounds, *songs])
    return (
        published == CANDIDATE
        and whole.clock_s <= MOST_S
        and fitting.clock_s <= MOST_FITTING_S
        and whole.most_mib <= MOST_MIB
    )


def main() -> None:
    """Runs it and judges it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the corpora, to try it out")
    parser.add_argument("--folder", type=Path, help="where sounds are kept, to be used again")
    parser.add_argument("--fit-again", type=Path, metavar="BUNDLE", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fit_again:
        fit_again(asked.fit_again)
        return
    if asked.folder:
        asked.folder.mkdir(parents=True, exist_ok=True)
        sys.exit(not measure(asked.folder, asked.share))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not measure(Path(folder), asked.share))


if __name__ == "__main__":
    main()
