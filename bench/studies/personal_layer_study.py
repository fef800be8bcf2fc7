"""Measures what personal layers learn from annotations, and what the acceptance test lets pass.

    python -m bench.studies.personal_layer_study layers --seeds 10 [--annotations 60]
    python -m bench.studies.personal_layer_study refits --seeds 2
    python -m bench.studies.personal_layer_study gate --seeds 50

For each seed the shipped table is split into two halves that share no group. A regression is fitted
on one. Simulated persons rate the other, by a rule applied to its true ratings; they annotate some
of its sounds, and 200 others are held out. Errors are RMSE over both dimensions, averaged over
seeds.

`layers` compares the layer, a layer without positions (an offset and a gain for all sounds), what
the acceptance test publishes, and the person's rule applied to the predictions of the regression,
beyond which little can be gained. `refits` compares regressions that were fitted on the
annotations, too, with and without a layer. `gate` counts how often random ratings are published.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.studies.simulated_library import TASTES, Library, layer_predictions, library_of
from tests.trainer.personal.listeners import Taste, annotated
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.kind_kernel import DIMENSIONS, KINDS
from trainer.retraining.candidate import fit_candidate
from trainer.retraining.refit import BaseRegression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from trainer.personal.layer import PersonalLayer
    from trainer.regression.kind_kernel import KindKernel
    from trainer.regression.training_table import TrainingTable

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

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


def layers(seeds: range, counts: Sequence[int]) -> None:
    """Prints the errors for each person and number of annotations."""
    found: dict[tuple[str, int], list[tuple[Floats, ...]]] = {}
    for seed in seeds:
        library = library_of(seed)
        for name, taste in TASTES.items():
            for count in counts:
                errors = _layer_errors(library, taste, library.annotated(count))
                found.setdefault((name, count), []).append(errors)
    print(
        "| person | annotations | before | constant | knows the rule | offset and gain | layer "
        "| reduction | arousal | valence | seeds of 30 % | published | reduction as published "
        "| seeds of 30 % "
        "| coverage |"
    )
    print("| --- " * 15 + "|")
    for (name, count), rows in found.items():
        print(f"| {name} | {count} | {_layers_text(rows)} |")


def _layer_errors(library: Library, taste: Taste, rows: Rows) -> tuple[Floats, ...]:
    """Returns mean squared errors by dimension, which passed, and the coverage of intervals."""
    ratings, at = taste.ratings(library.sounds, library.seed), library.held_out
    truth, before = ratings[at], library.predictions.predicted
    by_rule = np.clip(taste.felt(library.sounds, before), -1.0, 1.0)[at]
    positions = np.zeros_like(library.predictions.positions)
    unplaced = replace(library.predictions, positions=positions)
    base = BaseRegression(library.bundle, library.fitted)
    annotations = annotated(library.sounds, ratings, rows)
    candidate = fit_candidate(library.bundle, base, annotations, library.seed)
    published, coverage = before[at], np.full(2, np.nan)
    if candidate.comparison.passed:
        published, coverage = _published(library, candidate.personal, ratings)
    compared = (
        before[at],
        np.broadcast_to(ratings[rows].mean(axis=0), truth.shape),
        layer_predictions(library, ratings, rows, unplaced, at),
        layer_predictions(library, ratings, rows, library.predictions, at),
        by_rule,
        published,
    )
    passed = np.array([float(each.passed) for each in candidate.comparison.dimensions])
    return (*(np.square(truth - each).mean(axis=0) for each in compared), passed, coverage)


def _published(library: Library, layer: PersonalLayer, ratings: Floats) -> tuple[Floats, Floats]:
    """Predicts held-out sounds with a published layer; also returns the coverage by dimension."""
    at = library.held_out
    before = library.bundle.regression.predict_all(library.sounds.vectors[at])
    predicted = layer.adjust(before, library.scores[at])
    coverage = [
        np.mean(
            (getattr(predicted, f"{name}_low") <= ratings[at, dim])
            & (ratings[at, dim] <= getattr(predicted, f"{name}_high"))
        )
        for dim, name in enumerate(DIMENSIONS)
    ]
    return np.stack([predicted.arousal, predicted.valence], axis=1), np.array(coverage)


def _layers_text(rows: list[tuple[Floats, ...]]) -> str:
    before, constant, affine, layer, by_rule, published, passed, coverage = map(
        np.array, zip(*rows, strict=True)
    )

    def error(squares: Floats) -> Floats:
        errors: Floats = np.sqrt(squares.mean(axis=1))
        return errors

    reduced = 1 - error(layer) / error(before)
    as_published = 1 - error(published) / error(before)
    by_dimension = (1 - np.sqrt(layer) / np.sqrt(before)).mean(axis=0)
    covered = coverage[passed > 0]
    return " | ".join([
        *(f"{error(each).mean():.3f}" for each in (before, constant, by_rule, affine, layer)),
        f"{reduced.mean():.0%} ({reduced.min():.0%} to {reduced.max():.0%})",
        *(f"{each:.0%}" for each in by_dimension),
        f"{np.sum(reduced >= 0.3)}/{len(reduced)}",
        "/".join(str(int(each)) for each in passed.sum(axis=0)),
        f"{as_published.mean():.0%}",
        f"{np.sum(as_published >= 0.3)}/{len(as_published)}",
        f"{covered.mean():.0%}" if len(covered) else "-",
    ])  # fmt: skip


def refits(seeds: range, counts: Sequence[int]) -> None:
    """Prints the errors of regressions that were fitted on the annotations, too."""
    print(
        "| person | annotations | before | layer | "
        + " | ".join(f"weight {w:g}" for w in WEIGHTS)
        + " | rows and layer |"
    )
    print("| --- " * (5 + len(WEIGHTS)) + "|")
    found: dict[tuple[str, int], list[list[float]]] = {}
    for seed in seeds:
        library = library_of(seed)
        for name in REFITTED:
            ratings = TASTES[name].ratings(library.sounds, seed)
            for count in counts:
                errors = list(_refit_errors(library, ratings, library.annotated(count)))
                found.setdefault((name, count), []).append(errors)
    for (name, count), rows in found.items():
        mean = np.mean(rows, axis=0)
        print(f"| {name} | {count} | " + " | ".join(f"{each:.3f}" for each in mean) + " |")


def _refit_errors(library: Library, ratings: Floats, rows: Rows) -> Iterator[float]:
    at, predictions = library.held_out, library.predictions

    def error(predicted: Floats) -> float:
        return float(np.sqrt(np.square(ratings[at] - np.clip(predicted, -1.0, 1.0)).mean()))

    yield error(predictions.predicted[at])
    yield error(layer_predictions(library, ratings, rows, predictions, at))
    for weight in WEIGHTS:
        joint = _with_annotations(library, ratings, rows, weight)
        yield error(_experts(joint).predict(library.sounds.vectors[at]).affect)
    yield error(_rows_and_layer(library, ratings, rows))


def _with_annotations(
    library: Library, ratings: Floats, rows: Rows, weight: float
) -> TrainingTable:
    """Returns the fitted half with annotations as more rows, of their likeliest kind."""
    vectors, path = library.sounds.vectors[rows], library.sounds.path[rows]
    share = library.bundle.regression.kernel_.predict(vectors).kinds
    domain = np.array(KINDS)[share.argmax(axis=1)]
    columns: dict[str, Any] = {
        "vectors": vectors,
        "ratings": ratings[rows],
        "weight": np.full(len(rows), weight),
        "path": path,
        "corpus": np.full(len(rows), "annotations"),
        "domain": domain,
        "group": path,
        "sets_scale": np.zeros(len(rows), np.bool_),
    }
    joint = {
        name: np.concatenate([getattr(library.fitted, name), more])
        for name, more in columns.items()
    }
    return replace(library.fitted, **joint)


def _experts(table: TrainingTable) -> KindKernel:
    """Fits the kernel as the regression does, without intervals."""
    return JointRegression().fit_kernel(table)


def _rows_and_layer(library: Library, ratings: Floats, rows: Rows) -> Floats:
    """Refits with annotations as rows, corrected by what a layer adds, and a layer on the refit.

    That layer needs out-of-fold predictions of the annotated sounds, hence the inner folds.
    """
    vectors, before = library.sounds.vectors, library.predictions
    fitted = layer_predictions(library, ratings, rows, before, rows)
    corrected, predicted = ratings.copy(), before.predicted.copy()
    corrected[rows] = np.clip(before.predicted[rows] + ratings[rows] - fitted, -1, 1)

    def refit(known: Rows, at: Rows) -> None:
        experts = _experts(_with_annotations(library, corrected, known, 1.0))
        predicted[at] = np.clip(experts.predict(vectors[at]).affect, -1.0, 1.0)

    corpus = np.zeros(len(rows), dtype=np.str_)
    folds = grouped_folds(corpus, library.sounds.path[rows], INNER_FOLDS, 1)
    for fold in range(INNER_FOLDS):
        refit(rows[folds != fold], rows[folds == fold])
    refit(rows, library.held_out)
    after = replace(before, predicted=predicted)
    return layer_predictions(library, ratings, rows, after, library.held_out)


def gate(seeds: range, counts: Sequence[int]) -> None:
    """Prints how often ratings that do not depend on their sounds are published."""
    published = {(kind, count): [0, 0, 0] for kind in _RANDOM for count in counts}
    libraries = [library_of(seed) for seed in range(min(10, len(seeds)))]
    for seed in seeds:
        library = libraries[seed % len(libraries)]
        for (kind, count), found in published.items():
            drawing = np.random.default_rng([seed, count])
            ratings = _RANDOM[kind](drawing, library.sounds)
            rows = library.order[drawing.permutation(len(library.order))[:count]]
            base = BaseRegression(library.bundle, library.fitted)
            annotations = annotated(library.sounds, ratings, rows)
            comparison = fit_candidate(library.bundle, base, annotations, seed).comparison
            found[0] += comparison.passed
            found[1] += comparison.dimensions[0].passed
            found[2] += comparison.dimensions[1].passed
    print("| ratings | annotations | published | arousal | valence | seeds |")
    print("| --- " * 6 + "|")
    for (kind, count), found in published.items():
        print(f"| {kind} | {count} | " + " | ".join(map(str, found)) + f" | {len(seeds)} |")


_RANDOM = {
    "uniform": lambda drawing, table: drawing.uniform(-1.0, 1.0, table.ratings.shape),
    "normal around .4": lambda drawing, table: np.clip(
        drawing.normal(0.4, 0.3, table.ratings.shape), -1.0, 1.0
    ),
    "true ratings, shuffled": lambda drawing, table: drawing.permutation(table.ratings),
}


def main() -> None:
    """Runs one of the three studies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["layers", "refits", "gate"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--annotations", type=int, nargs="+", default=COUNTS)
    chosen = parser.parse_args()
    study = {"layers": layers, "refits": refits, "gate": gate}[chosen.what]
    study(range(chosen.seeds), chosen.annotations)


if __name__ == "__main__":
    main()
