"""Compares the processor time of feature extraction with other programs on a 4-minute MP3.

Each program runs in its own process, which warms up once. Rounds are interleaved, so that a machine
that slows down slows all alike. Figures are processor seconds (user and system, all threads) for
one file, including decoding. openSMILE's own class extracts the functionals of ComParE 2016 from
the whole file, at its own rate. The targets are 0.40 of bliss-rs and 0.05 of Essentia's
MusicExtractor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import av
import numpy as np

from bench.figures import Figure, number

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS: Final = {"bliss-rs": 0.40, "Essentia MusicExtractor": 0.05}
OURS: Final = "valenced"
GROUP: Final = "features of a 4-minute MP3"


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


def _opensmile() -> Callable[[str], Any]:
    opensmile = import_module("opensmile")
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016,
        feature_level=opensmile.FeatureLevel.Functionals,
    )

    def analyse(track: str) -> Any:
        # Its own reader knows no MP3.
        with av.open(track) as container:
            rate_hz = container.streams.audio[0].rate
            mono = av.AudioResampler("fltp", "mono", rate_hz)
            frames = [part for frame in container.decode(audio=0) for part in mono.resample(frame)]
        return smile.process_signal(np.hstack([frame.to_ndarray() for frame in frames]), rate_hz)

    return analyse


class Program(NamedTuple):
    """A program that is measured: the package it needs, and what makes its function."""

    package: str
    start: Callable[[], Callable[[str], Any]]


PROGRAMS: Final = {
    OURS: Program("trainer", _valenced),
    "bliss-rs": Program("bliss_audio", _bliss),
    "Essentia MusicExtractor": Program("essentia", _essentia),
    "openSMILE's class": Program("opensmile", _opensmile),
}


def serve(program: str, track: str) -> None:
    """Analyses the track once for each line on stdin, and prints the processor seconds."""
    analyse = PROGRAMS[program].start()
    analyse(track)
    for _ in sys.stdin:
        started_s = time.process_time()
        analyse(track)
        print(json.dumps(time.process_time() - started_s), flush=True)


def missing() -> list[str]:
    """Returns the programs that are not installed."""
    return [name for name, program in PROGRAMS.items() if find_spec(program.package) is None]


def measure(track: Path, rounds: int) -> list[Figure]:
    """Runs all installed programs in turn, `rounds` times."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", __spec__.name, name, track],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in PROGRAMS.keys() - missing()
    }
    seconds_of: dict[str, list[float]] = {name: [] for name in PROGRAMS if name in running}
    for _ in range(rounds):
        for name, seconds in seconds_of.items():
            process = running[name]
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            seconds.append(float(json.loads(process.stdout.readline())))
    for process in running.values():
        process.communicate()
    figures = [
        Figure(GROUP, name, "a file", "processor s", seconds)
        for name, seconds in seconds_of.items()
    ]
    return [figure._replace(beside=_ratio(figures[0], figure)) for figure in figures]


def misses_target(figures: list[Figure]) -> bool:
    """Tells whether ours costs more than the targets allow."""
    ours = [figure.median for figure in figures if figure.of == OURS]
    return any(
        ours[0] > TARGETS[figure.of] * figure.median for figure in figures if figure.of in TARGETS
    )


def _ratio(ours: Figure, other: Figure) -> str:
    if other is ours:
        return ""
    target = f" (target {TARGETS[other.of]})" if other.of in TARGETS else ""
    return f"ours is {number(ours.median / other.median)} of {other.of}{target}"


if __name__ == "__main__":
    serve(*sys.argv[1:])
