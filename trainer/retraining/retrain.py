"""Retraining: fits a candidate, compares it with what is published, and publishes the better.

The regression stays unless corpora have been imported: annotations that are added to its table
teach it less than a personal layer learns from them (docs/learning.md). One run at a time; a run
that is killed leaves the published bundle unchanged, and the next removes what it left behind.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from trainer.bundles import bundle, registry
from trainer.bundles.bundle_manifest import NAME
from trainer.files.atomic_dir import sync_folder
from trainer.personal.layer_file import encode_layer
from trainer.regression.training_table import decode_table
from trainer.retraining.candidate import best_candidate
from trainer.retraining.refit import BaseRegression, contains_corpus
from trainer.retraining.rejected import annotations_key, corpora_key, find_rejected, store_rejected
from trainer.trainer_errors import BundleError, TooFewAnnotations, TrainingError, TrainingUnderWay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.personal.annotation_arrays import AnnotationArrays
    from trainer.personal.comparison import BundleComparison
    from trainer.regression.training_table import TrainingTable
    from trainer.retraining.candidate import Candidate
    from trainer.retraining.rejected import RejectedCandidate


LOCK: Final = "retraining.lock"
_CANDIDATE: Final = "learned-"


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """The result of one retraining.

    Attributes:
        name: of the candidate, which is stored in the registry either way.
        published: whether it is published now.
        reason: for the log and the operator, in one line.
        comparison: everything that decided it.
    """

    name: str
    published: bool
    reason: str
    comparison: BundleComparison


def retrain(  # noqa: PLR0913 - each is set by some caller alone
    registry_dir: Path,
    annotations: AnnotationArrays,
    corpora: Sequence[TrainingTable] = (),
    *,
    seed: int,
    people: int | None = None,
    name: str | None = None,
    publish: bool = True,
    keep: int = 5,
    feature_key: str | None = None,
) -> RetrainResult:
    """Fit a candidate on annotations, compare it with the published bundle, publish the better.

    Corpora that were compared with this very regression and rejected are not compared again.

    Args:
        registry_dir: the registry; an empty one gets the starter first.
        annotations: all that are valid, not only new ones.
        corpora: imported corpora. If the published bundle was not fitted on one of them, or not
            as it is now, its regression is fitted again, which takes minutes.
        seed: of folds, draws and tests.
        people: how many annotated, for the manifest; None if unknown.
        name: of the candidate; ``learned-`` and the next number if None.
        publish: whether a candidate that passes is published.
        keep: how many candidates stay in the registry, besides those that `registry.prune` spares.
        feature_key: as for `bundle.read_bundle`.

    Raises:
        TooFewAnnotations: nothing is annotated, and no corpus is new or all were rejected before.
        TrainingUnderWay: another process is training.
        TrainingError: a fit fails; nothing changes.
        BundleError: the published bundle or the registry cannot be used; nothing changes.
    """
    if not (len(annotations) or corpora):
        raise TooFewAnnotations("nothing is annotated yet, so there is nothing to learn from")
    if name is not None:
        _require_free(registry_dir, name)
    directory, _ = registry.prepare(registry_dir, feature_key=feature_key)
    with _locked(registry_dir):
        old, content = _read(directory, annotations, feature_key)
        new = [corpus for corpus in corpora if not contains_corpus(old.table, corpus)]
        if not (len(annotations) or new):
            known = f"{old.bundle.name} was fitted on every corpus already"
            raise TooFewAnnotations(f"nothing is annotated yet, and {known}")
        fitted = content[bundle.REGRESSION], content[bundle.TABLE]
        layer = content.get(bundle.PERSONAL, b"")
        keys = corpora_key(fitted, new, seed), annotations_key(annotations, layer)
        rejected = find_rejected(registry_dir, *keys) if new else None
        candidate = _fit(old, annotations, new, rejected, seed)
        comparison = candidate.comparison.model_copy(update={"people": people})
        candidate = replace(candidate, comparison=comparison)
        name = name or _next_name(registry_dir)
        _add(registry_dir, name, candidate, content, fitted_again=candidate.base is not old)
        if new and rejected is None and (candidate.base is old or not comparison.passed):
            assert comparison.corpora is not None
            store_rejected(registry_dir, keys, name, comparison.corpora)
        published = publish and comparison.passed
        if published:
            replaced = old.bundle.name
            registry.publish(registry_dir, name, instead_of=replaced, feature_key=feature_key)
        registry.prune(registry_dir, keep, feature_key=feature_key)
    return RetrainResult(name, published, comparison.verdict, comparison)


def _read(
    directory: Path, annotations: AnnotationArrays, feature_key: str | None
) -> tuple[BaseRegression, dict[str, bytes]]:
    """Return the published regression, and the files of its bundle."""
    loaded = bundle.load(directory, feature_key=feature_key)
    found, expected = annotations.vectors.shape[1], loaded.manifest.features
    if len(annotations) and found != expected:
        raise TrainingError(
            f"annotations: {found} descriptors, but {loaded.name} was fitted on {expected}; "
            "analyse the sounds again"
        )
    _, content = bundle.read_bundle(directory, feature_key, fitted=True)
    return BaseRegression(loaded, decode_table(content[bundle.TABLE], str(directory))), content


def _fit(
    old: BaseRegression,
    annotations: AnnotationArrays,
    new: Sequence[TrainingTable],
    rejected: RejectedCandidate | None,
    seed: int,
) -> Candidate:
    """Fit the best candidate, without the new corpora if they were rejected before."""
    if rejected is None:
        return best_candidate(old, annotations, new, seed)
    before = (
        f"corpora: rejected before with {rejected.candidate}, so not compared again "
        f"({rejected.compared.verdict.rstrip('.')})."
    )
    if not len(annotations):
        raise TooFewAnnotations(before)
    candidate = best_candidate(old, annotations, (), seed)
    verdict = f"{before} {candidate.comparison.verdict}"
    update = {"corpora": rejected.compared, "verdict": verdict}
    return replace(candidate, comparison=candidate.comparison.model_copy(update=update))


@contextmanager
def _locked(registry_dir: Path) -> Iterator[None]:
    """Exclude other retrainings, and remove what a killed one left.

    The lock is the kernel's, so it ends with the process, however that ends.
    """
    handle = os.open(registry_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingUnderWay(
                f"{registry_dir}: another retraining is under way; wait for it to end"
            ) from error
        registry.remove_leftovers(registry_dir)
        yield
        shutil.rmtree(registry_dir / registry.STAGING, ignore_errors=True)
    finally:
        os.close(handle)


def _add(
    registry_dir: Path,
    name: str,
    candidate: Candidate,
    content: dict[str, bytes],
    *,
    fitted_again: bool,
) -> None:
    """Write a candidate into the staging folder, then move it into the registry."""
    base = candidate.base
    content = content | {bundle.PERSONAL: encode_layer(candidate.personal)}
    if fitted_again:
        content[bundle.REGRESSION] = bundle.pickled(base.bundle.regression)
        content[bundle.TABLE] = base.table.encoded()
    draft = base.bundle.manifest.model_copy(
        update={"name": name, "comparison": candidate.comparison, "refitted_from": None}
    )
    staged = registry_dir / registry.STAGING / name
    _require_free(registry_dir, name)
    try:
        staged.parent.mkdir(mode=0o700, exist_ok=True)
        bundle.write_content(staged, draft, content, registry=registry_dir)
        staged.rename(registry_dir / name)
        sync_folder(registry_dir)
    except OSError as error:
        raise BundleError(f"{registry_dir / name}: cannot be written: {error.strerror}") from error


def _require_free(registry_dir: Path, name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise TrainingError(
            f"'{name}' cannot name a bundle: at most 64 of a-z, 0-9, '.', '_' and '-', and first "
            "a letter or a digit"
        )
    if (registry_dir / name).exists():
        raise TrainingError(f"{registry_dir / name}: a bundle of that name exists already")


def _next_name(registry_dir: Path) -> str:
    """Return a name that no candidate has had: the latest is never removed."""
    numbers = [
        int(found[1])
        for entry in registry_dir.iterdir()
        if (found := re.fullmatch(rf"{_CANDIDATE}(\d+)(\.refit-\d+)?", entry.name))
    ]
    return f"{_CANDIDATE}{max(numbers, default=0) + 1}"
