"""Users who annotate, train and change bundles by real commands while the service runs."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tests.catalogue_rows import CLIPS, HEARINGS
from trainer.bundles import bundle, registry
from trainer.features.vector_codec import unpack
from trainer.personal.annotation_arrays import AnnotationArrays
from trainer.regression.training_table import decode_table
from trainer.retraining.retrain import retrain

if TYPE_CHECKING:
    import subprocess
    from random import Random

    from numpy.typing import NDArray

    from tests.driving import Valenced
    from tests.forked import Forked

TRAINED: Final = "taught-1"
ACTIONS: Final = {
    "annotate": 0.25,
    "drop a table": 0.1,
    "request training": 0.12,
    "train": 0.04,
    "publish a bundle": 0.08,
    "roll back": 0.06,
}
"""What users do, and how often for each new file."""

KILLED_SHARE = 0.3
LONGEST_S = {"annotate": 1.0, "train": 8.0, "publish": 1.5, "rollback": 1.5}
"""How long a command runs at most before it is killed."""

MOST_LINES = 4
_KNOWN = f"""
SELECT path, vector FROM {CLIPS} JOIN {HEARINGS} USING (identity) WHERE missing_since IS NULL
ORDER BY path
"""
_REQUEST = "INSERT OR IGNORE INTO wishes VALUES ('learn', ?)"


class GivenRating(NamedTuple):
    """What one annotator gave for one sound, and whether it must be stored."""

    arousal: float
    valence: float
    must_be_stored: bool


def personal_ratings(affect: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how the annotators here rate what the starter predicts, shape (sounds, 2)."""
    ratings: NDArray[np.float64] = np.clip(affect * 0.6 + (-0.35, 0.4), -1.0, 1.0)
    return ratings.round(4)


def add_trained_bundle(registry_dir: Path, seed: int, sounds: int = 80) -> None:
    """Create a registry with the starter published and a bundle trained on annotations besides."""
    starter = bundle.load(registry.prepare(registry_dir)[0])
    table = (bundle.SHIPPED / bundle.TABLE).read_bytes()
    drawing = np.random.default_rng(seed)
    clips = drawing.permutation(decode_table(table, "the starter").vectors)[: 2 * sounds]
    # The clips that the starter was fitted on teach nothing new; each of these lies between two.
    vectors = (clips[:sounds] + clips[sounds:]) / 2
    ratings = personal_ratings(_affect(starter, vectors)) + drawing.normal(0.0, 0.02, (sounds, 2))
    annotations = AnnotationArrays(
        vectors=vectors,
        ratings=np.clip(ratings, -1.0, 1.0),
        raters=np.ones(sounds, np.intp),
        group=np.array([f"{number}" for number in range(sounds)]),
        folder=np.array([f"{number % 8}" for number in range(sounds)]),
    )
    outcome = retrain(registry_dir, annotations, seed=seed, name=TRAINED)
    assert outcome.published, outcome.reason
    registry.rollback(registry_dir)


class Annotators:
    """Users of the real commands, who also drop tables into `annotations/`.

    Args:
        valenced: the installation.
        rng: decides what they do.

    Attributes:
        given: by annotator; each rates one sound once.
        tables: the annotators in each table that was dropped.
        done: how often each action was taken.
        faults: commands that ended with a traceback.
    """

    def __init__(self, valenced: Valenced, rng: Random) -> None:
        self._valenced = valenced
        self._rng = rng
        self._starter = bundle.load(bundle.SHIPPED, guarded=False)
        self._training: list[subprocess.Popen[bytes] | Forked] = []
        self._number = 0
        self.given: dict[str, GivenRating] = {}
        self.tables: dict[str, list[str]] = {}
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []

    def act(self, action: str) -> None:
        """Take one action."""
        getattr(self, "_" + action.replace(" ", "_"))()
        self.done[action] += 1

    def finish(self) -> None:
        """Wait for the trainings that were started."""
        for process in self._training:
            self._end("train", process)
        self._training.clear()

    def _annotate(self) -> None:
        for path, rating in self._rated(1):
            name = self._name()
            values = f"--arousal={rating.arousal}", f"--valence={rating.valence}"
            code = self._run("annotate", path, *values, "--by", name)
            if code <= 0:
                self.given[name] = rating._replace(must_be_stored=code == 0)

    def _drop_a_table(self) -> None:
        lines = {self._name(): row for row in self._rated(self._rng.randint(1, MOST_LINES))}
        if not lines:
            return
        folder = self._valenced.catalogue.parent / "annotations"
        folder.mkdir(exist_ok=True)
        table = folder / f"table {self._number}.csv"
        with table.open("w", encoding="utf-8") as file:
            file.write("path,arousal,valence,annotator\n")
            for name, (path, rating) in lines.items():
                file.write(f'"{path}",{rating.arousal},{rating.valence},{name}\n')
                self.given[name] = rating
        self.tables[table.name] = list(lines)

    def _request_training(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with closing(sqlite3.connect(self._valenced.catalogue, timeout=60)) as catalogue, catalogue:
            catalogue.execute(_REQUEST, [now])

    def _train(self) -> None:
        if self._is_killed():
            self._run("train", "--publish", killed=True)
        else:
            self._training.append(self._started("train", "--publish"))

    def _publish_a_bundle(self) -> None:
        folder = self._valenced.catalogue.parent / "bundles"
        names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
        current = registry.published_name(folder)
        others = sorted({name for name in names if name[0] != "."} - {registry.CURRENT, current})
        self._run("bundles", "publish", self._rng.choice(others))

    def _roll_back(self) -> None:
        self._run("bundles", "rollback")

    def _rated(self, most: int) -> list[tuple[Path, GivenRating]]:
        """Choose some known files, and rate each."""
        with closing(sqlite3.connect(self._valenced.catalogue, timeout=60)) as catalogue:
            rows = catalogue.execute(_KNOWN).fetchall()
        chosen = self._rng.sample(rows, min(most, len(rows)))
        # A table may name a sound once only, however many files have it.
        chosen = list({vector: (path, vector) for path, vector in chosen}.values())
        if not chosen:
            return []
        ratings = personal_ratings(
            _affect(self._starter, np.stack([unpack(vector) for _, vector in chosen]))
        )
        return [
            (Path(path), GivenRating(arousal, valence, must_be_stored=False))
            for (path, _), (arousal, valence) in zip(chosen, ratings.tolist(), strict=True)
        ]

    def _run(self, *command: str | Path, killed: bool | None = None) -> int:
        """Run a command to its end, or kill it meanwhile; return its exit code."""
        process = self._started(*command)
        name = str(command[1] if command[0] == "bundles" else command[0])
        if self._is_killed() if killed is None else killed:
            time.sleep(self._rng.uniform(0, LONGEST_S[name]))
            process.kill()
        return self._end(name, process)

    def _end(self, name: str, process: subprocess.Popen[bytes] | Forked) -> int:
        text = process.communicate()[1].decode(errors="replace")
        code = process.wait()
        self.done[f"  {name}: {'killed' if code < 0 else f'exit code {code}'}"] += 1
        if "Traceback" in text:
            self.faults.append(f"{name} ended with {code}:\n{text}")
        return code

    def _started(self, *command: str | Path) -> subprocess.Popen[bytes] | Forked:
        return self._valenced.launch(*command)

    def _is_killed(self) -> bool:
        return self._rng.random() < KILLED_SHARE

    def _name(self) -> str:
        self._number += 1
        return f"person {self._number}"


def _affect(predictor: bundle.Bundle, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    predicted = predictor.predict(vectors)
    return np.stack([predicted.arousal, predicted.valence], axis=1).astype(np.float64)
