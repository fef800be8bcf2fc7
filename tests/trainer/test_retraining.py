from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.listeners import Taste, annotated, halves_of_the_starter, write_base
from trainer import bundle, registry
from trainer.errors import BundleError, TooFewAnnotations
from trainer.measures import rmse
from trainer.retraining import retrain

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.table import TrainingTable

CONTRARY = Taste(offset=(0.25, -0.25), gain=1.2, inverted="vgmidi")


@dataclass(frozen=True)
class Library:
    """Sounds that the bundle in service was not fitted on, in an order drawn once."""

    pristine: Path
    sounds: TrainingTable
    order: NDArray[np.intp]

    def test_rows(self) -> NDArray[np.intp]:
        return self.order[:200]

    def rated_rows(self, count: int) -> NDArray[np.intp]:
        return self.order[200 : 200 + count]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    pristine = tmp_path_factory.mktemp("registry")
    fitted, sounds = halves_of_the_starter(seed=4)
    write_base(pristine, fitted)
    registry.publish(pristine, "base-1")
    return Library(pristine, sounds, np.random.default_rng(4).permutation(len(sounds)))


@pytest.fixture
def kept(library: Library, tmp_path: Path) -> Path:
    """Return a registry that a test may change."""
    directory = tmp_path / "bundles"
    shutil.copytree(library.pristine, directory, symlinks=True)
    return directory


def errors(
    kept: Path, name: str, library: Library, ratings: NDArray[np.float64]
) -> tuple[float, float, float]:
    """RMSE of arousal, of valence and of both on the sounds that were not annotated."""
    rows = library.test_rows()
    said = bundle.load(kept / name).predict(library.sounds.vectors[rows])
    both = np.stack([said.arousal, said.valence], axis=1)
    return (
        rmse(ratings[rows, 0], both[:, 0]),
        rmse(ratings[rows, 1], both[:, 1]),
        rmse(ratings[rows], both),
    )


def test_sixty_annotations_of_a_consistent_listener_take_a_third_off_the_error(
    kept: Path, library: Library
) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    before = errors(kept, "base-1", library, ratings)
    outcome = retrain(kept, annotated(library.sounds, ratings, library.rated_rows(60)), seed=1)
    after = errors(kept, outcome.name, library, ratings)
    assert outcome.published
    assert registry.bundle_in_service(kept).name == outcome.name
    assert after[2] <= 0.7 * before[2]
    assert after[0] < before[0]
    assert after[1] < before[1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sixty_random_annotations_are_not_published(
    kept: Path, library: Library, seed: int
) -> None:
    dice = np.random.default_rng(seed).uniform(-1.0, 1.0, (len(library.sounds), 2))
    outcome = retrain(kept, annotated(library.sounds, dice, library.rated_rows(60)), seed=seed)
    assert not outcome.published
    assert registry.bundle_in_service(kept).name == "base-1"
    manifest = registry.kept(kept)[outcome.name]
    assert not isinstance(manifest, BundleError)
    assert manifest.comparison == outcome.comparison


def test_five_annotations_are_too_few_for_the_test(kept: Path, library: Library) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    outcome = retrain(kept, annotated(library.sounds, ratings, library.rated_rows(5)), seed=1)
    assert not outcome.published
    assert registry.bundle_in_service(kept).name == "base-1"


def test_none_is_an_error(kept: Path, library: Library) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    with pytest.raises(TooFewAnnotations, match="nothing is annotated"):
        retrain(kept, annotated(library.sounds, ratings, library.rated_rows(0)), seed=1)
    assert sorted(registry.kept(kept)) == ["base-1"]


def test_what_was_published_can_be_rolled_back(kept: Path, library: Library) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    annotations = annotated(library.sounds, ratings, library.rated_rows(60))
    outcome = retrain(kept, annotations, seed=1)
    assert registry.previous(kept) == "base-1"
    assert registry.rollback(kept) == "base-1"
    assert registry.bundle_in_service(kept).name == "base-1"
    assert registry.rollback(kept) == outcome.name
