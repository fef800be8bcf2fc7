"""Sounds by the distance of their features, by way of sketches."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daemon.pipeline.similarity import Similarity
from storage.catalogue import Catalogue
from storage.schema.records import FeatureRecord, Prediction, TagState
from storage.schema.sound_filter import SoundFilter
from storage.search.reader import open_finder
from tests.catalogue_rows import KnownSound, add_sounds
from tests.records import NOON, analysis, stamp
from tests.sounds import tone, write_audio
from tests.trainer.regression.rated import small_draft, small_table
from trainer.bundles.bundle import load, write_bundle
from trainer.features.extract import CANONICAL
from trainer.features.vector_codec import pack
from trainer.regression.joint import JointRegression

if TYPE_CHECKING:
    from collections.abc import Iterator

HEARING = CANONICAL.key
SOUNDS = 150
BATCH = 100


class KnowingWorker:
    """Says of every file that it holds the first sound of the catalogue."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self, registry: Path) -> tuple[Path, None]:
        del registry
        return self._directory, None

    def identify(self, sound: object) -> str:
        del sound
        return "sound 0"


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.pipeline.similarity._BATCH", BATCH)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawing = np.random.default_rng(4)
    near = small_table().vectors[drawing.integers(0, 140, SOUNDS)]
    drawn: np.ndarray = (near * drawing.normal(1, 0.3, near.shape)).astype(np.float32)
    return drawn


@pytest.fixture(scope="module")
def similarity(
    tmp_path_factory: pytest.TempPathFactory, vectors: np.ndarray
) -> Iterator[tuple[Similarity, Catalogue, Path]]:
    folder = tmp_path_factory.mktemp("similar")
    table = small_table()
    draft = small_draft(table).model_copy(update={"hearing": HEARING})
    write_bundle(folder / "small-1", draft, JointRegression().fit(table), table, registry=folder)
    file = write_audio(folder / "wanted.wav", tone(1))
    with closing(Catalogue(f"sqlite:///{folder / 'catalogue.db'}")) as catalogue:
        sounds = [
            KnownSound(f"sound {number}", Path(f"/m/{number % 7}/{number}.mp3"), pack(vector))
            for number, vector in enumerate(vectors)
        ]
        values = Prediction("small-1", *(0.0,) * 7)
        add_sounds(catalogue, sounds, settings=HEARING, prediction=values, curve=[])
        worker = KnowingWorker(folder / "small-1")
        yield Similarity(catalogue, worker, folder), catalogue, file  # type: ignore[arg-type]


def nearest(
    similarity: tuple[Similarity, Catalogue, Path], **asked: object
) -> list[tuple[str, float | None]]:
    compares, catalogue, file = similarity
    with open_finder(catalogue.url) as finder:
        found = compares.nearest(file, SoundFilter(**asked), finder)  # type: ignore[arg-type]
    return [(similar.sound.path.stem, similar.distance) for similar in found]


def test_candidates_by_sketch_hold_the_nearest(
    similarity: tuple[Similarity, Catalogue, Path],
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("daemon.pipeline.similarity._CANDIDATES", 40)
    file = similarity[2]
    bundle = load(file.parent / "small-1")
    scores = bundle.normal_scores(vectors)
    scores /= np.linalg.norm(scores, axis=1, keepdims=True)
    exact = 1 - scores @ scores[0]
    found = nearest(similarity, limit=5)
    assert found[0][0] == "0"
    assert found[0][1] == pytest.approx(0, abs=1e-3)
    best = set(np.argsort(exact)[:5].tolist())
    assert len(best & {int(name) for name, _ in found}) >= 4
    for name, distance in found:
        assert distance == pytest.approx(float(exact[int(name)]), abs=5e-3)
    in_folder = nearest(similarity, limit=5, under=Path("/m/3"))
    assert [int(name) % 7 for name, _ in in_folder] == [3] * 5
    assert len(nearest(similarity)) == SOUNDS


def test_new_and_changed_sounds_are_sketched_and_damaged_ones_come_last(
    similarity: tuple[Similarity, Catalogue, Path], vectors: np.ndarray
) -> None:
    compares, catalogue, _ = similarity
    counts: list[int] = []
    compares.sketch(counts.append)
    compares.sketch(counts.append)
    assert sum(counts) in {0, BATCH + SOUNDS}
    values = Prediction("small-1", *(0.0,) * 7)
    new = KnownSound("twin", Path("/m/twin.mp3"), pack(vectors[0]))
    bad = KnownSound("bad", Path("/m/bad.mp3"), b"\x01")
    add_sounds(catalogue, [new, bad], settings=HEARING, prediction=values, curve=[])
    catalogue.queue.put([(Path("/m/4/4.mp3"), stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    heard = analysis("sound 4", 0.0, 0.0)
    features = FeatureRecord("sound 4", HEARING, 1.0, pack(vectors[0]))
    catalogue.record(entry, "sound 4", TagState.OFF, NOON, replace(heard, features=features))
    found = nearest(similarity)
    alike = {name for name, distance in found if distance is not None and distance < 1e-3}
    assert alike >= {"4", "twin"}
    assert found[-1] == ("bad", None)
