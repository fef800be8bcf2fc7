"""Times how long a new file takes to its row in `sounds`, with and without training meanwhile.

    python -m bench.speed.latency_while_training [--files 12] [--known 2000]

A real service watches a temporary folder; sixty sounds of its catalogue are annotated. Files arrive
one after another: three while nothing else is done, three while trainings follow one another, and
so on. After each training another bundle is published, so that all known sounds are rescored, too.
Printed are the median, least and most seconds after a file was closed.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.speed.rescoring import fill
from daemon.service.background_job import BackgroundJob, retrain_job
from storage.annotations import GivenAnnotation
from storage.catalogue import Catalogue
from tests.catalogue_rows import HEARINGS, PREDICTIONS
from tests.driving import Valenced
from tests.sounds import music_like, write_audio
from tests.torture.annotators import add_trained_bundle
from trainer.bundles import registry
from trainer.bundles.bundle import load
from trainer.features.vector_codec import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETTLE_S = 0.3
BLOCK = 3
ANNOTATED = 60
POLL_S = 0.005
PAUSE_S = 1.0
LENGTH_S = 30


class TrainingLoop:
    """Trains repeatedly, and publishes another bundle after each training.

    Args:
        start: starts a training as the service does.
        registry_dir: where it publishes.

    Attributes:
        count: trainings so far.
    """

    def __init__(self, start: Callable[[], BackgroundJob], registry_dir: Path) -> None:
        self._start = start
        self._registry_dir = registry_dir
        self.count = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Train within a `with` block."""
        over, begun = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._train, args=(over, begun))
        thread.start()
        try:
            begun.wait()
            yield
        finally:
            over.set()
            thread.join()

    def _train(self, over: threading.Event, begun: threading.Event) -> None:
        while not over.is_set():
            job = self._start()
            begun.set()
            job.wait()
            ending = job.exit_status()
            assert ending is not None
            assert ending[0] == 0, ending[1]
            job.stop()
            registry.rollback(self._registry_dir)
            self.count += 1


def annotate(catalogue: Catalogue, bundle: Path) -> None:
    """Annotates some known sounds, with other values than the bundle predicts."""
    with catalogue.engine.connect() as connection:
        statement = f"SELECT identity, vector FROM {HEARINGS} ORDER BY 1 LIMIT {ANNOTATED}"
        rows = connection.exec_driver_sql(statement).all()
    predicted = load(bundle).predict(np.stack([unpack(vector) for _, vector in rows]))
    values = zip(rows, predicted.arousal.tolist(), predicted.valence.tolist(), strict=True)
    given = [
        GivenAnnotation(identity, Path("bench"), "bench", arousal / 2, valence / 2, "bench")
        for (identity, _), arousal, valence in values
    ]
    catalogue.annotations.add(given, datetime.now(UTC))


def wait_for_row(catalogue: Path, statement: str, *values: Any) -> None:
    """Waits until a statement returns a row."""
    with closing(sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)) as reading:
        while reading.execute(statement, values).fetchone() is None:
            time.sleep(POLL_S)


def latency_s(catalogue: Path, made: Path, path: Path) -> float:
    """Writes a file, and returns the seconds from its closing to its row."""
    path.write_bytes(made.read_bytes())
    closed_s = time.monotonic()
    wait_for_row(catalogue, "SELECT 1 FROM sounds WHERE path = ?", os.fspath(path))
    return time.monotonic() - closed_s


def measure(folder: Path, files: int, known: int) -> str:
    """Returns the figures as text."""
    music, state = folder / "music", folder / "state"
    music.mkdir()
    add_trained_bundle(state / "bundles", seed=1)
    bundle = registry.published_bundle(state / "bundles")
    url = f"sqlite:///{state / 'catalogue.db'}"
    with closing(Catalogue(url)) as catalogue:
        fill(catalogue, bundle, known)
        annotate(catalogue, bundle)
    bundles, corpora = state / "bundles", state / "corpora"
    training = TrainingLoop(lambda: retrain_job(url, bundles, corpora, keep=2), bundles)
    valenced = Valenced(state, f"watch.settle_s={SETTLE_S}", "retrain.schedule=")
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        for number in range(2 * files):
            path = music / f"{number}.flac"
            made = write_audio(folder / "made.flac", music_like(LENGTH_S, seed=number), 44100)
            if number // min(BLOCK, files) % 2:
                with training.running():
                    # Each time in another phase of the training.
                    time.sleep(PAUSE_S * (number % BLOCK))
                    seconds[True].append(latency_s(valenced.catalogue, made, path))
            else:
                wait_until_rescored(valenced.catalogue, state / "bundles")
                seconds[False].append(latency_s(valenced.catalogue, made, path))
        service.stop()
    return f"{_figures(seconds)}\n{training.count} trainings"


def wait_until_rescored(catalogue: Path, registry_dir: Path) -> None:
    """Waits until the published bundle has rescored everything."""
    name = registry.published_name(registry_dir)
    wait_for_row(catalogue, "SELECT 1 FROM bundles WHERE in_service AND name = ?", name)
    wait_for_row(catalogue, _ALL_SCORED, name)


_ALL_SCORED = f"SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {PREDICTIONS} WHERE bundle <> ?)"


def _figures(seconds: dict[bool, list[float]]) -> str:
    lines = [
        f"{name}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
        for name, times in (("otherwise", seconds[False]), ("while training", seconds[True]))
    ]
    ratio = statistics.median(seconds[True]) / statistics.median(seconds[False])
    return "\n".join([*lines, f"ratio of the medians: {ratio:.2f}"])


def main() -> None:
    """Measures and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=12, help="of each kind")
    parser.add_argument("--known", type=int, default=2000, help="sounds in the catalogue")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.stdout.write(measure(Path(temporary), chosen.files, chosen.known) + "\n")


if __name__ == "__main__":
    main()
