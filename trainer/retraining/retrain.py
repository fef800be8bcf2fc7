"""Retraining: fits a candidate, compares it with what is published, and publishes the better.

The regression stays unless corpora have been imported: annotations that are added to its table
teach it less than a personal layer learns from them (docs/learning.md). One run at a time; a run
that is killed leaves the published bundle unchanged, and the next removes what it left behind.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.bundles import bundle, registry
from trainer.bundles.bundle_manifest import NAME
from trainer.files.atomic_dir import sync_folder
from trainer.personal.layer_file import encode_layer
from trainer.regression.training_table import decode_table
from trainer.retraining.candidate import best_candidate
from trainer.retraining.refit import BaseRegression, contains_corpus
from trainer.retraining.rejected import (
    RejectedCandidate,
    annotations_key,
    corpora_key,
    find_rejected,
    store_rejected,
)
from trainer.trainer_errors import BundleError, TooFewAnnotations, TrainingError, TrainingUnderWay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.bundles.bundle_manifest import Manifest
    from trainer.personal.annotation_arrays import AnnotationArrays
    from trainer.personal.comparison import BundleComparison
    from trainer.regression.training_table import TrainingTable
    from trainer.retraining.candidate import Candidate

log = logging.getLogger(__name__)

LOCK: Final = "retraining.lock"
_CANDIDATE: Final = "learned-"


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """The result of one retraining.

    Attributes:
        name: of the candidate, which is stored in the registry either way.
        published: whether it is published now.
        reason: one sentence for the log and the operator.
        comparison: everything that decided it.
    """

    name: str
    published: bool
    reason: str
    comparison: BundleComparison


def retrain(
    registry_dir: Path,
    annotations: AnnotationArrays,
    corpora: Sequence[TrainingTable] = (),
    *,
    seed: int,
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
        run = _Run(registry_dir, directory, annotations, seed, feature_key)
        name = name or _next_name(registry_dir)
        comparison = run.store_candidate(name, corpora)
        published = publish and comparison.passed
        if published:
            old = run.published.bundle.name
            registry.publish(registry_dir, name, instead_of=old, feature_key=feature_key)
        registry.prune(registry_dir, keep, feature_key=feature_key)
    log.info("%s: %s", name, comparison.verdict)
    return RetrainResult(name, published, comparison.verdict, comparison)


class _Run:
    """One retraining, under the lock of the registry."""

    def __init__(
        self,
        registry_dir: Path,
        directory: Path,
        annotations: AnnotationArrays,
        seed: int,
        feature_key: str | None,
    ) -> None:
        self._registry_dir = registry_dir
        self._annotations = annotations
        self._seed = seed
        loaded = bundle.load(directory, feature_key=feature_key)
        _, self._content = bundle.read_bundle(directory, feature_key)
        table = decode_table(self._content[bundle.TABLE], str(directory))
        self.published = BaseRegression(loaded, table)
        found = annotations.vectors.shape[1]
        if len(annotations) and found != loaded.manifest.features:
            raise TrainingError(
                f"annotations: {found} descriptors, but {loaded.name} was fitted on "
                f"{loaded.manifest.features}; analyse the sounds again"
            )

    def store_candidate(self, name: str, corpora: Sequence[TrainingTable]) -> BundleComparison:
        """Fit a candidate, write it to the registry under a name, and return its comparison."""
        new = [corpus for corpus in corpora if not contains_corpus(self.published.table, corpus)]
        if not (len(self._annotations) or new):
            raise TooFewAnnotations(
                f"nothing is annotated yet, and {self.published.bundle.name} was fitted on every "
                "corpus already"
            )
        keys = self._keys(new)
        rejected = find_rejected(self._registry_dir, *keys) if new else None
        if rejected is not None:
            new = []
            if not len(self._annotations):
                raise TooFewAnnotations(_rejected_before(rejected))
        candidate = best_candidate(self.published, self._annotations, new, self._seed)
        comparison = candidate.comparison
        if rejected is not None:
            verdict = f"{_rejected_before(rejected)} {comparison.verdict}"
            update = {"corpora": rejected.compared, "verdict": verdict}
            comparison = comparison.model_copy(update=update)
        self._write(name, candidate, comparison)
        if new and (candidate.base is self.published or not comparison.passed):
            self._store_rejected(name, keys, comparison)
        return comparison

    def _keys(self, new: Sequence[TrainingTable]) -> tuple[str, str]:
        """Return the keys of a comparison of corpora, and of the annotations beside it."""
        fitted = (self._content[bundle.REGRESSION], self._content[bundle.TABLE])
        layer = self._content.get(bundle.PERSONAL, b"")
        return corpora_key(fitted, new, self._seed), annotations_key(self._annotations, layer)

    def _write(self, name: str, candidate: Candidate, comparison: BundleComparison) -> None:
        content = self._content | {bundle.PERSONAL: encode_layer(candidate.personal)}
        if candidate.base is not self.published:
            content[bundle.REGRESSION] = bundle.pickled(candidate.base.bundle.regression)
            content[bundle.TABLE] = candidate.base.table.encoded()
        draft = candidate.base.bundle.manifest.model_copy(
            update={"name": name, "comparison": comparison, "refitted_from": None}
        )
        _add(self._registry_dir, draft, content)

    def _store_rejected(
        self, candidate: str, keys: tuple[str, str], comparison: BundleComparison
    ) -> None:
        compared = comparison.corpora
        assert compared is not None
        rejected = RejectedCandidate(
            corpora=keys[0],
            annotations=keys[1] if compared.passed else None,
            candidate=candidate,
            compared=compared,
        )
        store_rejected(self._registry_dir, rejected)


def _rejected_before(rejected: RejectedCandidate) -> str:
    return (
        f"corpora: rejected before with {rejected.candidate}, so not compared again "
        f"({rejected.compared.verdict.rstrip('.')})."
    )


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


def _add(registry_dir: Path, draft: Manifest, content: dict[str, bytes]) -> None:
    """Write a candidate into the staging folder, then move it into the registry."""
    staged = registry_dir / registry.STAGING / draft.name
    destination = registry_dir / draft.name
    _require_free(registry_dir, draft.name)
    try:
        staged.parent.mkdir(mode=0o700, exist_ok=True)
        bundle.write_content(staged, draft, content)
        staged.rename(destination)
        sync_folder(registry_dir)
    except OSError as error:
        raise BundleError(f"{destination}: cannot be written: {error.strerror}") from error


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
