"""People who annotate, have it learn, and change bundles, while the service is at work."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from trainer.bundles import bundle, registry
from trainer.features.vector_codec import unpack
from trainer.personal.annotation_arrays import AnnotationArrays
from trainer.regression.training_table import decode_table
from trainer.retraining.retrain import retrain

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

    from tests.driving import Valenced

TAUGHT: Final = "taught-1"
ACTS: Final = {
    "annotate": 0.25,
    "drop a table": 0.1,
    "wish to learn": 0.12,
    "train": 0.04,
    "publish a bundle": 0.08,
    "roll back": 0.06,
}
"""What people do, for each file that arrives."""

KILLED_SHARE = 0.3
LONGEST_S = {"annotate": 1.0, "train": 8.0, "publish": 1.5, "rollback": 1.5}
"""How long a command may live that is killed."""

MOST_LINES = 4
_HEARD = """
SELECT path, vector FROM clips JOIN hearings USING (identity) WHERE missing_since IS NULL
ORDER BY path
"""
_WISH = "INSERT OR IGNORE INTO wishes VALUES ('learn', ?)"


class Said(NamedTuple):
    """What one person said of one sound, and whether it surely came in."""

    arousal: float
    valence: float
    surely: bool


def feel(affect: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how people here feel what the starter predicts, shape (sounds, 2)."""
    felt: NDArray[np.float64] = np.clip(affect * 0.6 + (-0.35, 0.4), -1.0, 1.0)
    return felt.round(4)


def teach(registry_dir: Path, seed: int, sounds: int = 80) -> None:
    """Put a bundle into a new registry that people have taught, beside the starter in service."""
    starter = bundle.load(registry.prepare(registry_dir)[0])
    table = (registry.SHIPPED / bundle.TABLE).read_bytes()
    drawing = np.random.default_rng(seed)
    vectors = drawing.permutation(decode_table(table, "the starter").vectors)[:sounds]
    # Sounds that it was fitted on teach nothing; these only resemble them.
    vectors *= drawing.normal(1.0, 0.05, vectors.shape).astype(np.float32)
    ratings = feel(_affect(starter, vectors)) + drawing.normal(0.0, 0.02, (sounds, 2))
    annotations = AnnotationArrays(
        vectors=vectors,
        ratings=np.clip(ratings, -1.0, 1.0),
        raters=np.ones(sounds, np.intp),
        group=np.array([f"{number}" for number in range(sounds)]),
        folder=np.array([f"{number % 8}" for number in range(sounds)]),
    )
    outcome = retrain(registry_dir, annotations, seed=seed, name=TAUGHT)
    assert outcome.published, outcome.reason
    registry.rollback(registry_dir)


class People:
    """Whoever uses the real commands, and drops tables into `annotations/`.

    Args:
        valenced: the installation.
        rng: decides what they do.

    Attributes:
        said: by annotator; each says one thing of one sound.
        tables: the annotators of each table that was dropped.
        done: what they did.
        faults: commands that ended as none should.
    """

    def __init__(self, valenced: Valenced, rng: Random) -> None:
        self._valenced = valenced
        self._rng = rng
        self._starter = bundle.load(registry.SHIPPED, guarded=False)
        self._training: list[subprocess.Popen[bytes]] = []
        self._number = 0
        self.said: dict[str, Said] = {}
        self.tables: dict[str, list[str]] = {}
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []

    def act(self, what: str) -> None:
        """Do one thing."""
        getattr(self, "_" + what.replace(" ", "_"))()
        self.done[what] += 1

    def leave(self) -> None:
        """Wait for what was begun."""
        for process in self._training:
            self._end("train", process)
        self._training.clear()

    def _annotate(self) -> None:
        for path, said in self._heard(1):
            name = self._name()
            values = f"--arousal={said.arousal}", f"--valence={said.valence}"
            code = self._run("annotate", path, *values, "--by", name)
            if code <= 0:
                self.said[name] = said._replace(surely=code == 0)

    def _drop_a_table(self) -> None:
        lines = {self._name(): row for row in self._heard(self._rng.randint(1, MOST_LINES))}
        if not lines:
            return
        folder = self._valenced.catalogue.parent / "annotations"
        folder.mkdir(exist_ok=True)
        table = folder / f"table {self._number}.csv"
        with table.open("w", encoding="utf-8") as file:
            file.write("path,arousal,valence,annotator\n")
            for name, (path, said) in lines.items():
                file.write(f'"{path}",{said.arousal},{said.valence},{name}\n')
                self.said[name] = said._replace(surely=False)
        self.tables[table.name] = list(lines)

    def _wish_to_learn(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with closing(sqlite3.connect(self._valenced.catalogue, timeout=60)) as catalogue, catalogue:
            catalogue.execute(_WISH, [now])

    def _train(self) -> None:
        if self._dies():
            self._run("train", "--publish", dies=True)
        else:
            self._training.append(self._started("train", "--publish"))

    def _publish_a_bundle(self) -> None:
        folder = self._valenced.catalogue.parent / "bundles"
        names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
        current = registry.published_name(folder)
        kept = sorted({name for name in names if name[0] != "."} - {registry.CURRENT, current})
        self._run("bundles", "publish", self._rng.choice(kept))

    def _roll_back(self) -> None:
        self._run("bundles", "rollback")

    def _heard(self, most: int) -> list[tuple[Path, Said]]:
        """Choose some known files, and what a person says of each."""
        with closing(sqlite3.connect(self._valenced.catalogue, timeout=60)) as catalogue:
            rows = catalogue.execute(_HEARD).fetchall()
        chosen = self._rng.sample(rows, min(most, len(rows)))
        # A table may name a sound once only, however many files have it.
        chosen = list({vector: (path, vector) for path, vector in chosen}.values())
        if not chosen:
            return []
        felt = feel(_affect(self._starter, np.stack([unpack(vector) for _, vector in chosen])))
        said = [Said(arousal, valence, surely=False) for arousal, valence in felt.tolist()]
        return [(Path(path), one) for (path, _), one in zip(chosen, said, strict=True)]

    def _run(self, *command: str | Path, dies: bool | None = None) -> int:
        """Run a command to its end, or kill it on the way; return its exit code."""
        process = self._started(*command)
        name = str(command[1] if command[0] == "bundles" else command[0])
        if self._dies() if dies is None else dies:
            time.sleep(self._rng.uniform(0, LONGEST_S[name]))
            process.kill()
        return self._end(name, process)

    def _end(self, name: str, process: subprocess.Popen[bytes]) -> int:
        _, told = process.communicate()
        text = told.decode(errors="replace")
        code = process.returncode
        self.done[f"  {name}: {'killed' if code < 0 else f'exit code {code}'}"] += 1
        if "Traceback" in text:
            self.faults.append(f"{name} ended with {code}:\n{text}")
        return code

    def _started(self, *command: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._valenced.line(*command),
            env=self._valenced._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _dies(self) -> bool:
        return self._rng.random() < KILLED_SHARE

    def _name(self) -> str:
        self._number += 1
        return f"person {self._number}"


def _affect(by: bundle.Bundle, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    said = by.predict(vectors)
    return np.stack([said.arousal, said.valence], axis=1).astype(np.float64)
