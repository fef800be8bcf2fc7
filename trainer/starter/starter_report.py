"""The evaluation of the starter bundle as Markdown tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.corpora.training_rows import table_of
from trainer.evaluation.cross_validation import (
    OUTER_FOLDS,
    cross_validate,
    held_out_scores,
    leave_corpora_out,
    parts_of,
    predict_within_kind,
    rank_agreement,
)
from trainer.evaluation.scores import coverage, interval_score, r2
from trainer.features.extract import CANONICAL, FeatureSettings
from trainer.features.opensmile import FEATURES
from trainer.personal.acceptance import sign_flip_p
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import LEVEL, JointRegression
from trainer.regression.kind_kernel import DIMENSIONS, KINDS
from trainer.starter.markdown import markdown_table
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
    """Return all tables: held-out and left-out scores, the paper's pipeline, novelty and kinds.

    Raises:
        TrainingError: features cannot be extracted from a clip, or a fit fails.
    """
    seeds = [seed + repeat for repeat in range(REPEATS)]
    held_out = [cross_validate(table, JointRegression(), each) for each in seeds]
    joint, alone = held_out[0], predict_within_kind(table, JointRegression(), seed)
    elsewhere = leave_corpora_out(table, JointRegression())
    music = [clip for clip in clips if clip.corpus in MUSIC_CORPORA]
    features = extract_corpora(corpora_dir, music, PAPER_FEATURES, cache_dir, progress)
    full = table_of(music, features)
    paper = [paper_beside(table, full, each) for each in seeds]
    methods = {"joint": joint.affect, "sounds alone": alone}
    return "\n\n".join(
        [
            f"Features `{CANONICAL.key}`. Held out, seed {seed}:",
            figures_text(held_out_scores(table, joint, seed)),
            "Each corpus predicted by a fit that never saw it, nor a clip of its groups:",
            left_out_text(table, elsewhere),
            f"R2 against the paper's pipeline (44.1 kHz, full files), same folds, seeds {seeds}:",
            beside_text(table, held_out, full, paper),
            f"Joint, and the same regression fitted on one kind alone, seed {seed}:",
            alone_text(table, joint, alone),
            "Share of Sonancia's comparisons that are predicted correctly, .50 by chance:",
            pairs_text(table, methods, corpora_dir, seed),
            "Does novelty indicate larger errors? Spearman of novelty and absolute error:",
            novelty_text(table, joint),
            "What held-out clips of each kind are taken for:",
            kinds_text(table, joint),
        ]
    )


def paper_beside(table: TrainingTable, full: TrainingTable, seed: int) -> NDArray[np.float64]:
    """Predict music by the paper's pipeline, on the folds that `cross_validate` gives it.

    Args:
        table: of all corpora, by which the folds are drawn.
        full: of its music, in the same order, with the paper's features.
        seed: of the folds.

    Returns:
        Shape (clips of music, 2).
    """
    rows = np.isin(table.corpus, MUSIC_CORPORA)
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)[rows]
    joined = replace(full, group=table.group[rows])
    return paper_predictions(joined, full.vectors[:, :FEATURES], folds, seed)


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


def left_out_text(table: TrainingTable, held_out: HeldOutPredictions) -> str:
    """Return order, intervals, and whether novelty shows errors, by corpus that was left out."""
    heads = ("part", "dimension", "clips", "R2", "rho", "coverage", "width", "interval score")
    rows = []
    for part, own in parts_of(table):
        for dim, name in enumerate(DIMENSIONS):
            rated, affect = table.ratings[own, dim], held_out.affect[own, dim]
            low, high = held_out.low[own, dim], held_out.high[own, dim]
            figures = (r2(rated, affect), rank_agreement(rated, affect))
            novelty = rank_agreement(held_out.novelty[own], np.abs(rated - affect))
            rows.append(
                (
                    part,
                    name,
                    str(len(rated)),
                    *("-" if np.isnan(each) else f"{each:+.2f}" for each in figures),
                    f"{coverage(rated, low, high):.0%}",
                    f"{np.mean(high - low):.2f}",
                    f"{interval_score(rated, low, high, LEVEL):.2f}",
                    f"{novelty:+.2f}",
                )
            )
    return markdown_table((*heads, "novelty and error, rho"), rows)


def kinds_text(table: TrainingTable, held_out: HeldOutPredictions) -> str:
    """Return, by corpus and kind, how many held-out clips were taken for each kind."""
    rows = []
    for corpus in sorted(set(table.corpus.tolist())):
        for kind in KINDS:
            own = (table.corpus == corpus) & (table.domain == kind)
            if own.any():
                taken = [str(int((held_out.kind[own] == each).sum())) for each in KINDS]
                rows.append((corpus, kind, str(int(own.sum())), *taken))
    return markdown_table(("corpus", "kind", "clips", *KINDS), rows)


def novelty_text(table: TrainingTable, held_out: HeldOutPredictions) -> str:
    """Return, by domain, how novelty and error are related."""
    rows = []
    for domain in sorted(set(table.domain.tolist())):
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


def alone_text(table: TrainingTable, joint: HeldOutPredictions, alone: NDArray[np.float64]) -> str:
    """Return R2 and rho of the joint regression and of fits on one kind alone, and p of a test.

    p is that of a one-sided sign-flip test over groups that the joint fit has smaller errors.
    """
    rows = []
    for part, own in parts_of(table):
        for dim, name in enumerate(DIMENSIONS):
            rated = table.ratings[own, dim]
            both = joint.affect[own, dim], alone[own, dim]
            gain = np.square(both[1] - rated) - np.square(both[0] - rated)
            p = sign_flip_p(gain, table.group[own], seed=1)
            rows.append((part, name, *(_pair(rated, each) for each in both), f"{p:.3f}"))
    return markdown_table(("part", "dimension", "joint", "alone", "p"), rows)


def _pair(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> str:
    return f"{r2(rated, predicted):+.3f}, rho {rank_agreement(rated, predicted):+.2f}"


def _figure(figure: ManifestScore) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _range(scores: Sequence[float]) -> str:
    return f"{np.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"
