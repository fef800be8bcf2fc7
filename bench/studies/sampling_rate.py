"""Measures the effect of the sampling rate on sounds that are not music.

    python bench/studies/sampling_rate.py CORPORA

Features of the 104 Natural Sounds with norms are extracted at each rate, and their norms predicted
in ten folds, averaged over `SEEDS`, by the regression of `extraction_settings.py`. Printed are the
correlation with the norms, and the 95 % interval (paired bootstrap over sounds) of the advantage of
16 kHz.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold
from sklearn.svm import SVR

from bench.studies.extraction_settings import PENALTY, Floats, ranked
from trainer.features.extract import FeatureSettings, extract_features

SEEDS = range(10)
RATES_HZ = (8000, 10000, 12000, 12800, 16000, 22050)
REFERENCE_HZ = 16000
RESAMPLES = 2000


def predicted(vectors: Floats, norms: Floats) -> Floats:
    """Returns out-of-fold predictions, averaged over seeds."""
    total = np.zeros(len(vectors))
    for seed in SEEDS:
        for train, test in KFold(10, shuffle=True, random_state=seed).split(vectors):
            inputs, test_inputs = ranked(vectors[train], vectors[test])
            mean, spread = norms[train].mean(), norms[train].std()
            fitted = SVR(C=PENALTY).fit(inputs, (norms[train] - mean) / spread)
            total[test] += fitted.predict(test_inputs)
    return total


def gain(better: Floats, worse: Floats, norms: Floats) -> tuple[float, float]:
    """Returns the 95 % interval of the difference of two correlations."""
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(norms), len(norms))
        pair = (np.corrcoef(each[drawn], norms[drawn])[0, 1] for each in (better, worse))
        gains.append(next(pair) - next(pair))
    low, high = np.percentile(gains, (2.5, 97.5))
    return float(low), float(high)


def _vectors(paths: list[Path], settings: FeatureSettings) -> Floats:
    return np.stack([extract_features(path, settings).vector for path in paths]).astype(np.float64)


def main() -> None:
    """Extracts, predicts, prints a line for each rate and dimension."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    folder = parser.parse_args().corpora / "naturalsounds"
    listed = csv.DictReader((folder / "class_norms.csv").open(encoding="utf-8"))
    rows = [row for row in listed if row["arousal"]]
    paths = [folder / row["path"] for row in rows]
    vectors = {rate_hz: _vectors(paths, FeatureSettings(rate_hz, 8, 2.0)) for rate_hz in RATES_HZ}
    print("| rate | dimension | r | advantage of 16 kHz |")
    print("| --- | --- | --- | --- |")
    for dimension in ("arousal", "valence"):
        norms = np.array([float(row[dimension]) for row in rows])
        found = {rate_hz: predicted(vectors[rate_hz], norms) for rate_hz in RATES_HZ}
        for rate_hz, values in found.items():
            low, high = gain(found[REFERENCE_HZ], values, norms)
            r = np.corrcoef(values, norms)[0, 1]
            print(f"| {rate_hz / 1000:g} kHz | {dimension} | {r:.3f} | {low:+.3f} to {high:+.3f} |")


if __name__ == "__main__":
    main()
