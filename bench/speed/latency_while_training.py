"""Times how long a new file takes to its row in `sounds`, while the service learns and while not.

    python -m bench.speed.latency_while_training [--files 12] [--known 2000]

A real service on a temporary folder, a catalogue of as many sounds as asked for, of which sixty are
annotated. Files come one after another, three while nothing else is done, three while learning
runs without a break, and so on. Each run of learning is followed by a bundle put in service, so
that every known sound is scored again, too. Printed are medians, from the least to the most, in
seconds after the file was closed.
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
LOOK_S = 0.005
PAUSE_S = 1.0
LENGTH_S = 30


class School:
    """Learns again and again, and puts another bundle in service after each time.

    Args:
        start: starts what the service itself would run.
        registry_dir: where it publishes.
    """

    def __init__(self, start: Callable[[], BackgroundJob], registry_dir: Path) -> None:
        self._start = start
        self._registry_dir = registry_dir
        self.turns = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Learn as long as this is held."""
        over, begun = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._learn, args=(over, begun))
        thread.start()
        try:
            begun.wait()
            yield
        finally:
            over.set()
            thread.join()

    def _learn(self, over: threading.Event, begun: threading.Event) -> None:
        while not over.is_set():
            errand = self._start()
            begun.set()
            errand.wait()
            ending = errand.exit_status()
            assert ending is not None
            assert ending[0] == 0, ending[1]
            errand.stop()
            registry.rollback(self._registry_dir)
            self.turns += 1


def annotate(catalogue: Catalogue, bundle: Path) -> None:
    """Annotates some known sounds, a little off what the bundle says."""
    with catalogue.engine.connect() as connection:
        statement = f"SELECT identity, vector FROM hearings ORDER BY 1 LIMIT {ANNOTATED}"
        rows = connection.exec_driver_sql(statement).all()
    said = load(bundle).predict(np.stack([unpack(vector) for _, vector in rows]))
    felt = zip(rows, said.arousal.tolist(), said.valence.tolist(), strict=True)
    given = [
        GivenAnnotation(identity, Path("bench"), "bench", arousal / 2, valence / 2, "bench")
        for (identity, _), arousal, valence in felt
    ]
    catalogue.annotations.add(given, datetime.now(UTC))


def until(catalogue: Path, statement: str, *values: Any) -> None:
    """Waits for a row."""
    with closing(sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)) as reading:
        while reading.execute(statement, values).fetchone() is None:
            time.sleep(LOOK_S)


def taken_s(catalogue: Path, made: Path, path: Path) -> float:
    """Puts a file there, and returns how long its row took after it was closed."""
    path.write_bytes(made.read_bytes())
    closed_s = time.monotonic()
    until(catalogue, "SELECT 1 FROM sounds WHERE path = ?", os.fspath(path))
    return time.monotonic() - closed_s


def measure(folder: Path, files: int, known: int) -> str:
    """Returns the figures in two lines and a ratio."""
    music, state = folder / "music", folder / "state"
    music.mkdir()
    add_trained_bundle(state / "bundles", seed=1)
    bundle = registry.published_bundle(state / "bundles")
    url = f"sqlite:///{state / 'catalogue.db'}"
    with closing(Catalogue(url)) as catalogue:
        fill(catalogue, bundle, known)
        annotate(catalogue, bundle)
    bundles, corpora = state / "bundles", state / "corpora"
    school = School(lambda: retrain_job(url, bundles, corpora, keep=2), bundles)
    valenced = Valenced(state, f"watch.settle_s={SETTLE_S}", "retrain.schedule=")
    taken: dict[bool, list[float]] = {False: [], True: []}
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        for number in range(2 * files):
            path = music / f"{number}.flac"
            made = write_audio(folder / "made.flac", music_like(LENGTH_S, seed=number), 44100)
            if number // BLOCK % 2:
                with school.open():
                    # Not each time in the same part of it.
                    time.sleep(PAUSE_S * (number % BLOCK))
                    taken[True].append(taken_s(valenced.catalogue, made, path))
            else:
                rest(valenced.catalogue, state / "bundles")
                taken[False].append(taken_s(valenced.catalogue, made, path))
        service.stop()
    return f"{_figures(taken)}\nlearned {school.turns} times"


def rest(catalogue: Path, registry_dir: Path) -> None:
    """Waits until everything is scored by the bundle in service."""
    name = registry.published_name(registry_dir)
    until(catalogue, "SELECT 1 FROM bundles WHERE in_service AND name = ?", name)
    until(catalogue, _ALL_SCORED, name)


_ALL_SCORED = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM predictions WHERE bundle <> ?)"


def _figures(taken: dict[bool, list[float]]) -> str:
    lines = [
        f"{name}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
        for name, times in (("quiet", taken[False]), ("while it learns", taken[True]))
    ]
    ratio = statistics.median(taken[True]) / statistics.median(taken[False])
    return "\n".join([*lines, f"ratio of the medians: {ratio:.2f}"])


def main() -> None:
    """Measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=12, help="of each kind")
    parser.add_argument("--known", type=int, default=2000, help="sounds in the catalogue")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.stdout.write(measure(Path(temporary), chosen.files, chosen.known) + "\n")


if __name__ == "__main__":
    main()
