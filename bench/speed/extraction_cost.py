"""Compares the processor time of feature extraction with two other programs on a 4-minute MP3.

    python bench/speed/extraction_cost.py [--track FILE] [--rounds N]

Each program runs in its own process, which warms up once. Rounds are interleaved, so that a machine
that slows down slows all alike. Figures are processor seconds (user and system, all threads) for
one file, including decoding. The targets are 0.40 of bliss-rs and 0.05 of Essentia's
MusicExtractor.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.speed.reference_track import write_track

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = {"bliss-rs": 0.40, "Essentia MusicExtractor": 0.05}
OURS = "valenced"


# Each program is loaded in its own process only.
def _valenced() -> Callable[[str], Any]:
    extract = import_module("trainer.features.extract")
    return lambda track: extract.extract_features(Path(track))


def _bliss() -> Callable[[str], Any]:
    song: Callable[[str], Any] = import_module("bliss_audio").Song
    return song


def _essentia() -> Callable[[str], Any]:
    log = import_module("essentia").log
    log.infoActive = False
    log.warningActive = False
    extractor: Callable[[str], Any] = import_module("essentia.standard").MusicExtractor()
    return extractor


PROGRAMS = {OURS: _valenced, "bliss-rs": _bliss, "Essentia MusicExtractor": _essentia}


def serve(program: str, track: str) -> None:
    """Analyses the track once for each line on stdin, and prints the processor seconds."""
    analyse = PROGRAMS[program]()
    analyse(track)
    for _ in sys.stdin:
        started_s = time.process_time()
        analyse(track)
        print(json.dumps(time.process_time() - started_s), flush=True)


def measure(track: Path, rounds: int) -> dict[str, list[float]]:
    """Runs all programs in turn, `rounds` times; returns the seconds of each."""
    running = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--serve", name, "--track", str(track)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in PROGRAMS
    }
    seconds_of: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, process in running.items():
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            seconds_of[name].append(float(json.loads(process.stdout.readline())))
    for process in running.values():
        process.communicate()
    return seconds_of


def report(seconds_of: dict[str, list[float]]) -> bool:
    """Prints the table; returns whether both targets are met."""
    ours = statistics.median(seconds_of[OURS])
    met = True
    print(f"{'program':<26}{'median s':>10}{'min':>8}{'max':>8}{'ours / its':>11}{'target':>8}")
    for name, seconds in seconds_of.items():
        line = f"{name:<26}{statistics.median(seconds):>10.3f}{min(seconds):>8.3f}"
        line += f"{max(seconds):>8.3f}"
        if name in TARGETS:
            ratio = ours / statistics.median(seconds)
            met = met and ratio <= TARGETS[name]
            line += f"{ratio:>11.3f}{TARGETS[name]:>8.2f}"
        print(line)
    return met


def main() -> int:
    """Synthesises the track unless one is given, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--track", type=Path, help="a 4-minute recording to use instead")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", choices=PROGRAMS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve, str(chosen.track))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        track = chosen.track or Path(folder) / "track.mp3"
        if chosen.track is None:
            write_track(track)
        return 0 if report(measure(track, chosen.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
