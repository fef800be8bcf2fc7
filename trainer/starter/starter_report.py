"""The starter's figures as text that can be read and pasted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.corpora.training_rows import table_of
from trainer.evaluation.cross_validation import (
    cross_validate,
    held_out_scores,
    paper_predictions,
    parts_of,
    rank_agreement,
)
from trainer.evaluation.scores import r2
from trainer.features.extract import CANONICAL, FeatureSettings
from trainer.regression.joint import JointRegression
from trainer.regression.kernel_expert import DIMENSIONS
from trainer.starter.mixing import alone, mixing_tests
from trainer.starter.pairwise import pairs_text
from trainer.starter.starter_table import heard_windows
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.bundles.bundle_manifest import HeldOutScores, ManifestScore
    from trainer.corpora.rated_clip import RatedClip
    from trainer.evaluation.cross_validation import HeldOutPredictions
    from trainer.regression.kernel_expert import ExpertSettings
    from trainer.regression.training_table import TrainingTable

PAPER_HEARING: Final = FeatureSettings(rate_hz=44100, windows=1, window_s=90.0)
"""The whole of every clip of the corpora, at the rate of the paper."""

MUSIC_CORPORA: Final = ("emotify", "vgmidi")
REPEATS: Final = 3

_BEGIN: Final = "<!-- written by trainer.starter.build report -->"
_END: Final = "<!-- end of what is written -->"


def figures_text(held_out: Sequence[HeldOutScores]) -> str:
    """Return the cross-validated figures as a Markdown table, 95 % intervals in brackets."""
    lines = [
        "| part | dimension | clips | R2 | RMSE | MAE | CCC | Spearman | coverage | width |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in held_out:
        scores = (row.r2, row.rmse, row.mae, row.ccc, row.spearman)
        lines.append(
            f"| {row.part} | {row.dimension} | {row.clips} | "
            + " | ".join(_figure(score) for score in scores)
            + f" | {row.coverage:.0%} | {row.width:.2f} |"
        )
    return "\n".join(lines)


def full_report(
    table: TrainingTable,
    clips: Sequence[RatedClip],
    corpora_dir: Path,
    cache_dir: Path,
    seed: int,
    progress: Callable[[int, int], None],
) -> str:
    """Return all figures: held out, beside the paper's pipeline, novelty, and mixtures.

    Raises:
        TrainingError: a clip cannot be heard or a fit fails.
    """
    seeds = [seed + repeat for repeat in range(REPEATS)]
    held = [cross_validate(table, JointRegression(seed=seed), each) for each in seeds]
    singles = [alone(table, settings, seed) for settings in _settings_of_both()]
    music = [clip for clip in clips if clip.corpus in MUSIC_CORPORA]
    heard = heard_windows(corpora_dir, music, PAPER_HEARING, cache_dir, progress)
    whole = table_of(music, heard)
    paper = [paper_predictions(whole, whole.vectors[:, ~whole.is_harmony], each) for each in seeds]
    return "\n\n".join(
        [
            f"Heard as `{CANONICAL.key}`. Held out, seed {seed}:",
            figures_text(held_out_scores(table, held[0], seed)),
            f"R2 beside the paper's pipeline (44.1 kHz, whole files), same folds, seeds {seeds}:",
            beside_text(table, held, whole, paper),
            f"Joint, and the better of two experts fitted on one domain alone, seed {seed}:",
            alone_text(table, held[0], singles),
            "Comparisons of Sonancia ordered as listeners did, by chance .50:",
            pairs_text(table, _ways(held[0], *singles), corpora_dir, seed),
            "Does novelty tell of larger errors? Spearman of novelty and absolute error:",
            novelty_text(table, held[0]),
            "Order of unmet sounds by one expert fitted on each mixture, Spearman:",
            mixing_text(table, seed),
        ]
    )


def put_between_marks(page: Path, report: str) -> None:
    """Replace what stands between the two marks of a page, so that its figures cannot drift.

    Raises:
        TrainingError: the page cannot be read or lacks the marks.
    """
    try:
        before, rest = page.read_text(encoding="utf-8").split(_BEGIN)
        after = rest.split(_END)[1]
        page.write_text(f"{before}{_BEGIN}\n\n{report}\n\n{_END}{after}", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{page}: {error.strerror}") from error
    except (ValueError, IndexError) as error:
        raise TrainingError(f"{page}: has no part marked for the report") from error


def beside_text(
    table: TrainingTable,
    held: Sequence[HeldOutPredictions],
    whole: TrainingTable,
    paper: Sequence[NDArray[np.float64]],
) -> str:
    """Return R2 of both, mean over the seeds and lowest to highest, as a Markdown table."""
    lines = ["| corpus | dimension | ours | paper | gain |", "| --- | --- | --- | --- | --- |"]
    gains: dict[str, list[float]] = {name: [] for name in DIMENSIONS}
    for corpus in MUSIC_CORPORA:
        rows, paper_rows = table.corpus == corpus, whole.corpus == corpus
        for dim, name in enumerate(DIMENSIONS):
            rated = table.ratings[rows, dim]
            ours = [r2(rated, each.affect[rows, dim]) for each in held]
            theirs = [r2(whole.ratings[paper_rows, dim], each[paper_rows, dim]) for each in paper]
            gains[name].append(float(np.mean(ours) - np.mean(theirs)))
            lines.append(
                f"| {corpus} | {name} | {_spread(ours)} | {_spread(theirs)} "
                f"| {gains[name][-1]:+.3f} |"
            )
    lines += [f"| both, mean | {name} | | | {np.mean(gain):+.3f} |" for name, gain in gains.items()]
    return "\n".join(lines)


def novelty_text(table: TrainingTable, held: HeldOutPredictions) -> str:
    """Return, by domain, how novelty and error go together, as a Markdown table."""
    lines = [
        "| domain | dimension | Spearman | RMSE, most novel fifth | RMSE, least novel fifth |",
        "| --- | --- | --- | --- | --- |",
    ]
    for domain in ("music", "sound"):
        rows = table.domain == domain
        novelty = held.novelty[rows]
        low, high = np.quantile(novelty, [0.2, 0.8])
        for dim, name in enumerate(DIMENSIONS):
            error = np.abs(table.ratings[rows, dim] - held.affect[rows, dim])
            lines.append(
                f"| {domain} | {name} | {rank_agreement(novelty, error):+.2f} "
                f"| {_rms(error[novelty >= high]):.3f} | {_rms(error[novelty <= low]):.3f} |"
            )
    return "\n".join(lines)


def alone_text(
    table: TrainingTable, held: HeldOutPredictions, singles: Sequence[NDArray[np.float64]]
) -> str:
    """Return R2 and Spearman's rho of the joint regression and of single-domain experts.

    Each of the joint one's experts is also fitted on one domain only; the better R2 is shown.
    """
    lines = ["| part | dimension | joint | alone |", "| --- | --- | --- | --- |"]
    for part, rows in parts_of(table):
        for dim, name in enumerate(DIMENSIONS):
            rated = table.ratings[rows, dim]
            best = max((single[rows, dim] for single in singles), key=partial(r2, rated))
            lines.append(
                f"| {part} | {name} | {_pair(rated, held.affect[rows, dim])} "
                f"| {_pair(rated, best)} |"
            )
    return "\n".join(lines)


def mixing_text(table: TrainingTable, seed: int) -> str:
    """Return the tests of mixtures as a Markdown table; the expert is that for sounds."""
    settings = _settings_of_both()[1]
    lines = ["| fitted on | asked of | arousal | valence |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {test.source} | {test.target} "
        + "".join(
            f"| {rho.value:+.2f} [{rho.low:+.2f}, {rho.high:+.2f}] "
            for rho in (test.arousal, test.valence)
        )
        + "|"
        for test in mixing_tests(table, settings, seed)
    ]
    return "\n".join(lines)


def _ways(
    held: HeldOutPredictions, music: NDArray[np.float64], sound: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    return {
        "joint": held.affect,
        "sounds alone, as the sound expert": sound,
        "as the music expert": music,
    }


def _settings_of_both() -> tuple[ExpertSettings, ExpertSettings]:
    regression = JointRegression()
    return regression.music_settings(), regression.sound_settings()


def _pair(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> str:
    return f"{r2(rated, predicted):+.3f}, rho {rank_agreement(rated, predicted):+.2f}"


def _figure(figure: ManifestScore) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _spread(scores: Sequence[float]) -> str:
    return f"{np.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"


def _rms(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
