"""Simulated listeners: people who rate real sounds consistently, and not as the corpora do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.bundles.bundle import SHIPPED, TABLE, write_bundle
from trainer.bundles.bundle_manifest import Manifest, decode_manifest
from trainer.personal.annotation_arrays import AnnotationArrays
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.training_table import TrainingTable, decode_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Taste:
    """How a listener feels what the raters of the corpora felt.

    Attributes:
        offset: added to arousal and valence.
        gain: what ratings are multiplied by first.
        inverted: corpus or domain whose sounds are felt the other way round; "" for none.
        wavering: standard deviation of a rating, were it given again.
    """

    offset: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    inverted: str = ""
    wavering: float = 0.05

    def ratings(self, table: TrainingTable, seed: int) -> NDArray[np.float64]:
        """Rate every clip of a table, shape (clips, 2), in [-1, 1]."""
        drawing = np.random.default_rng(seed)
        wavered = self.felt(table, table.ratings)
        wavered = wavered + drawing.normal(0.0, self.wavering, wavered.shape)
        rated: NDArray[np.float64] = np.clip(wavered, -1.0, 1.0)
        return rated

    def felt(self, table: TrainingTable, affect: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how clips of a table are felt to which others give an affect, shape (clips, 2)."""
        turned = (table.corpus == self.inverted) | (table.domain == self.inverted)
        felt: NDArray[np.float64] = np.where(turned, -self.gain, self.gain)[:, None] * affect
        return felt + self.offset


def halves_of_the_starter(seed: int) -> tuple[TrainingTable, TrainingTable]:
    """Return two halves of the shipped table that share no group."""
    table = decode_table((SHIPPED / TABLE).read_bytes(), "the starter")
    half = grouped_folds(table.corpus, table.group, 2, seed)
    return table.subset(half == 0), table.subset(half == 1)


def write_base(directory: Path, table: TrainingTable, name: str = "base-1") -> Manifest:
    """Fit a bundle on a table of real sounds and write it."""
    content = (SHIPPED / "manifest.json").read_bytes()
    draft = decode_manifest(content, "the starter").model_copy(update={"name": name})
    regression = JointRegression().fit(table)
    return write_bundle(directory / name, draft, regression, table, registry=directory)


def annotated(
    table: TrainingTable, ratings: NDArray[np.float64], rows: NDArray[np.intp]
) -> AnnotationArrays:
    """Return some clips of a table as one person's annotations; its groups are where they lie."""
    return AnnotationArrays(
        vectors=table.vectors[rows],
        ratings=ratings[rows],
        raters=np.ones(len(rows), dtype=np.intp),
        group=table.path[rows],
        folder=table.group[rows],
    )
