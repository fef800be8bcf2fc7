"""The evaluation of the starter bundle as Markdown tables."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.corpora.training_rows import table_of
from trainer.evaluation.cross_validation import (
    cross_validate,
    held_out_scores,
    leave_corpora_out,
    parts_of,
    rank_agreement,
)
from trainer.evaluation.scores import r2
from trainer.features.extract import CANONICAL, FeatureSettings
from trainer.regression.joint import JointRegression
from trainer.regression.kernel_expert import DIMENSIONS
from trainer.starter.markdown import markdown_table
from trainer.starter.mixing import mixing_tests, predict_within_domain
from trainer.starter.pairwise import pairs_text
from trainer.starter.paper_pipeline import paper_predictions
from trainer.starter.starter_table import extract_corpora

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.bundles.bundle_manifest import HeldOutScores, ManifestScore
    from trainer.corpora.rated_clip import RatedClip
    from trainer.evaluation.cross_validation import HeldOutPredictions
    from trainer.regression.kernel_expert import ExpertSettings
    from trainer.regression.training_table import TrainingTable

PAPER_FEATURES: Final = FeatureSettings(rate_hz=44100, windows=1, window_s=90.0)
"""Every clip of the corpora from beginning to end, at the sampling rate of the paper."""

MUSIC_CORPORA: Final = ("emotify", "vgmidi")
REPEATS: Final = 3


def figures_text(held_out: Sequence[HeldOutScores]) -> str:
    """Return the cross-validated scores, with 95 % intervals in brackets."""
    heads = ("part", "dimension", "clips", "R2", "RMSE", "MAE", "CCC", "Spearman", "coverage")
    return markdown_table(
        (*heads, "width"),
        [
            (
                row.part,
                row.dimension,
                str(row.clips),
                *map(_figure, (row.r2, row.rmse, row.mae, row.ccc, row.spearman)),
                f"{row.coverage:.0%}",
                f"{row.width:.2f}",
            )
            for row in held_out
        ],
    )


def full_report(
    table: TrainingTable,
    clips: Sequence[RatedClip],
    corpora_dir: Path,
    cache_dir: Path,
    seed: int,
    progress: Callable[[int, int], None],
) -> str:
    """Return all tables: held-out scores, the paper's pipeline, novelty, and mixtures.

    Raises:
        TrainingError: features cannot be extracted from a clip, or a fit fails.
    """
    seeds = [seed + repeat for repeat in range(REPEATS)]
    held_out = [cross_validate(table, JointRegression(seed=seed), each) for each in seeds]
    joint, sound_expert = held_out[0], JointRegression().sound_settings()
    as_music = predict_within_domain(table, JointRegression().music_settings(), seed)
    as_sound = predict_within_domain(table, sound_expert, seed)
    music = [clip for clip in clips if clip.corpus in MUSIC_CORPORA]
    features = extract_corpora(corpora_dir, music, PAPER_FEATURES, cache_dir, progress)
    full = table_of(music, features)
    paper = [paper_predictions(full, full.vectors[:, ~full.is_harmony], each) for each in seeds]
    methods = {
        "joint": joint.affect,
        "sounds alone, as the sound expert": as_sound,
        "as the music expert": as_music,
    }
    return "\n\n".join(
        [
            f"Features `{CANONICAL.key}`. Held out, seed {seed}:",
            figures_text(held_out_scores(table, joint, seed)),
            "Left out: each corpus predicted by a fit that never saw it, nor a clip of its groups:",
            figures_text(held_out_scores(table, leave_corpora_out(table, JointRegression()), seed)),
            f"R2 against the paper's pipeline (44.1 kHz, full files), same folds, seeds {seeds}:",
            beside_text(table, held_out, full, paper),
            f"Joint, and the better of two experts fitted on one domain alone, seed {seed}:",
            alone_text(table, joint, (as_music, as_sound)),
            "Share of Sonancia's comparisons that are predicted correctly, .50 by chance:",
            pairs_text(table, methods, corpora_dir, seed),
            "Does novelty indicate larger errors? Spearman of novelty and absolute error:",
            novelty_text(table, joint),
            "Order of held-out sounds by one expert fitted on each mixture, Spearman:",
            mixing_text(table, sound_expert, seed),
        ]
    )


def beside_text(
    table: TrainingTable,
    held_out: Sequence[HeldOutPredictions],
    full: TrainingTable,
    paper: Sequence[NDArray[np.float64]],
) -> str:
    """Return R2 of ours and of the paper's pipeline, mean over the seeds and range."""
    rows = []
    gains: dict[str, list[float]] = {name: [] for name in DIMENSIONS}
    for corpus in MUSIC_CORPORA:
        own, full_rows = table.corpus == corpus, full.corpus == corpus
        for dim, name in enumerate(DIMENSIONS):
            ours = [r2(table.ratings[own, dim], each.affect[own, dim]) for each in held_out]
            theirs = [r2(full.ratings[full_rows, dim], each[full_rows, dim]) for each in paper]
            gains[name].append(float(np.mean(ours) - np.mean(theirs)))
            rows.append((corpus, name, _range(ours), _range(theirs), f"{gains[name][-1]:+.3f}"))
    rows += [("both, mean", name, "", "", f"{np.mean(gain):+.3f}") for name, gain in gains.items()]
    return markdown_table(("corpus", "dimension", "ours", "paper", "gain"), rows)


def novelty_text(table: TrainingTable, held_out: HeldOutPredictions) -> str:
    """Return, by domain, how novelty and error are related."""
    rows = []
    for domain in ("music", "sound"):
        own = table.domain == domain
        novelty = held_out.novelty[own]
        low, high = np.quantile(novelty, [0.2, 0.8])
        for dim, name in enumerate(DIMENSIONS):
            error = np.abs(table.ratings[own, dim] - held_out.affect[own, dim])
            rms = [
                f"{np.sqrt(np.mean(np.square(error[fifth]))):.3f}"
                for fifth in (novelty >= high, novelty <= low)
            ]
            rows.append((domain, name, f"{rank_agreement(novelty, error):+.2f}", *rms))
    heads = ("domain", "dimension", "Spearman", "RMSE, most novel fifth", "RMSE, least novel fifth")
    return markdown_table(heads, rows)


def alone_text(
    table: TrainingTable, joint: HeldOutPredictions, singles: Sequence[NDArray[np.float64]]
) -> str:
    """Return R2 and rho of the joint regression and of the better single-domain expert."""
    rows = []
    for part, own in parts_of(table):
        for dim, name in enumerate(DIMENSIONS):
            rated = table.ratings[own, dim]
            best = max((single[own, dim] for single in singles), key=partial(r2, rated))
            rows.append((part, name, _pair(rated, joint.affect[own, dim]), _pair(rated, best)))
    return markdown_table(("part", "dimension", "joint", "alone"), rows)


def mixing_text(table: TrainingTable, settings: ExpertSettings, seed: int) -> str:
    """Return the mixing tests of an expert with these settings."""
    return markdown_table(
        ("fitted on", "tested on", *DIMENSIONS),
        [
            (
                test.source,
                test.target,
                *(
                    f"{rho.value:+.2f} [{rho.low:+.2f}, {rho.high:+.2f}]"
                    for rho in (test.arousal, test.valence)
                ),
            )
            for test in mixing_tests(table, settings, seed)
        ],
    )


def _pair(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> str:
    return f"{r2(rated, predicted):+.3f}, rho {rank_agreement(rated, predicted):+.2f}"


def _figure(figure: ManifestScore) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _range(scores: Sequence[float]) -> str:
    return f"{np.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"
