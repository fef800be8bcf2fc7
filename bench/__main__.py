"""Measures speed and growth, side by side with other programs, and prints one table.

    python -m bench [PART ...] [--recordings DIR] [--sizes 10000 100000] [--into DIR] [--short]

The parts, all by default:

    features    of one 4-minute MP3: ours, bliss-rs, Essentia, openSMILE's own class
    first-pass  `valenced scan` over real recordings, on one core and on all
    server      `valenced scan` with a catalogue on a server, by how far away that is
    library     start, comparison, one more file and idling with libraries of each size
    rescoring   all sounds of catalogues of each size up to 100,000
    queries     typical forms, on catalogues of each size

What cannot be measured here is left out, and said with its reason. Processor seconds depend little
on other load, elapsed times do; how busy other programs were is printed at the end. Each figure is
printed to stderr at once, the table at the end. `--short` takes
minutes. Libraries and catalogues are made in `--into` once, and used again by the next run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Final

from bench.figures import table
from bench.scale import made_library, start_and_idle
from bench.search import made_catalogue, query_times
from bench.speed import distant_server, extraction_cost, first_pass, rescoring
from bench.speed.process_usage import busy_s
from bench.speed.reference_track import write_track
from storage.catalogue import Catalogue
from tests.postgresql_server import why_missing
from tests.shared_data import CORPORA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.figures import Figure

SIZES: Final = [10_000, 100_000, 1_000_000]
SHORT_SIZES: Final = [1_000, 10_000]
MOST_RESCORED: Final = 100_000
"""A stored feature vector takes 13 kB: a million sounds with theirs would fill 13 GB."""


class Bench:
    """One run.

    Attributes:
        skipped: what was left out, with the reason.
        is_slow: whether feature extraction costs more than its targets allow.
    """

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._into: Path = chosen.into.absolute()
        self.skipped: list[str] = []
        self.is_slow = False

    def features(self) -> Iterator[Figure]:
        """Compare the features of one track with other programs."""
        for name in extraction_cost.missing():
            self.skipped.append(f"{name}: not installed here; make .venv/.bench installs it")
        with tempfile.TemporaryDirectory() as folder:
            track = self._chosen.track or Path(folder) / "track.mp3"
            if self._chosen.track is None:
                write_track(track)
            figures = extraction_cost.measure(track, self._chosen.rounds)
        self.is_slow = extraction_cost.misses_target(figures)
        yield from figures

    def first_pass(self) -> Iterator[Figure]:
        """Time the first pass over real recordings."""
        folder: Path = self._chosen.recordings
        recordings = first_pass.recordings_in(folder, self._chosen.files)
        if not recordings:
            self.skipped.append(f"first pass: no recordings in {folder}; name a folder of them")
            return
        yield from first_pass.measure(recordings, min(2, self._chosen.rounds))

    def server(self) -> Iterator[Figure]:
        """Time the first pass with a catalogue on a server."""
        recordings = first_pass.recordings_in(self._chosen.recordings, self._chosen.files // 3)
        if not recordings:
            self.skipped.append(f"server: no recordings in {self._chosen.recordings}")
        elif (reason := why_missing()) is not None:
            self.skipped.append(f"server: {reason}")
        else:
            yield from distant_server.measure(recordings)

    def library(self) -> Iterator[Figure]:
        """Time start, comparison and idling with libraries of each size."""
        for sounds in self._chosen.sizes:
            catalogue = self._catalogue(sounds)
            folder = catalogue.parent
            if not (folder / "state").exists():
                made_library.make(folder, sounds, catalogue)
            yield from start_and_idle.measure(folder, self._chosen.idle, self._chosen.mode)

    def rescoring(self) -> Iterator[Figure]:
        """Time the rescoring of catalogues of each size."""
        for sounds in self._chosen.sizes:
            if sounds > MOST_RESCORED:
                self.skipped.append(f"rescoring {sounds:,} sounds: at most {MOST_RESCORED:,}")
                continue
            self._into.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._into) as folder:
                yield from rescoring.measure(Path(folder), sounds)

    def queries(self) -> Iterator[Figure]:
        """Time typical queries on catalogues of each size."""
        for sounds in self._chosen.sizes:
            yield from query_times.measure(
                self._catalogue(sounds), sounds, 20 * self._chosen.rounds
            )

    def _catalogue(self, sounds: int) -> Path:
        """Return a catalogue of so many invented sounds, made if there is none."""
        file = self._into / f"{sounds}" / "catalogue.db"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            made_catalogue.make(file, sounds, seed=1)
            Catalogue(f"sqlite:///{file}").close()
        return file


PARTS: Final = {
    "features": Bench.features,
    "first-pass": Bench.first_pass,
    "server": Bench.server,
    "library": Bench.library,
    "rescoring": Bench.rescoring,
    "queries": Bench.queries,
}


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--short", action="store_true", help="smaller and fewer of everything")
    parser.add_argument("--into", type=Path, default=Path(".bench"), help="stores what it makes")
    parser.add_argument("--track", type=Path, help="a 4-minute MP3 instead of the synthesised one")
    parser.add_argument("--recordings", type=Path, default=CORPORA, help="a folder of sound files")
    parser.add_argument("--files", type=int, help="how many of them; 300, or 40 with --short")
    parser.add_argument("--sizes", type=int, nargs="+", help="how many sounds a library has")
    parser.add_argument("--rounds", type=int, help="how often most is measured; 5, or 2")
    parser.add_argument("--idle", type=float, help="for how many seconds it idles; 60, or 10")
    parser.add_argument("--mode", default="native", help="how it watches: native or poll")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    short = chosen.short
    chosen.files = chosen.files or (40 if short else 300)
    chosen.sizes = sorted(chosen.sizes or (SHORT_SIZES if short else SIZES))
    chosen.rounds = chosen.rounds or (2 if short else 5)
    chosen.idle = chosen.idle or (10.0 if short else 60.0)
    return chosen


def main() -> int:
    """Measure what was chosen; return 1 if features cost more than their targets allow."""
    chosen = _chosen()
    bench = Bench(chosen)
    began_s, busy_before_s, own_before_s = time.monotonic(), busy_s(), _own_s()
    figures = []
    for part in chosen.parts or PARTS:
        for figure in PARTS[part](bench):
            print(
                f"{figure.group}, {figure.of}, {figure.what}: {figure.text} {figure.unit}",
                file=sys.stderr,
            )
            figures.append(figure)
    print("\n".join(table(figures)))
    took_s = time.monotonic() - began_s
    others_s = max(0.0, busy_s() - busy_before_s - (_own_s() - own_before_s))
    cores = os.cpu_count() or 1
    share = others_s / (took_s * cores)
    print(f"\n{took_s / 60:.0f} minutes; others took {share:.0%} of the {cores} processors")
    for line in bench.skipped:
        print(f"left out: {line}")
    return 1 if bench.is_slow else 0


def _own_s() -> float:
    """Return the processor seconds of this process and of those it has started that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    sys.exit(main())
