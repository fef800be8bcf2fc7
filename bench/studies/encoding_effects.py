"""Measures what level, rate and codec leave in the descriptors, and in what is predicted.

    python -m bench.studies.encoding_effects CORPORA [--inbox DIR] [--sounds 100] [--ways WAY…]
        [--kept FILE]

Rated clips of the starter's corpora, with the recordings of a folder, are each written in ten ways
that differ in level, rate, codec or channels alone (`bench/studies/treatments.py`), and heard.
Printed are: how much of a descriptor's variance belongs to the sound, to the treatment, and to how
a treatment takes to a sound; how often a classifier that has met neither the sound nor its group
tells which treatment it was; how far predictions move; what is predicted of held-out clips that
are treated otherwise than those that were fitted on, with descriptors weighted as they are and by
how steady they are under treatments too; and how well the starter's corpora can be told apart by
the descriptors that treatments move most. What is predicted is from what the first way hears.
FILE keeps what was heard.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.studies.treatments import TREATMENTS, WAYS, heard_in_all
from trainer.bundles import bundle
from trainer.bundles.registry import SHIPPED
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
    """Returns the shares of variance of sound, treatment and both together, (3, descriptors).

    A two-way analysis of variance with one value a cell: what a treatment does to all sounds alike,
    and what it does to each otherwise.
    """
    grand = scores.mean(axis=(0, 1), dtype=np.float64)
    by_sound, by_treatment = scores.mean(axis=1) - grand, scores.mean(axis=0) - grand
    total = np.maximum(np.square(scores - grand).mean(axis=(0, 1)), 1e-12)
    sound, treatment = (np.square(each).mean(axis=0) / total for each in (by_sound, by_treatment))
    return np.stack([sound, treatment, 1 - sound - treatment])


def told(
    scores: NDArray[np.float32],
    labels: NDArray[np.intp],
    groups: NDArray[np.str_],
    seed: int = SEED,
) -> float:
    """Returns how often a ridge discriminant names the label of rows of groups it has not met."""
    kernel = (scores @ scores.T).astype(np.float64) / scores.shape[1]
    targets = np.eye(labels.max() + 1)[labels]
    folds = grouped_folds(np.zeros(len(labels), np.str_), groups, FOLDS, seed)
    right = np.empty(len(labels), bool)
    for fold in range(FOLDS):
        known, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        means = targets[known].mean(axis=0)
        inner = kernel[np.ix_(known, known)] + RIDGE * np.eye(len(known))
        duals = np.linalg.solve(inner, targets[known] - means)
        side = kernel[np.ix_(asked, known)] @ duals + means
        right[asked] = side.argmax(axis=1) == labels[asked]
    # Each label counts the same, however many rows it has.
    return float(np.mean([right[labels == each].mean() for each in np.unique(labels)]))


def told_of(
    scores: NDArray[np.float32], groups: NDArray[np.str_], aspect: Sequence[str]
) -> tuple[float, float]:
    """Returns how often an aspect is told, and how often where labels are drawn by lot."""
    chosen = [NAMES.index(name) for name in aspect]
    rows = scores[:, chosen].reshape(-1, scores.shape[-1])
    labels = np.tile(np.arange(len(chosen)), len(scores))
    owners = np.repeat(groups, len(chosen))
    drawing = np.random.default_rng(SEED)
    lots = []
    for _ in range(PERMUTATIONS):
        drawn = np.concatenate([drawing.permutation(len(chosen)) for _ in range(len(scores))])
        lots.append(told(rows, drawn, owners))
    return told(rows, labels, owners), float(np.mean(lots))


def print_shares(ways: dict[str, NDArray[np.float32]], groups: NDArray[np.str_]) -> None:
    """Prints shares of variance, and how often treatments are told, for each way to hear."""
    print("| settings | features | sound | treatment | interaction | " + " | ".join(ASPECTS) + " |")
    print("| --- | --- | --- | --- | --- |" + " --- |" * len(ASPECTS))
    for way, vectors in ways.items():
        scores = scored(vectors)
        found = shares(scores)
        order = np.argsort(found[0])
        parts = {"all": order, "steadiest half": order[len(order) // 2 :]}
        for name, columns in parts.items():
            said = [told_of(scores[..., columns], groups, aspect) for aspect in ASPECTS.values()]
            cells = " | ".join(f"{right:.2f} ({lot:.2f})" for right, lot in said)
            mean = " | ".join(f"{each:.3f}" for each in found[:, columns].mean(axis=1))
            print(f"| {way} | {name} | {mean} | {cells} |", flush=True)


def print_shifts(said: NDArray[np.float64]) -> None:
    """Prints how far predictions move; shape (sounds, treatments, 2)."""
    print("| treatment | arousal: mean | RMS | maximum | valence: mean | RMS | maximum |")
    print("| --- |" + " --- |" * 6)
    for number, name in enumerate(NAMES[1:], 1):
        moved = said[:, number] - said[:, 0]
        cells = [
            f"{moved[:, dim].mean():+.3f} | {np.sqrt(np.square(moved[:, dim]).mean()):.3f} | "
            f"{np.abs(moved[:, dim]).max():.3f}"
            for dim in (0, 1)
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    spread = said[:, 0].std(axis=0)
    print(f"\nBetween sounds predictions spread by {spread[0]:.3f} and {spread[1]:.3f}.\n")


def held_out(
    table: TrainingTable,
    vectors: NDArray[np.float32],
    rows: NDArray[np.intp],
    scores: NDArray[np.float32],
    *,
    weighted: bool,
) -> NDArray[np.float64]:
    """Predicts treated clips by fits that met neither them nor their groups.

    Args:
        table: what is fitted on.
        vectors: of the treated clips, shape (clips, treatments, descriptors).
        rows: of the table, one a treated clip.
        scores: normal scores of `vectors`.
        weighted: whether descriptors also count by their share of variance that is the sound's
            under treatments, measured on the clips of the other folds.
    """
    folds = grouped_folds(table.corpus, table.group, FOLDS, SEED)
    settings = bundle.verify(SHIPPED).recipe.settings
    said = np.empty((*vectors.shape[:2], 2))
    for fold in range(FOLDS):
        asked = folds[rows] == fold
        known = table.subset(folds != fold)
        if weighted:
            steady = np.clip(shares(scores[~asked])[0], 0, 1).astype(np.float32)
            known = replace(known, steadiness=known.steadiness * steady)
        fitted = regression_from(settings).fit(known)
        flat = fitted.predict(vectors[asked].reshape(-1, vectors.shape[-1]))
        said[asked] = flat.reshape(int(asked.sum()), vectors.shape[1], 2)
    return said


def print_held_out(
    table: TrainingTable, rows: NDArray[np.intp], ways: dict[str, NDArray[np.float64]]
) -> None:
    """Prints the R2 of held-out clips under each treatment, with either weights."""
    rated, music = table.ratings[rows], table.domain[rows] == "music"
    print("| treatment | weights | music: arousal | valence | sounds: arousal | valence |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number, name in enumerate(NAMES):
        for way, said in ways.items():
            cells = " | ".join(
                f"{r2(rated[part, dim], said[part, number, dim]):.3f}"
                for part in (music, ~music)
                for dim in (0, 1)
            )
            print(f"| {name} | {way} | {cells} |")
    print()


def print_corpora(table: TrainingTable, moved: NDArray[np.intp]) -> None:
    """Prints how well corpora are told apart by what treatments move, and by what they do not."""
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
            right = told(scores, labels, table.group[rows])
            lot = np.mean(
                [
                    told(scores, drawing.permutation(labels), table.group[rows])
                    for _ in range(PERMUTATIONS)
                ]
            )
            print(f"| {', '.join(names)} | {what} | {right:.2f} | {lot:.2f} |")


def drawn(table: TrainingTable, count: int) -> NDArray[np.intp]:
    """Returns rows of rated clips: as many of each corpus that has clips of its own ratings."""
    drawing = np.random.default_rng(SEED)
    names = np.unique(table.corpus)
    found = [
        drawing.permutation(np.flatnonzero(table.corpus == name))[: count // len(names)]
        for name in names
    ]
    return np.sort(np.concatenate(found))


def main() -> None:
    """Hears, and prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--inbox", type=Path)
    parser.add_argument("--sounds", type=int, default=100)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--kept", type=Path)
    asked = parser.parse_args()
    table = decode_table((SHIPPED / bundle.TABLE).read_bytes(), "starter")
    rows = drawn(table, asked.sounds)
    others = sorted(asked.inbox.glob("*.*")) if asked.inbox else []
    others = [path for path in others if path.suffix != ".txt"]
    paths = [*(asked.corpora / path for path in table.path[rows].tolist()), *others]
    if asked.kept and asked.kept.exists():
        with np.load(asked.kept) as kept:
            ways = {way: kept[way] for way in asked.ways}
    else:
        ways = heard_in_all(paths, asked.ways, len(os.sched_getaffinity(0)))
        if asked.kept:
            np.savez(asked.kept, allow_pickle=False, **ways)
    groups = np.array([*table.group[rows].tolist(), *(path.name for path in others)])
    print(f"{len(rows)} rated clips and {len(others)} recordings\n")
    print_shares(ways, groups)
    heard = next(iter(ways.values()))
    if others:
        new = heard[len(rows) :]
        flat = bundle.load(SHIPPED).regression.predict(new.reshape(-1, new.shape[-1]))
        print("\nRecordings of the folder, by the bundle that ships:\n")
        print_shifts(flat.reshape(*new.shape[:2], 2))
    clips = heard[: len(rows)]
    scores = scored(clips)
    weighted = {
        name: held_out(table, clips, rows, scores, weighted=weigh)
        for name, weigh in (("as they are", False), ("by treatments too", True))
    }
    for name, said in weighted.items():
        print(f"Held-out clips, weights {name}:\n")
        print_shifts(said)
    print_held_out(table, rows, weighted)
    print_corpora(table, np.argsort(-shares(scores)[1:].sum(axis=0)))


if __name__ == "__main__":
    main()
