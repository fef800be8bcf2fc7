"""Fitting the regression again with imported corpora, and whether the new one is better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from trainer.bundles.bundle import Bundle
from trainer.bundles.bundle_manifest import FittedOn
from trainer.corpora.repeated_clips import repeated_clips, repeats_told
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
from trainer.regression.same_sounds import linked, same_sounds
from trainer.regression.training_table import TrainingTable
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.bundles.bundle_manifest import Manifest
    from trainer.corpora.rated_clip import Domain
    from trainer.regression.joint import JointRegression

MOST_FALL: Final = 0.02
"""R2 that the old parts may lose on the mean."""

MOST_FALL_OF_A_PART: Final = 0.05
"""R2 that one of them may lose, if it is large enough for its R2 to mean something."""

MOST_OUTWEIGHED: Final = 3.0
"""Both limits grow with the weight of the new ratings of a domain relative to the old ones, up to
this factor: thousands of ratings count for more than hundreds, but must not erase them."""

FEWEST_FOR_SCALE: Final = 100
"""The old clips alone set the scale, two for each quantile; if they are fewer, all do."""

_CLIPS_OF_A_PART: Final = 50
_GROUPS_OF_A_PART: Final = 10
_WEIGHT_OF_A_PART: Final = 0.5
"""Ratings that weigh less are norms of a class, assigned to its clips. R2 on them means little, and
clips that people rated may outvote them."""

_LICENCE: Final = "imported here, under the licence it came with"
_DOMAINS: Final[tuple[Domain, ...]] = ("music", "voice", "sound")
DIMENSION_NAMES: Final[tuple[Literal["arousal", "valence"], ...]] = ("arousal", "valence")


class JoinedTables(NamedTuple):
    """A bundle's own table with corpora appended.

    Attributes:
        table: of all clips; those of the same sound share a group.
        is_new: whether a clip is from one of the corpora, shape (clips,).
        same: the number of the first clip with the same sound, shape (clips,).
    """

    table: TrainingTable
    is_new: NDArray[np.bool_]
    same: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class BaseRegression:
    """A regression to fit a personal layer on.

    Attributes:
        bundle: holds it; not written yet if the regression is new.
        table: it was fitted on this.
        compared: with the published regression; None if it is the published one.
    """

    bundle: Bundle
    table: TrainingTable
    compared: CorporaCompared | None = None


def refit_with(
    published: BaseRegression, corpora: Sequence[TrainingTable], seed: int
) -> BaseRegression:
    """Fit the published regression again on its own table and new corpora; compare the two.

    Raises:
        TrainingError: a corpus has other features or cannot be used, or a fit fails.
    """
    manifest = published.bundle.manifest
    joined = join_tables(_shipped_scale(published.table, manifest), corpora)
    joint, is_new, _ = joined
    regression = regression_from(manifest.recipe.settings).fit(joint)
    held = cross_validate(joint, regression, seed)
    old = _predict_without_new(joint, is_new, regression, seed)
    weakness = (
        f"Fitted here on {len(joint)} clips, {int(is_new.sum())} of them imported; "
        "its scores show where it is weak."
    )
    draft = manifest.model_copy(
        update={
            "fitted_on": _fitted_on(manifest, joint, is_new),
            "held_out": held_out_scores(joint, held, seed),
            "seed": seed,
            "weakness": weakness,
        }
    )
    compared = _compare(joined, old, held.affect, seed)
    return BaseRegression(Bundle(draft, regression), joint, compared)


def join_tables(own: TrainingTable, corpora: Sequence[TrainingTable]) -> JoinedTables:
    """Append corpora to a bundle's own table.

    A corpus that is in the table already is replaced. Clips of the same sound get one group,
    whatever corpora they are in: a fold without one of them is no test if another is fitted on.
    Steadiness is that of the own table: it needs the windows of clips, which imported tables lack.
    The scale also stays: a scale set by thousands of new clips resolves the old ones less
    well (R2 of music fell by .032 on the mean instead of .014, and new clips gained nothing).

    Raises:
        TrainingError: a corpus has other descriptors.
    """
    for table in corpora:
        if table.vectors.shape[1:] != own.vectors.shape[1:]:
            raise TrainingError(
                f"corpus {table.corpus[0] if len(table) else '?'}: {table.vectors.shape[1]} "
                f"descriptors, not {own.vectors.shape[1]}; import it again"
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
    if sets_scale.sum() < FEWEST_FOR_SCALE:
        sets_scale[:] = True
    same = same_sounds(columns["vectors"])
    columns["group"] = linked(columns["group"], same)
    joint = TrainingTable(
        **columns, sets_scale=sets_scale, steadiness=own.steadiness, is_harmony=own.is_harmony
    )
    return JoinedTables(joint, is_new, same)


def _shipped_scale(own: TrainingTable, manifest: Manifest) -> TrainingTable:
    """Let only shipped clips set the scale: old tables do not mark the imported ones."""
    imported = {each.corpus for each in manifest.fitted_on if each.licence == _LICENCE}
    return replace(own, sets_scale=own.sets_scale & ~np.isin(own.corpus, sorted(imported)))


def contains_corpus(own: TrainingTable, corpus: TrainingTable) -> bool:
    """Return whether a bundle's table has exactly the rows of a corpus."""
    stored = own.subset(np.isin(own.corpus, np.unique(corpus.corpus)))
    columns = ("vectors", "ratings", "weight", "domain")
    return all(np.array_equal(getattr(stored, name), getattr(corpus, name)) for name in columns)


def _predict_without_new(
    joint: TrainingTable, is_new: NDArray[np.bool_], regression: JointRegression, seed: int
) -> NDArray[np.float64]:
    """Predict the folds of `cross_validate` by fits on old rows only; shape (clips, 2)."""
    folds = grouped_folds(joint.corpus, joint.group, OUTER_FOLDS, seed)
    affect = np.empty(joint.ratings.shape)
    for fold in range(OUTER_FOLDS):
        out = folds == fold
        fitted = regression.fit_kernel(joint.subset(~out & ~is_new))
        affect[out] = np.clip(fitted.predict(joint.vectors[out]).affect, -1.0, 1.0)
    return affect


def _compare(
    joined: JoinedTables, before: NDArray[np.float64], after: NDArray[np.float64], seed: int
) -> CorporaCompared:
    joint, is_new, same = joined
    repeated = list(repeats_told(repeated_clips(joint, same)))
    parts = _compare_parts(joint.subset(~is_new), before[~is_new], after[~is_new])
    errors = [np.square(joint.ratings - each)[is_new].sum(axis=1) for each in (before, after)]
    gain = float(1 - errors[1].sum() / max(errors[0].sum(), 1e-12))
    p = sign_flip_p(errors[0] - errors[1], joint.group[is_new], seed)
    mean, most, leeway = _worst_fall(parts, _leeways(joint, is_new))
    allowed = round(MOST_FALL * leeway, 4), round(MOST_FALL_OF_A_PART * leeway, 4)
    retained = mean < allowed[0] and most <= allowed[1]
    better = gain >= MARGIN and p <= P_LEVEL
    verdict = (
        f"corpora: the new ones are predicted {'better' if better else 'no better'} (squared error "
        f"falls by {gain:.0%}, p {p:.2g}); on the old ones R2 falls by {mean:.3f} on the mean and "
        f"{most:.3f} at most, which is {'little enough' if retained else 'too much'} "
        f"({allowed[0]:.3f} and {allowed[1]:.3f} are allowed)."
    )
    if repeated:
        verdict += f" Held out together: {'; '.join(repeated)}."
    return CorporaCompared(
        parts=[part for each in parts.values() for part in each],
        most_fall=allowed[0],
        most_fall_of_a_part=allowed[1],
        gain_on_new=round(gain, 6),
        p_on_new=p,
        passed=retained and better,
        verdict=verdict,
        repeated=repeated,
    )


def _leeways(joint: TrainingTable, is_new: NDArray[np.bool_]) -> dict[str, float]:
    """Return for each domain the factor on what its old parts may lose."""
    weights = {
        domain: [joint.weight[rows & (joint.domain == domain)].sum() for rows in (is_new, ~is_new)]
        for domain in _DOMAINS
    }
    return {
        domain: float(np.clip(new / old, 1.0, MOST_OUTWEIGHED)) if old else 1.0
        for domain, (new, old) in weights.items()
    }


def _worst_fall(
    parts: Mapping[str, Sequence[PartCompared]], leeways: Mapping[str, float]
) -> tuple[float, float, float]:
    """Return the mean fall, the largest, and the leeway, of the domain that loses most."""
    found = []
    for domain, leeway in leeways.items():
        falls = [
            each.r2_in_service - each.r2_candidate
            for each in parts[domain]
            if each.bounded and each.r2_in_service is not None and each.r2_candidate is not None
        ]
        if falls:
            found.append((float(np.mean(falls)), max(falls), leeway))

    def excess(fall: tuple[float, float, float]) -> float:
        mean, most, leeway = fall
        return max(mean / MOST_FALL, most / MOST_FALL_OF_A_PART) / leeway

    return max(found, key=excess, default=(0.0, 0.0, 1.0))


def _compare_parts(
    old: TrainingTable, before: NDArray[np.float64], after: NDArray[np.float64]
) -> dict[str, list[PartCompared]]:
    """Compare two predictions of each part of the old corpora, by domain."""
    compared: dict[str, list[PartCompared]] = {domain: [] for domain in _DOMAINS}
    for part, rows in parts_of(old):
        if not rows.any():
            continue
        clips, groups = int(rows.sum()), len(set(old.group[rows].tolist()))
        is_large = clips >= _CLIPS_OF_A_PART and groups >= _GROUPS_OF_A_PART
        for dim, name in enumerate(DIMENSION_NAMES):
            scores = [r2(old.ratings[rows, dim], each[rows, dim]) for each in (before, after)]
            finite = [round(score, 4) if np.isfinite(score) else None for score in scores]
            found = PartCompared(
                part=part,
                dimension=name,
                clips=clips,
                groups=groups,
                r2_in_service=finite[0],
                r2_candidate=finite[1],
                bounded=is_large and float(old.weight[rows].mean()) >= _WEIGHT_OF_A_PART,
            )
            compared[str(old.domain[rows][0])].append(found)
    return compared


def _fitted_on(
    manifest: Manifest, joint: TrainingTable, is_new: NDArray[np.bool_]
) -> list[FittedOn]:
    arriving = set(joint.corpus[is_new].tolist())
    stay = [each for each in manifest.fitted_on if each.corpus not in arriving]
    for corpus in sorted(arriving):
        for domain in _DOMAINS:
            rows = (joint.corpus == corpus) & (joint.domain == domain)
            if not rows.any():
                continue
            part = FittedOn(
                corpus=corpus,
                domain=domain,
                clips=int(rows.sum()),
                groups=len(set(joint.group[rows].tolist())),
                weight=round(float(joint.weight[rows].sum()), 3),
                licence=_LICENCE,
            )
            stay.append(part)
    return stay
