"""Measures what a bundle learns from its listeners, and whether the gate can be fooled.

    python -m bench.studies.personal_layer_study layers --seeds 10 [--annotations 60]
    python -m bench.studies.personal_layer_study refits --seeds 2
    python -m bench.studies.personal_layer_study gate --seeds 50

For each seed the shipped table is split into two halves that share no group. A regression is fitted
on one; simulated listeners rate the other, from its true ratings. They annotate some sounds of it,
and 200 others are asked of. Errors are RMSE over both dimensions, averaged over seeds.

`layers` asks the layer as it ships, the same without places (an offset and a gain for all sounds),
what the gate lets into service, and somebody who is told the listener's rule and applies it to what
the regression says: little can be gained beyond that. `refits` asks regressions into whose table
the annotations were put, with and without a layer above. `gate` counts what random ratings get
published.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.trainer.personal.listeners import Taste, annotated, halves_of_the_starter
from trainer.bundles.bundle import Bundle
from trainer.bundles.bundle_manifest import decode_manifest
from trainer.bundles.registry import SHIPPED
from trainer.personal.annotation_arrays import group_keys, sound_keys
from trainer.personal.gaussian_process import RatedSounds, fit_residual_process
from trainer.personal.layer import PersonalLayer, fit_space
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.kernel_expert import DIMENSIONS
from trainer.retraining.candidate import AnnotatedPredictions, fit_candidate, predict_annotated
from trainer.retraining.refit import BaseRegression

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.regression.mixture import ExpertMixture
    from trainer.regression.training_table import TrainingTable

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

ASKED = 200
COUNTS = (5, 20, 60, 200)
WEIGHTS = (0.3, 1.0, 3.0)
REFITTED = (
    "as the corpora",
    "offset .25",
    "gain 1.6",
    "offset .25, gain 1.2, VGMIDI inverted",
    "offset .25, gain 1.2, sounds inverted",
)
INNER_FOLDS = 5

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


@dataclass(frozen=True)
class Library:
    """A regression fitted on one half, and the sounds of the other."""

    seed: int
    fitted: TrainingTable
    sounds: TrainingTable
    bundle: Bundle
    met: AnnotatedPredictions
    scores: NDArray[np.float32]
    order: Rows

    @property
    def asked(self) -> Rows:
        """The sounds that are never annotated."""
        return self.order[:ASKED]

    def rated(self, count: int) -> Rows:
        """The sounds that are annotated."""
        return self.order[ASKED : ASKED + count]


def library(seed: int) -> Library:
    """Fit on one half of the shipped table."""
    fitted, sounds = halves_of_the_starter(seed)
    draft = decode_manifest((SHIPPED / "manifest.json").read_bytes(), "the starter")
    regression = JointRegression().fit(fitted)
    space = fit_space(regression.experts_.music.scale.scores(fitted.vectors))
    # An empty layer says nothing, and spares each comparison the search for the space.
    bundle = Bundle(
        draft.model_copy(update={"name": "half"}), regression, PersonalLayer(space, None, None)
    )
    met = predict_annotated(bundle, space, sounds.vectors)
    order = np.random.default_rng(seed).permutation(len(sounds))
    return Library(seed, fitted, sounds, bundle, met, bundle.normal_scores(sounds.vectors), order)


def layer_of(known: Library, ratings: Floats, rows: Rows, met: AnnotatedPredictions) -> Floats:
    """What layers fitted on some rows say of the sounds that are asked of, both dimensions."""
    asked = known.asked
    columns = []
    for dim in range(len(DIMENSIONS)):
        rated = RatedSounds(
            positions=met.positions[rows],
            predicted=met.predicted[rows, dim],
            rating=ratings[rows, dim],
            raters=np.ones(len(rows)),
            sound=sound_keys(known.sounds.vectors[rows]),
            group=group_keys(known.sounds.path[rows]),
        )
        fitted = fit_residual_process(rated, known.seed)
        columns.append(fitted.predict(met.positions[asked], met.predicted[asked, dim]))
    return np.stack(columns, axis=1)


def served(known: Library, layer: PersonalLayer, ratings: Floats) -> tuple[Floats, Floats]:
    """What a layer makes of the sounds asked of, and the share its intervals hold, by dimension."""
    asked = known.asked
    before = known.bundle.regression.predict_all(known.sounds.vectors[asked])
    said = layer.adjust(before, known.scores[asked])
    held = [
        np.mean(
            (getattr(said, f"{name}_low") <= ratings[asked, dim])
            & (ratings[asked, dim] <= getattr(said, f"{name}_high"))
        )
        for dim, name in enumerate(DIMENSIONS)
    ]
    return np.stack([said.arousal, said.valence], axis=1), np.array(held)


def layers(seeds: range, counts: Sequence[int]) -> None:
    """Print the errors of each listener and number of annotations."""
    found: dict[tuple[str, int], list[tuple[Floats, ...]]] = {}
    for seed in seeds:
        known = library(seed)
        for name, taste in TASTES.items():
            for count in counts:
                row = _layers_of(known, taste, known.rated(count))
                found.setdefault((name, count), []).append(row)
    print(
        "| person | annotations | before | constant | knows the rule | offset and gain | layer "
        "| reduction | arousal | valence | seeds of 30 % | published | reduction as published "
        "| seeds of 30 % "
        "| coverage |"
    )
    print("| --- " * 15 + "|")
    for (name, count), rows in found.items():
        print(f"| {name} | {count} | {_layers_text(rows)} |")


def _layers_of(known: Library, taste: Taste, rows: Rows) -> tuple[Floats, ...]:
    ratings = taste.ratings(known.sounds, known.seed)
    told = np.clip(taste.felt(known.sounds, known.met.predicted), -1.0, 1.0)[known.asked]
    nowhere = replace(known.met, positions=np.zeros_like(known.met.positions))
    base = BaseRegression(known.bundle, known.fitted)
    found = fit_candidate(known.bundle, base, annotated(known.sounds, ratings, rows), known.seed)
    truth = ratings[known.asked]
    plain = known.met.predicted[known.asked]
    in_service, held = (plain, np.full(2, np.nan))
    if found.comparison.passed:
        in_service, held = served(known, found.personal, ratings)
    constant = np.broadcast_to(ratings[rows].mean(axis=0), truth.shape)
    said = (
        plain,
        constant,
        layer_of(known, ratings, rows, nowhere),
        layer_of(known, ratings, rows, known.met),
        told,
        in_service,
    )
    passed = np.array([float(each.passed) for each in found.comparison.dimensions])
    return (*(np.square(truth - each).mean(axis=0) for each in said), passed, held)


def _layers_text(rows: list[tuple[Floats, ...]]) -> str:
    before, constant, affine, layer, told, in_service, passed, held = map(
        np.array, zip(*rows, strict=True)
    )

    def error(squares: Floats) -> Floats:
        errors: Floats = np.sqrt(squares.mean(axis=1))
        return errors

    falls, kept = 1 - error(layer) / error(before), 1 - error(in_service) / error(before)
    by_dimension = (1 - np.sqrt(layer) / np.sqrt(before)).mean(axis=0)
    holding = held[passed > 0]
    coverage = f"{holding.mean():.0%}" if len(holding) else "-"
    return " | ".join([
        *(f"{error(each).mean():.3f}" for each in (before, constant, told, affine, layer)),
        f"{falls.mean():.0%} ({falls.min():.0%} to {falls.max():.0%})",
        *(f"{each:.0%}" for each in by_dimension),
        f"{np.sum(falls >= 0.3)}/{len(falls)}",
        "/".join(str(int(each)) for each in passed.sum(axis=0)),
        f"{kept.mean():.0%}",
        f"{np.sum(kept >= 0.3)}/{len(kept)}",
        coverage,
    ])  # fmt: skip


def refits(seeds: range, counts: Sequence[int]) -> None:
    """Print the errors of regressions that were fitted on the annotations too."""
    print(
        "| person | annotations | before | layer | "
        + " | ".join(f"weight {w:g}" for w in WEIGHTS)
        + " | rows and layer |"
    )
    print("| --- " * (5 + len(WEIGHTS)) + "|")
    found: dict[tuple[str, int], list[list[float]]] = {}
    for seed in seeds:
        known = library(seed)
        for name in REFITTED:
            ratings = TASTES[name].ratings(known.sounds, seed)
            for count in counts:
                found.setdefault((name, count), []).append(
                    list(_refits_of(known, ratings, known.rated(count)))
                )
    for (name, count), rows in found.items():
        mean = np.mean(rows, axis=0)
        print(f"| {name} | {count} | " + " | ".join(f"{each:.3f}" for each in mean) + " |")


def _refits_of(known: Library, ratings: Floats, rows: Rows) -> Iterator[float]:
    truth, asked = ratings[known.asked], known.asked

    def error(said: Floats) -> float:
        return float(np.sqrt(np.square(truth - np.clip(said, -1.0, 1.0)).mean()))

    yield error(known.met.predicted[asked])
    layer = layer_of(known, ratings, rows, known.met)
    yield error(layer)
    for weight in WEIGHTS:
        joint = joined(known, ratings, rows, weight)
        yield error(experts(joint).predict(known.sounds.vectors[asked]).affect)
    yield error(_rows_and_layer(known, ratings, rows))


def joined(known: Library, ratings: Floats, rows: Rows, weight: float) -> TrainingTable:
    """The fitted half with annotations as rows of their own, learned by whom the gate says."""
    share = known.bundle.regression.experts_.predict(known.sounds.vectors[rows]).music_share
    side = np.where(share >= 0.5, "music", "sound")
    own = known.fitted

    count = len(rows)
    columns: dict[str, Any] = {
        "vectors": known.sounds.vectors[rows],
        "ratings": ratings[rows],
        "weight": np.full(count, weight),
        "path": known.sounds.path[rows],
        "corpus": np.full(count, "annotations"),
        "domain": side,
        "follows": side,
        "group": known.sounds.path[rows],
    }
    joint = {name: np.concatenate([getattr(own, name), more]) for name, more in columns.items()}
    return replace(own, **joint)


def experts(table: TrainingTable) -> ExpertMixture:
    """Fit the two experts as the regression does, without intervals."""
    return JointRegression().fit_experts(table)


def _rows_and_layer(known: Library, ratings: Floats, rows: Rows) -> Floats:
    """Refit with the annotations as rows, mapped back by the layer's departure, and a layer above.

    The layer has to know what the regression says of sounds it has not met, hence the inner folds.
    """
    back = ratings.copy()
    back[rows] = np.clip(
        known.met.predicted[rows] + ratings[rows] - _back(known, ratings, rows), -1, 1
    )
    said = known.met.predicted.copy()
    folds = grouped_folds(
        np.zeros(len(rows), dtype=np.str_), known.sounds.path[rows], INNER_FOLDS, 1
    )
    for fold in range(INNER_FOLDS):
        left = experts(joined(known, back, rows[folds != fold], 1.0))
        held = rows[folds == fold]
        said[held] = np.clip(left.predict(known.sounds.vectors[held]).affect, -1.0, 1.0)
    whole = experts(joined(known, back, rows, 1.0))
    said[known.asked] = np.clip(whole.predict(known.sounds.vectors[known.asked]).affect, -1.0, 1.0)
    return layer_of(known, ratings, rows, replace(known.met, predicted=said))


def _back(known: Library, ratings: Floats, rows: Rows) -> Floats:
    """What the layer says of the very sounds it was fitted on."""
    return layer_of(replace(known, order=np.concatenate([rows, rows])), ratings, rows, known.met)[
        : len(rows)
    ]


def gate(seeds: range, counts: Sequence[int]) -> None:
    """Print how often ratings that know nothing of their sounds are published."""
    published = {(kind, count): [0, 0, 0] for kind in _DICE for count in counts}
    libraries = [library(seed) for seed in range(min(10, len(seeds)))]
    for seed in seeds:
        known = libraries[seed % len(libraries)]
        for (kind, count), found in published.items():
            drawing = np.random.default_rng([seed, count])
            ratings = _DICE[kind](drawing, known.sounds)
            rows = known.order[drawing.permutation(len(known.order))[:count]]
            base = BaseRegression(known.bundle, known.fitted)
            annotations = annotated(known.sounds, ratings, rows)
            comparison = fit_candidate(known.bundle, base, annotations, seed).comparison
            found[0] += comparison.passed
            found[1] += comparison.dimensions[0].passed
            found[2] += comparison.dimensions[1].passed
    print("| ratings | annotations | published | arousal | valence | seeds |")
    print("| --- " * 6 + "|")
    for (kind, count), found in published.items():
        print(f"| {kind} | {count} | " + " | ".join(map(str, found)) + f" | {len(seeds)} |")


_DICE = {
    "uniform": lambda drawing, table: drawing.uniform(-1.0, 1.0, table.ratings.shape),
    "normal around .4": lambda drawing, table: np.clip(
        drawing.normal(0.4, 0.3, table.ratings.shape), -1.0, 1.0
    ),
    "true ratings, shuffled": lambda drawing, table: drawing.permutation(table.ratings),
}


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["layers", "refits", "gate"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--annotations", type=int, nargs="+", default=COUNTS)
    chosen = parser.parse_args()
    study = {"layers": layers, "refits": refits, "gate": gate}[chosen.what]
    study(range(chosen.seeds), chosen.annotations)


if __name__ == "__main__":
    main()
