"""Imports corpora of the size of IADS-E and PMEmo, trains on them and publishes the bundle.

    python -m bench.speed.real_size [--share 1] [--folder DIR]

935 sounds of 6 s with a workbook and 794 choruses of 30 s with their tables are synthesised
(`bench/studies/synthetic_corpora.py`). Then the real commands run in a new state directory:
`corpus add iads-e`, `corpus add pmemo` and `train --publish`. Printed for each are its seconds, the
processor seconds of all its processes divided by the number of cores (what it takes on an idle
machine), and the peak memory of all its processes together (shared pages count several times). Then
a separate process fits and cross-validates both dimensions on the candidate's table, and is timed
likewise. At the end come the reason why the candidate was published or not, and its scores. If a
limit is exceeded, or nothing is published, the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.speed.process_usage import resident_mib, tree_of
from bench.studies.synthetic_corpora import SyntheticSound, write_iads_e, write_pmemo, write_sounds
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
POLL_S = 0.1
MOST_S = 600.0
MOST_FITTING_S = 180.0
MOST_MIB = 4096.0
SEED = 20240229
CANDIDATE = "learned-1"


class Usage(NamedTuple):
    """What a command used."""

    command: str
    clock_s: float
    processor_s: float
    peak_mib: float


def timed(command: str, valenced: Valenced, line: Sequence[str | Path]) -> Usage:
    """Runs a command to its end, and measures it with all its descendants.

    Raises:
        SystemExit: it fails.
    """
    began_s = time.monotonic()
    with valenced.start_line(list(line)) as running:
        process = running.process
        peak = [0.0]
        over = threading.Event()
        watching = threading.Thread(target=_watch, args=(process.pid, peak, over))
        watching.start()
        assert process.stderr is not None
        stderr = process.stderr.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        watching.join()
    if process.returncode:
        sys.exit(f"{command}: {stderr}")
    clock_s = time.monotonic() - began_s
    return Usage(command, clock_s, used.ru_utime + used.ru_stime, peak[0])


def _watch(process: int, peak: list[float], over: threading.Event) -> None:
    while not over.wait(POLL_S):
        peak[0] = max(peak[0], sum(map(resident_mib, tree_of(process))))


def fit_again(directory: Path) -> None:
    """Fits and cross-validates the regression of a bundle on its own table."""
    manifest = bundle.verify(directory)
    table = decode_table((directory / bundle.TABLE).read_bytes(), "")
    regression = regression_from(manifest.recipe.settings).fit(table)
    cross_validate(table, regression, SEED)


def print_scores(candidate: Path, corpora: Path, sounds: Sequence[SyntheticSound]) -> None:
    """Prints why a candidate was published or not, and its R2 beside that of the true rule."""
    manifest = bundle.verify(candidate)
    assert manifest.comparison is not None
    print(f"{manifest.comparison.verdict}\n")
    true_values = {f"{each.path.parent.name}/{each.path.name}": each.affect for each in sounds}
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
            rule = np.array([true_values[path][dim] for path in table.path[chosen].tolist()])
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
    """Makes the corpora, runs the commands, prints the tables; returns whether all limits hold."""
    sounds = write_iads_e(folder / "IADS-E", share, 10_000)
    songs = write_pmemo(folder / "PMEmo", share, 20_000)
    write_sounds([*sounds, *songs], CORES)
    print(f"{len(sounds)} sounds, {len(songs)} choruses; load {os.getloadavg()[0]:.1f}\n")
    state = Path(tempfile.mkdtemp(prefix="state-", dir=folder))
    valenced = Valenced(state)
    commands: dict[str, tuple[str | Path, ...]] = {
        "corpus add iads-e": ("corpus", "add", "iads-e", folder / "IADS-E"),
        "corpus add pmemo": ("corpus", "add", "pmemo", folder / "PMEmo"),
        "train --publish": ("train", "--publish"),
    }
    used = [timed(name, valenced, valenced.line(*line)) for name, line in commands.items()]
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
    total = Usage(
        "all three",
        sum(each.clock_s for each in used),
        sum(each.processor_s for each in used),
        max(each.peak_mib for each in used),
    )
    print(f"| command | s | processor s / {CORES} | MiB |\n| --- | --- | --- | --- |")
    for each in (*used, total, fitting):
        used_s = each.processor_s / CORES
        print(f"| {each.command} | {each.clock_s:.0f} | {used_s:.0f} | {each.peak_mib:.0f} |")
    print(f"\npublished: {published}\n")
    print_scores(candidate, state / "corpora", [*sounds, *songs])
    return (
        published == CANDIDATE
        and total.clock_s <= MOST_S
        and fitting.clock_s <= MOST_FITTING_S
        and total.peak_mib <= MOST_MIB
    )


def main() -> None:
    """Runs the measurement; the exit code is 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the corpora, for a quick run")
    parser.add_argument("--folder", type=Path, help="a folder for the sounds, to be used again")
    parser.add_argument("--fit-again", type=Path, metavar="BUNDLE", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.fit_again:
        fit_again(chosen.fit_again)
        return
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        sys.exit(not measure(chosen.folder, chosen.share))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not measure(Path(folder), chosen.share))


if __name__ == "__main__":
    main()
