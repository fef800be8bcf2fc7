"""A small feature table whose ratings depend on its descriptors in a known way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trainer.bundles.bundle_manifest import FORMAT, FitRecipe, FittedOn, Manifest
from trainer.features.vector_codec import rounded
from trainer.regression.joint import LEVEL, RECIPE, JointRegression
from trainer.regression.training_table import TrainingTable

HEARING = "test-hearing"
DESCRIPTORS = 30


def small_table(music: int = 80, sounds: int = 60, seed: int = 5) -> TrainingTable:
    """Return clips of two domains that lie apart.

    Descriptor 0 says arousal in both; descriptor 1 says valence, with the opposite sign in sounds;
    descriptor 2 tells the domains apart; all others are noise.
    """
    drawing = np.random.default_rng(seed)
    count = music + sounds
    is_music = np.arange(count) < music
    vectors = drawing.normal(size=(count, DESCRIPTORS))
    vectors[:, 2:8] += np.where(is_music, 3.0, -3.0)[:, None]
    arousal = np.tanh(0.5 * vectors[:, 0])
    valence = np.where(is_music, 1.0, -1.0) * np.tanh(0.5 * vectors[:, 1])
    ratings = 0.6 * np.stack([arousal, valence], axis=1)
    ratings += drawing.normal(scale=0.08, size=ratings.shape)
    domain = np.where(is_music, "music", "sound")
    return TrainingTable(
        vectors=rounded(np.exp(vectors).astype(np.float32)),
        ratings=np.clip(ratings, -1.0, 1.0),
        weight=np.where(is_music, 1.0, 0.6),
        path=np.array([f"{d}/{i}.opus" for i, d in enumerate(domain)]),
        corpus=np.where(is_music, "songs", "noises"),
        domain=domain,
        group=np.array([f"group {i // 2}" for i in range(count)]),
        sets_scale=np.ones(count, np.bool_),
        steadiness=np.linspace(1.0, 0.5, DESCRIPTORS, dtype=np.float32),
        is_harmony=np.zeros(DESCRIPTORS, np.bool_),
    )


def of_two_corpora(table: TrainingTable) -> TrainingTable:
    """Return a table with each corpus cut into two, by groups: one can be left out."""
    number = np.array([int(group.split()[1]) % 2 for group in table.group])
    return replace(
        table, corpus=np.where(number == 1, table.corpus, np.char.add("more ", table.corpus))
    )


def small_draft(table: TrainingTable, name: str = "small-1") -> Manifest:
    """Return a manifest for a small table, to be completed when it is written."""
    return Manifest(
        format=FORMAT,
        name=name,
        created_at="",
        fitted_on=[
            FittedOn(corpus="songs", domain="music", clips=80, groups=40, weight=80.0, licence="-")
        ],
        hearing=HEARING,
        features=table.vectors.shape[1],
        versions={},
        python="",
        seed=1,
        recipe=FitRecipe(name=RECIPE, settings=JointRegression().get_params()),
        files={},
        held_out=[],
        interval_level=LEVEL,
        weakness="It is small.",
    )
