"""Fitting the regression again when rated corpora have come in, and whether that was worth it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.bundles.bundle import Bundle
from trainer.bundles.bundle_manifest import FittedOn
from trainer.evaluation.cross_validation import (
    OUTER_FOLDS,
    cross_validate,
    held_out_scores,
    parts_of,
)
from trainer.evaluation.scores import r2
from trainer.personal.acceptance import MARGIN, P_LEVEL, sign_flip_p
from trainer.personal.comparison import CorporaCompared, PartCompared
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import regression_from
from trainer.regression.kernel_expert import DIMENSIONS
from trainer.regression.training_table import TrainingTable
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.bundles.bundle_manifest import Manifest
    from trainer.regression.joint import JointRegression

MOST_FALL: Final = 0.02
"""R2 that the parts that were there before may lose on the mean."""

MOST_FALL_OF_A_PART: Final = 0.05
"""R2 that one of them may lose, if it is large enough for its R2 to mean something."""

MOST_OUTWEIGHED: Final = 3.0
"""Both grow as the new ratings of a domain outweigh the old ones, up to so many times: what
thousands of ratings say counts for more than what hundreds say, but is no leave to forget these."""

FEWEST_FOR_SCALE: Final = 100
"""So many clips of music set its scale, two for each quantile; if there are fewer, all of them do.
"""

_CLIPS_OF_A_PART: Final = 50
_GROUPS_OF_A_PART: Final = 10
_WEIGHT_OF_A_PART: Final = 0.5
"""Ratings that weigh less are norms of a class that were lent to its clips. To be outvoted by clips
that people rated is no loss, and R2 on them says little."""

_LICENCE: Final = "imported here, under the licence it came with"


@dataclass(frozen=True, slots=True)
class RefitResult:
    """A regression fitted on more corpora.

    Attributes:
        bundle: it, with what the manifest is to say; never written yet.
        table: what it was fitted on.
        compared: beside the regression in service.
    """

    bundle: Bundle
    table: TrainingTable
    compared: CorporaCompared


def refit_with(
    service: Bundle, own: TrainingTable, corpora: Sequence[TrainingTable], seed: int
) -> RefitResult:
    """Fit the regression of a bundle on its own table and more corpora, and compare the two.

    Args:
        service: the bundle in service.
        own: its table; rows of a corpus that is among the new ones are left out.
        corpora: what has come in.
        seed: of the folds.

    Raises:
        TrainingError: a corpus was heard otherwise or cannot be used, or a fit fails.
    """
    joint, is_new = join_tables(_known_as_brought_in(own, service.manifest), corpora)
    regression = regression_from(service.manifest.recipe.settings).fit(joint)
    held = cross_validate(joint, regression, seed)
    before = _without_new(joint, is_new, regression, seed)
    compared = _compared(joint, is_new, before, held.affect, seed)
    manifest = service.manifest.model_copy(
        update={
            "fitted_on": _fitted_on(service.manifest, joint, is_new),
            "held_out": held_out_scores(joint, held, seed),
            "seed": seed,
            "weakness": f"Fitted here on {len(joint)} clips, {int(is_new.sum())} of them imported; "
            "its figures say where it is weak.",
        }
    )
    return RefitResult(Bundle(manifest, regression), joint, compared)


def join_tables(
    own: TrainingTable, corpora: Sequence[TrainingTable]
) -> tuple[TrainingTable, NDArray[np.bool_]]:
    """Put corpora below a bundle's own table, and say which rows are new, shape (clips,).

    A corpus that is there already is replaced. Descriptors are as steady as the own table says:
    that needs the windows of clips, which imported tables do not bring. The scale of music stays
    that of the own table: were it that of thousands of new clips, old ones would be told apart
    less well (R2 of music fell by .032 on the mean in place of .014, and new clips gained nothing).

    Raises:
        TrainingError: a corpus has other descriptors.
    """
    for table in corpora:
        if table.vectors.shape[1:] != own.vectors.shape[1:]:
            raise TrainingError(
                f"corpus {table.corpus[0] if len(table) else '?'}: {table.vectors.shape[1]} "
                f"descriptors, not {own.vectors.shape[1]}; hear it again"
            )
    arriving = {str(name) for table in corpora for name in np.unique(table.corpus)}
    old = own.subset(~np.isin(own.corpus, sorted(arriving)))
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(old, name), *(getattr(each, name) for each in corpora)])
        for name in TrainingTable.__dataclass_fields__
        if name not in {"sets_scale", "steadiness", "is_harmony"}
    }
    is_new = np.arange(len(columns["weight"])) >= len(old)
    sets_scale = np.concatenate([old.sets_scale, np.zeros(is_new.sum(), np.bool_)])
    if (sets_scale & (columns["follows"] == "music")).sum() < FEWEST_FOR_SCALE:
        sets_scale[:] = True
    joint = TrainingTable(
        **columns,
        sets_scale=sets_scale,
        steadiness=own.steadiness,
        is_harmony=own.is_harmony,
    )
    return joint, is_new


def _known_as_brought_in(own: TrainingTable, manifest: Manifest) -> TrainingTable:
    """Take the scale from what the bundle shipped with, where its table is too old to say so."""
    brought = {each.corpus for each in manifest.fitted_on if each.licence == _LICENCE}
    return replace(own, sets_scale=own.sets_scale & ~np.isin(own.corpus, sorted(brought)))


def contains_corpus(own: TrainingTable, corpus: TrainingTable) -> bool:
    """Tell whether a corpus is in a bundle's table just as it is."""
    there = own.subset(np.isin(own.corpus, np.unique(corpus.corpus)))
    columns = ("vectors", "ratings", "weight", "domain", "follows")
    return all(np.array_equal(getattr(there, name), getattr(corpus, name)) for name in columns)


def _without_new(
    joint: TrainingTable, is_new: NDArray[np.bool_], regression: JointRegression, seed: int
) -> NDArray[np.float64]:
    """Predict the folds of `cross_validate` by fits that met nothing of the new corpora."""
    folds = grouped_folds(joint.corpus, joint.group, OUTER_FOLDS, seed)
    affect = np.empty(joint.ratings.shape)
    for fold in range(OUTER_FOLDS):
        out = folds == fold
        fitted = regression.fit_experts(joint.subset(~out & ~is_new))
        affect[out] = np.clip(fitted.predict(joint.vectors[out]).affect, -1.0, 1.0)
    return affect


def _compared(
    joint: TrainingTable,
    is_new: NDArray[np.bool_],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    seed: int,
) -> CorporaCompared:
    old = joint.subset(~is_new)
    parts = {
        domain: [
            _part(old, rows, (part, dim), before[~is_new], after[~is_new])
            for part, rows in parts_of(old)
            if (old.domain[rows] == domain).any()
            for dim in range(len(DIMENSIONS))
        ]
        for domain in ("music", "sound")
    }
    errors = [np.square(joint.ratings - each)[is_new].sum(axis=1) for each in (before, after)]
    gain = float(1 - errors[1].sum() / max(errors[0].sum(), 1e-12))
    chance = sign_flip_p(errors[0] - errors[1], joint.group[is_new], seed)
    mean, most, leeway = _worst_fall(parts, _leeways(joint, is_new))
    allowed = round(MOST_FALL * leeway, 4), round(MOST_FALL_OF_A_PART * leeway, 4)
    kept = mean < allowed[0] and most <= allowed[1]
    better = gain >= MARGIN and chance <= P_LEVEL
    verdict = (
        f"corpora: the new ones are predicted {'better' if better else 'no better'} (squared error "
        f"falls by {gain:.0%}, p {chance:.2g}); on those there before R2 falls by {mean:.3f} on "
        f"the mean and {most:.3f} at most, which is {'little enough' if kept else 'too much'} "
        f"({allowed[0]:.3f} and {allowed[1]:.3f} are allowed)."
    )
    return CorporaCompared(
        parts=[part for each in parts.values() for part in each],
        most_fall=allowed[0],
        most_fall_of_a_part=allowed[1],
        gain_on_new=round(gain, 6),
        p_on_new=chance,
        passed=kept and better,
        verdict=verdict,
    )


def _leeways(joint: TrainingTable, is_new: NDArray[np.bool_]) -> dict[str, float]:
    """Return for each domain how many times the usual its old parts may lose."""
    weights = {
        domain: [joint.weight[rows & (joint.domain == domain)].sum() for rows in (is_new, ~is_new)]
        for domain in ("music", "sound")
    }
    return {
        domain: float(np.clip(new / old, 1.0, MOST_OUTWEIGHED)) if old else 1.0
        for domain, (new, old) in weights.items()
    }


def _worst_fall(
    parts: Mapping[str, Sequence[PartCompared]], leeways: Mapping[str, float]
) -> tuple[float, float, float]:
    """Return the mean fall, the largest, and the leeway, of the domain that comes off worst."""
    found = []
    for domain, leeway in leeways.items():
        falls = [
            each.r2_in_service - each.r2_candidate
            for each in parts[domain]
            if each.bounded and each.r2_in_service is not None and each.r2_candidate is not None
        ]
        if falls:
            found.append((float(np.mean(falls)), max(falls), leeway))
    return max(found, key=_excess, default=(0.0, 0.0, 1.0))


def _excess(fall: tuple[float, float, float]) -> float:
    mean, most, leeway = fall
    return max(mean / MOST_FALL, most / MOST_FALL_OF_A_PART) / leeway


def _part(
    old: TrainingTable,
    rows: NDArray[np.bool_],
    key: tuple[str, int],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> PartCompared:
    part, dim = key
    clips, groups = int(rows.sum()), len(set(old.group[rows].tolist()))
    is_told = clips >= _CLIPS_OF_A_PART and groups >= _GROUPS_OF_A_PART
    scores = [r2(old.ratings[rows, dim], each[rows, dim]) for each in (before, after)]
    finite = [round(score, 4) if np.isfinite(score) else None for score in scores]
    return PartCompared(
        part=part,
        dimension="arousal" if dim == 0 else "valence",
        clips=clips,
        groups=groups,
        r2_in_service=finite[0],
        r2_candidate=finite[1],
        bounded=is_told and float(old.weight[rows].mean()) >= _WEIGHT_OF_A_PART,
    )


def _fitted_on(
    manifest: Manifest, joint: TrainingTable, is_new: NDArray[np.bool_]
) -> list[FittedOn]:
    arriving = set(joint.corpus[is_new].tolist())
    said = [each for each in manifest.fitted_on if each.corpus not in arriving]
    for corpus in sorted(arriving):
        for domain in ("music", "sound"):
            rows = (joint.corpus == corpus) & (joint.domain == domain)
            if rows.any():
                said.append(
                    FittedOn(
                        corpus=corpus,
                        domain="music" if domain == "music" else "sound",
                        clips=int(rows.sum()),
                        groups=len(set(joint.group[rows].tolist())),
                        weight=round(float(joint.weight[rows].sum()), 3),
                        licence=_LICENCE,
                    )
                )
    return said
