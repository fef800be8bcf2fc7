"""Measures accuracy and cost of extraction settings: rate, number and length of windows, level.

    python bench/studies/extraction_settings.py CORPORA CACHE [--track FILE] [--no-reference]

CORPORA holds `vgmidi/` and `emotify/` (sound in `audio/`, ratings in a CSV beside it). CACHE stores
the features of each extraction, so that a second run only repeats the regressions. Printed is the
table of `docs/features.md`.

Accuracy is R2 over out-of-fold predictions, five folds, mean and spread over `SEEDS`: VGMIDI
grouped by series, Emotify's arousal and valence proxies stratified by genre. Cost is the processor
time of one process for one 4-minute MP3, including decoding, best of `COST_RUNS`.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from bench.speed.reference_track import write_track
from trainer.audio.decode import decode_windows
from trainer.features.extract import FeatureSettings
from trainer.features.opensmile import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Floats = NDArray[np.float64]

SEEDS = (1, 2, 3)
COST_RUNS = 5
PENALTY = 2.0
LEVEL_DB = -20.0
REFERENCE_S = 90.0
EMOTIFY = {
    "arousal": "joyful_activation power tension -calmness -tenderness -sadness",
    "valence": "joyful_activation tenderness calmness amazement -tension -sadness",
}


@dataclass(frozen=True)
class Extraction:
    """Features of every clip by some settings, and which numbers of windows to average of them."""

    settings: FeatureSettings
    window_counts: tuple[int, ...]
    levelled: bool = False

    @property
    def slug(self) -> str:
        """File name in the cache."""
        return self.settings.key.replace("/", "-") + ("-levelled" if self.levelled else "")


REFERENCE = Extraction(FeatureSettings(44100, 1, REFERENCE_S), (1,))
EXTRACTIONS = (
    Extraction(FeatureSettings(8000, 12, 2.0), (8, 10, 12)),
    Extraction(FeatureSettings(8000, 8, 4.0), (4, 6, 8)),
    Extraction(FeatureSettings(12000, 12, 2.0), (6, 8, 12)),
    Extraction(FeatureSettings(12000, 6, 4.0), (4, 5, 6)),
    Extraction(FeatureSettings(12800, 8, 2.0), (8,)),
    Extraction(FeatureSettings(16000, 12, 2.0), (6, 8, 12)),
    Extraction(FeatureSettings(16000, 8, 4.0), (3, 4, 5, 6, 8)),
    Extraction(FeatureSettings(16000, 4, 4.0), (4,), levelled=True),
    Extraction(FeatureSettings(16000, 4, 6.0), (2, 3, 4)),
)


class Corpus(NamedTuple):
    """Rated clips and how to fold them."""

    paths: list[str]
    ratings: dict[str, Floats]
    folds: Callable[[int], Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]]


def read_corpora(root: Path) -> dict[str, Corpus]:
    """Reads the ratings of both corpora."""
    rated = list(csv.DictReader((root / "vgmidi" / "ratings.csv").open(encoding="utf-8")))
    felt = list(csv.DictReader((root / "emotify" / "gems.csv").open(encoding="utf-8")))
    series = [row["group"] for row in rated]
    genres = [row["genre"] for row in felt]
    return {
        "vgmidi": Corpus(
            [f"vgmidi/{row['path']}" for row in rated],
            {name: np.array([float(row[name]) for row in rated]) for name in EMOTIFY},
            lambda seed: GroupKFold(5, shuffle=True, random_state=seed).split(
                series, groups=series
            ),
        ),
        "emotify": Corpus(
            [f"emotify/{row['path']}" for row in felt],
            {name: _proxy(felt, terms) for name, terms in EMOTIFY.items()},
            lambda seed: StratifiedKFold(5, shuffle=True, random_state=seed).split(genres, genres),
        ),
    }


def _proxy(rows: Sequence[dict[str, str]], terms: str) -> Floats:
    total = np.zeros(len(rows))
    for term in terms.split():
        sign = -1 if term.startswith("-") else 1
        total += sign * np.array([float(row[term.lstrip("-")]) for row in rows])
    return total


def extract(extraction: Extraction, root: Path, paths: Sequence[str], cache: Path) -> list[Floats]:
    """Returns the features of each clip's windows, from the cache if they are stored there."""
    stored = cache / f"{extraction.slug}.npz"
    if not stored.exists():
        started_s = time.process_time()
        found = [_described(extraction, root / path) for path in paths]
        counts = np.array([len(windows) for windows in found])
        partial = stored.with_suffix(".partial.npz")
        np.savez(partial, windows=np.concatenate(found), counts=counts, path=np.array(paths))
        partial.rename(stored)
        print(f"# {extraction.slug}: {time.process_time() - started_s:.0f} s", flush=True)
    with np.load(stored) as features:
        return np.split(features["windows"], np.cumsum(features["counts"])[:-1])


def _described(extraction: Extraction, path: Path) -> NDArray[np.float32]:
    clip = decode_windows(path, extraction.settings)
    windows = clip.windows
    if extraction.levelled:
        rms = float(np.sqrt(np.mean(np.square(np.concatenate(windows))))) or 1.0
        peak = max(float(np.abs(window).max()) for window in windows) or 1.0
        gain = min(10 ** (LEVEL_DB / 20) / rms, 1 / peak)
        windows = tuple((window * gain).astype(np.float32) for window in windows)
    return describe(windows, clip.rate_hz, path)


def averaged(found: Sequence[Floats], count: int) -> Floats:
    """Averages `count` evenly spread windows of each clip, or all if there are fewer."""
    rows = []
    for windows in found:
        size = min(count, len(windows))
        chosen = [int((index + 0.5) * len(windows) / size) for index in range(size)]
        rows.append(windows[chosen].mean(axis=0))
    return np.stack(rows)


def ranked(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Maps each feature to normal scores by its rank within the training part."""
    size = len(train)
    table = ndtri((np.arange(2 * size + 1) + 0.5).clip(1, 2 * size - 1) / (2 * size + 1))
    inside = np.rint(2 * (rankdata(train, axis=0) - 0.5)).astype(int)
    ordered = np.sort(train, axis=0)
    outside = np.empty(test.shape, dtype=int)
    for feature in range(test.shape[1]):
        column, values = ordered[:, feature], test[:, feature]
        outside[:, feature] = np.searchsorted(column, values) + np.searchsorted(
            column, values, side="right"
        )
    return table[inside], table[outside]


def standardised(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """The paper's pipeline: standard scaling, then the components of 99 % of the variance."""
    scaler = StandardScaler().fit(train)
    components = PCA(0.99, svd_solver="full").fit(scaler.transform(train))
    return (
        components.transform(scaler.transform(train)),
        components.transform(scaler.transform(test)),
    )


def accuracy(
    vectors: Floats, corpus: Corpus, prepare: Callable[[Floats, Floats], tuple[Floats, Floats]]
) -> dict[str, list[float]]:
    """R2 over out-of-fold predictions, one for each seed."""
    scores: dict[str, list[float]] = {name: [] for name in corpus.ratings}
    for seed in SEEDS:
        predicted = {name: np.zeros(len(vectors)) for name in corpus.ratings}
        for train, test in corpus.folds(seed):
            inputs, test_inputs = prepare(vectors[train], vectors[test])
            for name, ratings in corpus.ratings.items():
                mean, spread = ratings[train].mean(), ratings[train].std()
                fitted = SVR(C=PENALTY).fit(inputs, (ratings[train] - mean) / spread)
                predicted[name][test] = fitted.predict(test_inputs) * spread + mean
        for name, ratings in corpus.ratings.items():
            scores[name].append(float(r2_score(ratings, predicted[name])))
    return scores


def cost_s(settings: FeatureSettings, track: Path) -> float:
    """Processor seconds for one track: decoding and description, best of several."""
    best = float("inf")
    for _ in range(COST_RUNS):
        started = time.process_time()
        clip = decode_windows(track, settings)
        describe(clip.windows, clip.rate_hz, track)
        best = min(best, time.process_time() - started)
    return best


def row(
    label: str,
    seconds: float | None,
    vectors: dict[str, Floats],
    corpora: dict[str, Corpus],
    prepare: Callable[[Floats, Floats], tuple[Floats, Floats]] = ranked,
) -> str:
    """Returns one line of the table."""
    columns = []
    means = []
    for name, corpus in corpora.items():
        for scores in accuracy(vectors[name], corpus, prepare).values():
            columns.append(f"{np.mean(scores):.3f} ± {np.std(scores):.3f}")
            means.append(np.array(scores))
    overall = np.mean(means, axis=0)
    cost = "" if seconds is None else f"{seconds:.3f}"
    joined = " | ".join(columns)
    return f"| {label} | {cost} | {joined} | {overall.mean():.3f} ± {overall.std():.3f} |"


def main() -> None:
    """Extracts missing features, then prints a line for each combination."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--track", type=Path, help="a 4-minute recording to time instead")
    parser.add_argument("--no-reference", action="store_true", help="leave out 44.1 kHz")
    chosen = parser.parse_args()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    corpora = read_corpora(chosen.corpora)
    paths = [path for corpus in corpora.values() for path in corpus.paths]
    with tempfile.TemporaryDirectory() as folder:
        track = chosen.track or Path(folder) / "track.mp3"
        if chosen.track is None:
            write_track(track)
        print("| settings | s | VGMIDI arousal | valence | Emotify arousal | valence | mean |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for extraction in (*EXTRACTIONS, *(() if chosen.no_reference else (REFERENCE,))):
            found = extract(extraction, chosen.corpora, paths, chosen.cache)
            for count in extraction.window_counts:
                settings = extraction.settings
                label = f"{settings.rate_hz / 1000:g} kHz, {count} x {settings.window_s:g} s"
                label += ", normalised level" if extraction.levelled else ""
                vectors = _by_corpus(averaged(found, count), corpora)
                is_reference = extraction is REFERENCE
                timed = FeatureSettings(settings.rate_hz, count, settings.window_s)
                seconds = None if is_reference else cost_s(timed, track)
                print(row(label, seconds, vectors, corpora), flush=True)
                if is_reference:
                    print(row(f"{label}, PCA", None, vectors, corpora, standardised), flush=True)


def _by_corpus(vectors: Floats, corpora: dict[str, Corpus]) -> dict[str, Floats]:
    ends = np.cumsum([len(corpus.paths) for corpus in corpora.values()])[:-1]
    return dict(zip(corpora, np.split(vectors, ends), strict=True))


if __name__ == "__main__":
    main()
