"""Fits the regression that estimates the texture of vectors without it, and writes it."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.linear_model import Ridge

from trainer.features.extract import descriptor_names
from trainer.features.texture import TEXTURE
from trainer.features.texture_estimate import WIDEST, TextureEstimate, at_equal_level, compress
from trainer.files.atomic_dir import replace_file
from trainer.regression.equal_level import level_powers
from trainer.regression.level_curve import RMS_DESCRIPTOR

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.regression.training_table import TrainingTable

_CONTOURS: Final = (
    "audspec_lengthL1norm",
    "audspecRasta_lengthL1norm",
    "pcm_RMSenergy",
    "pcm_zcr",
    "pcm_fftMag_fband250-650",
    "pcm_fftMag_fband1000-4000",
    "pcm_fftMag_psySharpness",
    "pcm_fftMag_spectralEntropy",
    "pcm_fftMag_spectralFlux",
    "pcm_fftMag_spectralHarmonicity",
    "pcm_fftMag_spectralSlope",
    "F0final",
    "voicingFinalUnclipped",
    "jitterLocal",
    "shimmerLocal",
    "logHNR",
)
_FUNCTIONALS: Final = (
    "amean",
    "stddev",
    "flatness",
    "peakMeanRel",
    "lpgain",
    "rqmean",
    "quartile2",
    "iqr1-3",
    "skewness",
    "kurtosis",
    "upleveltime75",
    "meanRisingSlope",
    "meanFallingSlope",
)
_BANDS: Final = ("audSpec_Rfilt", "mfcc")
_OF_BANDS: Final = ("_amean", "_stddev")
_PENALTY: Final = 0.1
"""Per clip. Three and ten times as much estimate worse in corpora that are left out."""

_TINY: Final = 1e-12


def fit_texture(table: TrainingTable) -> TextureEstimate:
    """Fit the texture of clips on their functionals that say how loud, sharp and voiced they are.

    Args:
        table: vectors of the present size.
    """
    contours = [f"{contour}_sma{delta}" for contour in _CONTOURS for delta in ("", "_de")]
    wanted = [f"{contour}_{functional}" for contour in contours for functional in _FUNCTIONALS]
    names = descriptor_names()
    is_of_band = [name.startswith(_BANDS) and name.endswith(_OF_BANDS) for name in names]
    columns = np.flatnonzero(np.isin(names, wanted) | is_of_band)
    level, powers = np.array([RMS_DESCRIPTOR]), level_powers(len(names))[columns]
    used = at_equal_level(table.vectors[:, columns], table.vectors[:, level], powers)
    texture = table.vectors[:, -TEXTURE:].astype(np.float64)
    scale = np.median(np.abs(used), axis=0) + _TINY
    compressed = compress(used, scale)
    mean, deviation = compressed.mean(axis=0), compressed.std(axis=0) + _TINY
    places = np.clip((compressed - mean) / deviation, -WIDEST, WIDEST)
    ridge = Ridge(alpha=_PENALTY * len(places)).fit(places, texture)
    fitted = {
        "powers": powers,
        "scale": scale,
        "mean": mean,
        "deviation": deviation,
        "weights": np.ascontiguousarray(ridge.coef_.T),
        "offsets": ridge.intercept_,
        "lowest": texture.min(axis=0),
        "highest": texture.max(axis=0),
        "steadiness": table.steadiness[-TEXTURE:],
    }
    single = {name: values.astype(np.float32) for name, values in fitted.items()}
    return TextureEstimate(columns=columns, level=level, **single)


def write_estimate(estimate: TextureEstimate, path: Path) -> None:
    """Write a fitted regression as an npz archive."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **asdict(estimate))
    replace_file(path, lambda temporary: temporary.write_bytes(stream.getvalue()))
