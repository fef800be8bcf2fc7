"""Runs one service over tens of thousands of short files, and checks that its usage stays flat.

    python -m bench.speed.long_run [--files 50000] [--plot docs/long_run.svg] [--set KEY=VALUE]

Sampled are the memory of the main process and of its largest worker, the open descriptors of the
main process, and the processor seconds and seconds per file. The first fifth, while caches fill, is
not checked. A figure is flat if it grows by less than a tenth from there to the end, by a straight
line fitted to the samples. The median number of descriptors may grow by one: SQLite must not close
a file while another connection has it locked, keeps that descriptor and uses it again. Seconds per
file are drawn and not checked, because they depend on other load. If anything grows, the exit code
is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.speed.process_usage import children_of, processor_s, resident_mib
from tests.driving import Valenced
from tests.sounds import music_like, write_audio

SOUNDS = 50
FILES_PER_FOLDER = 500
DURATION_S = 0.5
RATE_HZ = 8000
SAMPLES = 200
WARM_SHARE = 0.2
GROWTH = 0.1
MOST_ADDED_DESCRIPTORS = 1
POLL_S = 0.5
STALLED_AFTER_S = 600.0
WIDTH, HEIGHT, MARGIN = 720, 150, 46


class Sample(NamedTuple):
    """What the service used after a number of files."""

    files: int
    at_s: float
    processor_s: float
    main_mib: float
    worker_mib: float
    descriptors: int


class Curve(NamedTuple):
    """One figure over the run, and whether it is flat."""

    title: str
    files: list[int]
    values: list[float]
    growth: float
    is_flat: bool


def _write_library(folder: Path, files: int) -> None:
    sounds = [
        write_audio(folder.parent / f"{n}.wav", music_like(DURATION_S, RATE_HZ, seed=n), RATE_HZ)
        for n in range(SOUNDS)
    ]
    contents = [bytearray(sound.read_bytes()) for sound in sounds]
    for number in range(files):
        content = contents[number % SOUNDS]
        # Another last sample makes it another sound, which must be analysed.
        content[-4:] = number.to_bytes(4, "little")
        inner = folder / f"{number // FILES_PER_FOLDER}"
        inner.mkdir(exist_ok=True)
        (inner / f"{number}.wav").write_bytes(content)


def _sampled(valenced: Valenced, process: int, files: int) -> list[Sample]:
    began_s = last_s = time.monotonic()
    samples: list[Sample] = []
    while True:
        ((done,),) = valenced.select("SELECT count(*) FROM hearings")
        if not samples or done >= min(samples[-1].files + max(files // SAMPLES, 1), files):
            last_s = time.monotonic()
            samples.append(_sample(process, done, last_s - began_s))
        if done >= files:
            return samples
        if time.monotonic() - last_s > STALLED_AFTER_S:
            sys.exit(f"stalled at {done} of {files} files")
        time.sleep(POLL_S)


def _sample(process: int, done: int, at_s: float) -> Sample:
    workers = children_of(process)
    return Sample(
        done,
        at_s,
        sum(map(processor_s, [process, *workers])),
        resident_mib(process),
        max(map(resident_mib, workers), default=0.0),
        len(list(Path(f"/proc/{process}/fd").iterdir())),
    )


def curve_of(title: str, files: list[int], values: list[float], *, may_grow: float) -> Curve:
    """Checks a figure by a straight line."""
    start = int(len(values) * WARM_SHARE)
    later, at = np.array(values[start:]), np.array(files[start:], float)
    slope, first = np.polyfit(at, later, 1)
    begins = first + slope * at[0]
    growth = float(slope * (at[-1] - at[0]) / begins) if begins else 0.0
    return Curve(title, files, values, growth, growth <= may_grow)


def _counted(title: str, files: list[int], values: list[float]) -> Curve:
    """Checks a count by the medians of the first and the last quarter after the warm-up."""
    later = values[int(len(values) * WARM_SHARE) :]
    quarter = max(1, len(later) // 4)
    growth = float(np.median(later[-quarter:]) - np.median(later[:quarter]))
    return Curve(title, files, values, growth, growth <= MOST_ADDED_DESCRIPTORS)


def curves_of(samples: list[Sample]) -> list[Curve]:
    """Returns the five figures over the run."""
    files = [sample.files for sample in samples]
    # The clock starts before the service analyses anything, so the first difference is left out.
    pairs = [(a, b) for a, b in pairwise(samples) if b.files > a.files][1:]
    ends = [b.files for _, b in pairs]
    used = [(b.processor_s - a.processor_s) / (b.files - a.files) for a, b in pairs]
    took = [(b.at_s - a.at_s) / (b.files - a.files) for a, b in pairs]
    main = [sample.main_mib for sample in samples]
    worker = [sample.worker_mib for sample in samples]
    descriptors = [float(sample.descriptors) for sample in samples]
    return [
        curve_of("MiB of the main process", files, main, may_grow=GROWTH),
        curve_of("MiB of the largest worker", files, worker, may_grow=GROWTH),
        _counted("descriptors of the main process", files, descriptors),
        curve_of("processor seconds per file", ends, used, may_grow=GROWTH),
        curve_of("seconds per file", ends, took, may_grow=inf),
    ]


def plot(curves: list[Curve]) -> str:
    """Returns an SVG with a panel for each curve."""
    height = HEIGHT * len(curves)
    view = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, curve in enumerate(curves):
        parts += _panel(curve, number * HEIGHT)
    return "\n".join([*parts, "</svg>\n"])


def _panel(curve: Curve, top: int) -> list[str]:
    highest, last = max(curve.values) * 1.1 or 1.0, max(curve.files) or 1
    base, tall, wide = top + HEIGHT - 24, HEIGHT - 50, WIDTH - 2 * MARGIN
    points = " ".join(
        f"{MARGIN + wide * files / last:.1f},{base - tall * value / highest:.1f}"
        for files, value in zip(curve.files, curve.values, strict=True)
    )
    return [
        f'<text x="{MARGIN}" y="{top + 18}">{curve.title}</text>',
        f'<path d="M{MARGIN},{base - tall} V{base} H{MARGIN + wide}" fill="none" stroke="gray"/>',
        f'<polyline points="{points}" fill="none" stroke="#2060a0" stroke-width="1.5"/>',
        f'<text x="{MARGIN - 4}" y="{base - tall + 8}" text-anchor="end">{highest:.3g}</text>',
        f'<text x="{MARGIN - 4}" y="{base}" text-anchor="end">0</text>',
        f'<text x="{MARGIN + wide}" y="{base + 16}" text-anchor="end">{last} files</text>',
    ]


def main() -> None:
    """Runs the service, prints the figures, draws them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "music"
        library.mkdir()
        _write_library(library, chosen.files)
        valenced = Valenced(Path(temporary) / "state", "log.level=warning", *chosen.set)
        with valenced.start("run", library) as service:
            service.wait_for("watching")
            samples = _sampled(valenced, service.process.pid, chosen.files)
            code = service.stop()
    curves = curves_of(samples)
    for curve in curves:
        word = "GROWS" if not curve.is_flat else "drawn" if curve is curves[-1] else "flat"
        change = f"{curve.growth:+.1%}" if "descriptors" not in curve.title else f"{curve.growth:+}"
        peak = max(curve.values)
        print(f"{curve.title:<34} peak {peak:8.3g}   from warm to end {change:>8}   {word}")
    print(f"{samples[-1].files} files in {samples[-1].at_s:.0f} s; exit code {code}")
    if chosen.plot:
        chosen.plot.write_text(plot(curves), encoding="utf-8")
    sys.exit(0 if code == 0 and all(curve.is_flat for curve in curves) else 1)


if __name__ == "__main__":
    main()
