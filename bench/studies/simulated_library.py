"""A library of sounds whose true ratings are known, for studies of the personal layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.trainer.personal.listeners import Taste, halves_of_the_starter
from trainer.bundles.bundle import SHIPPED, Bundle
from trainer.bundles.bundle_manifest import decode_manifest
from trainer.personal.annotation_arrays import group_keys, sound_keys
from trainer.personal.gaussian_process import RatedSounds, fit_residual_process
from trainer.personal.layer import PersonalLayer, fit_space
from trainer.regression.joint import JointRegression
from trainer.regression.kind_kernel import DIMENSIONS
from trainer.retraining.candidate import AnnotatedPredictions, predict_annotated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

HELD_OUT = 200

TASTES: Mapping[str, Taste] = {
    "as the corpora": Taste(),
    "offset .25": Taste(offset=(0.25, -0.25)),
    "gain 1.6": Taste(gain=1.6),
    "gain .5": Taste(gain=0.5),
    "offset .2, gain 1.4": Taste(offset=(0.2, -0.2), gain=1.4),
    "VGMIDI inverted": Taste(inverted="vgmidi"),
    "Emotify inverted": Taste(inverted="emotify"),
    "sounds inverted": Taste(inverted="sound"),
    "offset .25, gain 1.2, VGMIDI inverted": Taste((0.25, -0.25), 1.2, "vgmidi"),
    "offset .25, gain 1.2, Emotify inverted": Taste((0.25, -0.25), 1.2, "emotify"),
    "offset .25, gain 1.2, sounds inverted": Taste((0.25, -0.25), 1.2, "sound"),
    "the first of these three, noise .3": Taste((0.25, -0.25), 1.2, "vgmidi", wavering=0.3),
}
"""Rules by which simulated persons rate."""


@dataclass(frozen=True)
class Library:
    """A regression fitted on one half of the shipped table, and the sounds of the other half.

    Attributes:
        seed: of the halves and the order.
        fitted: the half that was fitted on.
        sounds: the other half.
        bundle: the regression, with an empty layer.
        predictions: of all sounds by the bundle.
        scores: normal scores of all sounds.
        order: all sounds, shuffled.
    """

    seed: int
    fitted: TrainingTable
    sounds: TrainingTable
    bundle: Bundle
    predictions: AnnotatedPredictions
    scores: NDArray[np.float32]
    order: Rows

    @property
    def held_out(self) -> Rows:
        """The sounds that are never annotated."""
        return self.order[:HELD_OUT]

    def annotated(self, count: int) -> Rows:
        """Returns the first sounds to be annotated."""
        return self.order[HELD_OUT : HELD_OUT + count]


def library_of(seed: int) -> Library:
    """Fits on one half of the shipped table."""
    fitted, sounds = halves_of_the_starter(seed)
    draft = decode_manifest((SHIPPED / "manifest.json").read_bytes(), "the starter")
    regression = JointRegression().fit(fitted)
    space = fit_space(regression.kernel_.scores_of(fitted.vectors))
    # An empty layer changes no prediction, and saves each comparison the search for the space.
    empty = PersonalLayer(space, None, None)
    bundle = Bundle(draft.model_copy(update={"name": "half"}), regression, empty)
    predictions = predict_annotated(bundle, space, sounds.vectors)
    scores = bundle.normal_scores(sounds.vectors)
    order = np.random.default_rng(seed).permutation(len(sounds))
    return Library(seed, fitted, sounds, bundle, predictions, scores, order)


def layer_predictions(
    library: Library, ratings: Floats, rows: Rows, predictions: AnnotatedPredictions, at: Rows
) -> Floats:
    """Predicts some sounds by layers fitted on others.

    Args:
        library: the sounds.
        ratings: of all sounds, shape (sounds, 2).
        rows: the sounds that layers are fitted on.
        predictions: of all sounds, before the layer.
        at: the sounds to predict.

    Returns:
        Shape (len(at), 2).
    """
    columns = []
    for dim in range(len(DIMENSIONS)):
        rated = RatedSounds(
            positions=predictions.positions[rows],
            predicted=predictions.predicted[rows, dim],
            rating=ratings[rows, dim],
            raters=np.ones(len(rows)),
            sound=sound_keys(library.sounds.vectors[rows]),
            group=group_keys(library.sounds.path[rows]),
        )
        layer = fit_residual_process(rated, library.seed)
        columns.append(layer.predict(predictions.positions[at], predictions.predicted[at, dim]))
    return np.stack(columns, axis=1)
