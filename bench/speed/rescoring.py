"""Times the rescoring of all known sounds by the real process.

Each sound of the catalogue has the features of a clip of the bundle's own table, with noise of some
percent, and a prediction by an earlier bundle. Elapsed times depend on what else the machine does.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from bench.figures import Figure
from bench.speed.process_usage import usage_of
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


def measure(folder: Path, sounds: int) -> list[Figure]:
    """Fills a catalogue in an empty folder, and rescores it."""
    bundle, _ = prepare(folder / "bundles")
    file = folder / "catalogue.db"
    url = f"sqlite:///{file}"
    with closing(Catalogue(url)) as catalogue:
        fill(catalogue, bundle, sounds)
    # Not with low priority as in the service: other load must not change the figures.
    module = ["-m", "trainer.processes.rescore_process"]
    used = usage_of([sys.executable, *module, url, bundle, "--nice", "0"])
    measured = {
        ("all sounds", "processor s"): used.processor_s,
        ("all sounds", "elapsed s"): used.elapsed_s,
        ("a second", "sounds"): sounds / used.elapsed_s,
        ("memory", "peak MiB"): used.peak_mib,
        ("catalogue, a sound", "bytes"): file.stat().st_size / sounds,
    }
    return [
        Figure("rescoring", f"{sounds:,} sounds", what, unit, [value], size=sounds)
        for (what, unit), value in measured.items()
    ]
