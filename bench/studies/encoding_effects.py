"""Measures how level, rate and codec change the descriptors and the predictions.

    python -m bench.studies.encoding_effects CORPORA [--inbox DIR] [--sounds 100]
        [--extractions NAME…] [--features FILE]

Rated clips of the starter's corpora, and the recordings of a folder, are each written in ten ways
that differ only in level, rate, codec or channels (`bench/studies/treatments.py`), and their
features are extracted. Printed are:

- the shares of a descriptor's variance that belong to the sound, to the treatment, and to their
  interaction;
- how often a classifier identifies the treatment of sounds of unknown groups;
- how far predictions move;
- the R2 of held-out clips that are treated otherwise than the training clips, with descriptors
  weighted as shipped, and also weighted by their steadiness under treatments;
- how well the starter's corpora can be told apart by the descriptors that treatments change most.

Predictions use the features of the first extraction. FILE stores the features.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.studies.treatments import EXTRACTIONS, TREATMENTS, features_of_all
from trainer.bundles import bundle
from trainer.bundles.bundle import SHIPPED
from trainer.evaluation.scores import r2
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import regression_from
from trainer.regression.quantile_scale import QuantileScale
from trainer.regression.training_table import decode_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

SEED = 20240229
PERMUTATIONS = 5
FOLDS = 5
RIDGE = 0.1
MOST_MOVED = 300
ASPECTS = {
    "level": ("as it is", "-10 dB", "-20 dB"),
    "rate": ("as it is", "22.05 kHz", "48 kHz"),
    "codec": ("as it is", "MP3 192", "MP3 128", "Opus 64", "Vorbis"),
    "channels": ("as it is", "stereo"),
}
NAMES = list(TREATMENTS)


def scored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns normal scores over all sounds and treatments, in the shape of the vectors."""
    flat = vectors.reshape(-1, vectors.shape[-1])
    return QuantileScale(flat).scores(flat).reshape(vectors.shape)


def shares(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the shares of variance of sound, treatment and interaction, shape (3, descriptors).

    A two-way analysis of variance with one value per cell.
    """
    grand = scores.mean(axis=(0, 1), dtype=np.float64)
    by_sound, by_treatment = scores.mean(axis=1) - grand, scores.mean(axis=0) - grand
    total = np.maximum(np.square(scores - grand).mean(axis=(0, 1)), 1e-12)
    sound, treatment = (np.square(each).mean(axis=0) / total for each in (by_sound, by_treatment))
    return np.stack([sound, treatment, 1 - sound - treatment])


def classified(
    scores: NDArray[np.float32],
    labels: NDArray[np.intp],
    groups: NDArray[np.str_],
    seed: int = SEED,
) -> float:
    """Returns how often a ridge discriminant is right about rows of groups it was not fitted on."""
    kernel = (scores @ scores.T).astype(np.float64) / scores.shape[1]
    targets = np.eye(labels.max() + 1)[labels]
    folds = grouped_folds(np.zeros(len(labels), np.str_), groups, FOLDS, seed)
    right = np.empty(len(labels), bool)
    for fold in range(FOLDS):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        means = targets[train].mean(axis=0)
        inner = kernel[np.ix_(train, train)] + RIDGE * np.eye(len(train))
        duals = np.linalg.solve(inner, targets[train] - means)
        scored_labels = kernel[np.ix_(test, train)] @ duals + means
        right[test] = scored_labels.argmax(axis=1) == labels[test]
    # All labels have the same weight, however many rows they have.
    return float(np.mean([right[labels == each].mean() for each in np.unique(labels)]))


def classified_aspect(
    scores: NDArray[np.float32], groups: NDArray[np.str_], aspect: Sequence[str]
) -> tuple[float, float]:
    """Returns how often an aspect is identified, and how often with random labels."""
    chosen = [NAMES.index(name) for name in aspect]
    rows = scores[:, chosen].reshape(-1, scores.shape[-1])
    labels = np.tile(np.arange(len(chosen)), len(scores))
    owners = np.repeat(groups, len(chosen))
    drawing = np.random.default_rng(SEED)
    by_chance = []
    for _ in range(PERMUTATIONS):
        drawn = np.concatenate([drawing.permutation(len(chosen)) for _ in range(len(scores))])
        by_chance.append(classified(rows, drawn, owners))
    return classified(rows, labels, owners), float(np.mean(by_chance))


def print_shares(extracted: dict[str, NDArray[np.float32]], groups: NDArray[np.str_]) -> None:
    """Prints shares of variance, and how often treatments are identified, per extraction."""
    print("| settings | features | sound | treatment | interaction | " + " | ".join(ASPECTS) + " |")
    print("| --- | --- | --- | --- | --- |" + " --- |" * len(ASPECTS))
    for extraction, vectors in extracted.items():
        scores = scored(vectors)
        found = shares(scores)
        order = np.argsort(found[0])
        parts = {"all": order, "steadiest half": order[len(order) // 2 :]}
        for name, columns in parts.items():
            rates = [
                classified_aspect(scores[..., columns], groups, aspect)
                for aspect in ASPECTS.values()
            ]
            cells = " | ".join(f"{right:.2f} ({lot:.2f})" for right, lot in rates)
            mean = " | ".join(f"{each:.3f}" for each in found[:, columns].mean(axis=1))
            print(f"| {extraction} | {name} | {mean} | {cells} |", flush=True)


def print_shifts(affect: NDArray[np.float64]) -> None:
    """Prints how far predictions move; shape (sounds, treatments, 2)."""
    print("| treatment | arousal: mean | RMS | maximum | valence: mean | RMS | maximum |")
    print("| --- |" + " --- |" * 6)
    for number, name in enumerate(NAMES[1:], 1):
        moved = affect[:, number] - affect[:, 0]
        cells = [
            f"{moved[:, dim].mean():+.3f} | {np.sqrt(np.square(moved[:, dim]).mean()):.3f} | "
            f"{np.abs(moved[:, dim]).max():.3f}"
            for dim in (0, 1)
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    spread = affect[:, 0].std(axis=0)
    print(f"\nBetween sounds predictions spread by {spread[0]:.3f} and {spread[1]:.3f}.\n")


def held_out(
    table: TrainingTable,
    vectors: NDArray[np.float32],
    rows: NDArray[np.intp],
    scores: NDArray[np.float32],
    *,
    weighted: bool,
) -> NDArray[np.float64]:
    """Returns out-of-fold predictions of treated clips, shape (clips, treatments, 2).

    Args:
        table: the training set.
        vectors: of the treated clips, shape (clips, treatments, descriptors).
        rows: the treated clips, as rows of the table.
        scores: normal scores of `vectors`.
        weighted: whether descriptors are also weighted by the sound's share of their variance
            under treatments, measured on the clips of the other folds.
    """
    folds = grouped_folds(table.corpus, table.group, FOLDS, SEED)
    settings = bundle.verify(SHIPPED, guarded=False).recipe.settings
    affect = np.empty((*vectors.shape[:2], 2))
    for fold in range(FOLDS):
        test = folds[rows] == fold
        train = table.subset(folds != fold)
        if weighted:
            steady = np.clip(shares(scores[~test])[0], 0, 1).astype(np.float32)
            train = replace(train, steadiness=train.steadiness * steady)
        fitted = regression_from(settings).fit(train)
        flat = fitted.predict(vectors[test].reshape(-1, vectors.shape[-1]))
        affect[test] = flat.reshape(int(test.sum()), vectors.shape[1], 2)
    return affect


def print_held_out(
    table: TrainingTable, rows: NDArray[np.intp], by_weights: dict[str, NDArray[np.float64]]
) -> None:
    """Prints the R2 of held-out clips under each treatment, for both kinds of weights."""
    rated, music = table.ratings[rows], table.domain[rows] == "music"
    print("| treatment | weights | music: arousal | valence | sounds: arousal | valence |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number, name in enumerate(NAMES):
        for weights, affect in by_weights.items():
            cells = " | ".join(
                f"{r2(rated[part, dim], affect[part, number, dim]):.3f}"
                for part in (music, ~music)
                for dim in (0, 1)
            )
            print(f"| {name} | {weights} | {cells} |")
    print()


def print_corpora(table: TrainingTable, moved: NDArray[np.intp]) -> None:
    """Prints how well corpora are identified by descriptors that treatments change, or not."""
    scale = QuantileScale(table.vectors).scores(table.vectors)
    drawing = np.random.default_rng(SEED)
    parts = {
        "all": np.arange(len(moved)),
        f"{MOST_MOVED} most changed by treatments": moved[:MOST_MOVED],
        f"{MOST_MOVED} least changed": moved[-MOST_MOVED:],
        f"{MOST_MOVED} at random": drawing.choice(moved, MOST_MOVED, replace=False),
    }
    print("| corpora | features | correct | shuffled labels |\n| --- | --- | --- | --- |")
    for domain in ("music", "sound"):
        rows = np.flatnonzero(table.domain == domain)
        names, labels = np.unique(table.corpus[rows], return_inverse=True)
        for what, columns in parts.items():
            scores = np.ascontiguousarray(scale[np.ix_(rows, columns)])
            right = classified(scores, labels, table.group[rows])
            lot = np.mean(
                [
                    classified(scores, drawing.permutation(labels), table.group[rows])
                    for _ in range(PERMUTATIONS)
                ]
            )
            print(f"| {', '.join(names)} | {what} | {right:.2f} | {lot:.2f} |")


def drawn(table: TrainingTable, count: int) -> NDArray[np.intp]:
    """Returns random rows of the table, as many of each corpus."""
    drawing = np.random.default_rng(SEED)
    names = np.unique(table.corpus)
    found = [
        drawing.permutation(np.flatnonzero(table.corpus == name))[: count // len(names)]
        for name in names
    ]
    return np.sort(np.concatenate(found))


def main() -> None:
    """Extracts the features and prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--inbox", type=Path)
    parser.add_argument("--sounds", type=int, default=100)
    names = list(EXTRACTIONS)
    parser.add_argument("--extractions", "--ways", nargs="+", choices=names, default=names)
    parser.add_argument("--features", "--kept", type=Path)
    chosen = parser.parse_args()
    table = decode_table((SHIPPED / bundle.TABLE).read_bytes(), "starter")
    rows = drawn(table, chosen.sounds)
    others = sorted(chosen.inbox.glob("*.*")) if chosen.inbox else []
    others = [path for path in others if path.suffix != ".txt"]
    paths = [*(chosen.corpora / path for path in table.path[rows].tolist()), *others]
    if chosen.features and chosen.features.exists():
        with np.load(chosen.features) as stored:
            extracted = {name: stored[name] for name in chosen.extractions}
    else:
        extracted = features_of_all(paths, chosen.extractions, len(os.sched_getaffinity(0)))
        if chosen.features:
            np.savez(chosen.features, allow_pickle=False, **extracted)
    groups = np.array([*table.group[rows].tolist(), *(path.name for path in others)])
    print(f"{len(rows)} rated clips and {len(others)} recordings\n")
    print_shares(extracted, groups)
    vectors = next(iter(extracted.values()))
    if others:
        new = vectors[len(rows) :]
        flat = bundle.load(SHIPPED, guarded=False).regression.predict(
            new.reshape(-1, new.shape[-1])
        )
        print("\nRecordings of the folder, by the shipped bundle:\n")
        print_shifts(flat.reshape(*new.shape[:2], 2))
    clips = vectors[: len(rows)]
    scores = scored(clips)
    weighted = {
        name: held_out(table, clips, rows, scores, weighted=weigh)
        for name, weigh in (("as they are", False), ("by treatments too", True))
    }
    for name, affect in weighted.items():
        print(f"Held-out clips, weights {name}:\n")
        print_shifts(affect)
    print_held_out(table, rows, weighted)
    print_corpora(table, np.argsort(-shares(scores)[1:].sum(axis=0)))


if __name__ == "__main__":
    main()
