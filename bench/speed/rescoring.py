"""Times the rescoring of all known sounds by the real process.

    python bench/speed/rescoring.py [--sounds 100000] [--into DIR]

The catalogue is made in a temporary folder. Each sound has the features of a clip of the bundle's
own table, with noise of some percent, and a prediction by an earlier bundle. Printed are seconds,
processor seconds, peak memory, and how busy the machine was with other things, which the seconds
depend on.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from storage.catalogue import Catalogue
from storage.schema.records import CurvePoint, Prediction
from tests.catalogue_rows import KnownSound, add_sounds
from trainer.bundles.bundle import TABLE, verify
from trainer.bundles.registry import prepare
from trainer.features.vector_codec import pack
from trainer.regression.training_table import decode_table

CHUNK = 1000
NOISE = 0.05
WINDOWS = 4
EARLIER = "earlier-1"


def fill(catalogue: Catalogue, bundle: Path, sounds: int) -> None:
    """Adds sounds to a catalogue that an earlier bundle predicted."""
    fitted = decode_table((bundle / TABLE).read_bytes(), str(bundle)).vectors
    drawing = np.random.default_rng(1)
    hearing = verify(bundle).hearing
    for start in range(0, sounds, CHUNK):
        vectors = fitted[drawing.integers(0, len(fitted), min(CHUNK, sounds - start))]
        noise = drawing.normal(1.0, NOISE, vectors.shape).astype(np.float32)
        numbered = enumerate(vectors * noise, start)
        known = [KnownSound(*_names(number), pack(vector)) for number, vector in numbered]
        add_sounds(catalogue, known, settings=hearing, prediction=_VALUES, curve=_CURVE)


_VALUES = Prediction(EARLIER, *(0.0,) * 7)
_CURVE = [CurvePoint(50.0 * at, 0.0, 0.0) for at in range(WINDOWS)]


def _names(number: int) -> tuple[str, Path]:
    # Identities are hashes, so in no order.
    identity = f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}"
    return identity, Path(f"/library/{number // 100}/{number}.flac")


def _busy_s() -> float:
    """Returns the processor seconds of the whole machine since its start."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Fills a catalogue, rescores it, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=int, default=100_000)
    parser.add_argument("--into", type=Path, help="store the catalogue in this folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.into or Path(temporary)
        bundle, _ = prepare(folder / "bundles")
        url = f"sqlite:///{folder / 'catalogue.db'}"
        with closing(Catalogue(url)) as catalogue:
            fill(catalogue, bundle, chosen.sounds)
        began_s, busy_s = time.monotonic(), _busy_s()
        # Not with low priority as in the service: other load must not change the figures.
        command = [
            sys.executable,
            "-m",
            "trainer.processes.rescore_process",
            url,
            str(bundle),
            "--nice",
            "0",
        ]
        subprocess.run(command, check=True)
        took_s, busy_s = time.monotonic() - began_s, _busy_s() - busy_s
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = len(os.sched_getaffinity(0))
    own_s = used.ru_utime + used.ru_stime
    print(f"{chosen.sounds} sounds in {took_s:.1f} s on {cores} cores, {own_s:.1f} s of processor")
    print(f"{chosen.sounds / took_s:.0f} sounds a second, at most {used.ru_maxrss / 1024:.0f} MB")
    print(f"others took {max(busy_s - own_s, 0.0) / (took_s * cores):.0%} of the processors")


if __name__ == "__main__":
    main()
