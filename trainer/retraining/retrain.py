"""Learning from annotations: fits a candidate, compares it, and publishes it if it is better.

The regression stays as it is unless corpora have come in: ratings that are put into its table
teach it less than a listener layer learns from them (docs/learning.md). One run at a time; a run
that is killed leaves the bundle in service as it was, and the next removes what it left behind.
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
from trainer.retraining.refit import contains_corpus
from trainer.retraining.rejected import (
    RejectedCandidate,
    annotations_key,
    corpora_key,
    refusal_of,
    remember,
)
from trainer.trainer_errors import BundleError, TooFewAnnotations, TrainingError, TrainingUnderWay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.bundles.bundle_manifest import Manifest
    from trainer.personal.annotation_arrays import AnnotationArrays
    from trainer.personal.comparison import BundleComparison
    from trainer.regression.training_table import TrainingTable

log = logging.getLogger(__name__)

LOCK: Final = "retraining.lock"
_CANDIDATE: Final = "learned-"


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """What came of one retraining.

    Attributes:
        name: of the candidate, which is kept in the registry either way.
        published: whether it is in service now.
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
    """Fit a candidate on annotations, compare it with the bundle in service, publish the better.

    Corpora that were compared with this very regression and not taken are not compared again.

    Args:
        registry_dir: the registry; an empty one gets the starter first.
        annotations: all that are in force, not only new ones.
        corpora: imported corpora. If the bundle in service was not fitted on one of them, or not
            as it is now, its regression is fitted again, which takes minutes.
        seed: of folds, draws and tests.
        name: of the candidate; ``learned-`` and the next number if not given.
        publish: whether a candidate that passes is put in service.
        keep: how many candidates stay in the registry, beside those that `registry.prune` spares.
        feature_key: as for `bundle.verify`.

    Raises:
        TooFewAnnotations: nothing is annotated, and no corpus is new or all were refused before.
        TrainingUnderWay: another process learns just now.
        TrainingError: a fit fails; nothing changes.
        BundleError: the bundle in service or the registry cannot be used; nothing changes.
    """
    if not (len(annotations) or corpora):
        raise TooFewAnnotations("nothing is annotated yet, so there is nothing to learn from")
    if name is not None:
        _demand_free(registry_dir, name)
    directory, _ = registry.prepare(registry_dir, feature_key=feature_key)
    with _alone(registry_dir):
        service = bundle.load(directory, feature_key=feature_key)
        _demand_alike(service.manifest, annotations)
        _, content = bundle.read_bundle(directory, feature_key)
        table = decode_table(content[bundle.TABLE], str(directory))
        new = [corpus for corpus in corpora if not contains_corpus(table, corpus)]
        if not (len(annotations) or new):
            raise TooFewAnnotations(
                f"nothing is annotated yet, and {service.name} was fitted on every corpus already"
            )
        keys = _keys(content, annotations, new, seed)
        refused = refusal_of(registry_dir, *keys) if new else None
        if refused is not None and not len(annotations):
            raise TooFewAnnotations(_refused_before(refused))
        candidate = best_candidate(service, table, annotations, [] if refused else new, seed)
        comparison = _telling(refused, candidate.comparison)
        if candidate.base is not service:
            content[bundle.REGRESSION] = bundle.pickled(candidate.base.regression)
            content[bundle.TABLE] = candidate.table.encoded()
        content[bundle.PERSONAL] = encode_layer(candidate.personal)
        name = name or _next_name(registry_dir)
        draft = candidate.base.manifest.model_copy(
            update={"name": name, "comparison": comparison, "refitted_from": None}
        )
        _place(registry_dir, draft, content)
        if new and refused is None and (candidate.base is service or not comparison.passed):
            _remember(registry_dir, keys, name, comparison)
        published = publish and comparison.passed
        if published:
            registry.publish(registry_dir, name, instead_of=service.name, feature_key=feature_key)
        registry.prune(registry_dir, keep, feature_key=feature_key)
    log.info("%s: %s", name, comparison.verdict)
    return RetrainResult(name, published, comparison.verdict, comparison)


def _keys(
    content: dict[str, bytes],
    annotations: AnnotationArrays,
    corpora: Sequence[TrainingTable],
    seed: int,
) -> tuple[str, str]:
    """Return what names a comparison of corpora, and what is annotated meanwhile."""
    fitted = (content[bundle.REGRESSION], content[bundle.TABLE])
    listener = content.get(bundle.PERSONAL, b"")
    return corpora_key(fitted, corpora, seed), annotations_key(annotations, listener)


def _remember(
    registry_dir: Path, keys: tuple[str, str], candidate: str, comparison: BundleComparison
) -> None:
    compared = comparison.corpora
    assert compared is not None
    spoke = keys[1] if compared.passed else None
    remember(
        registry_dir,
        RejectedCandidate(
            corpora=keys[0], annotations=spoke, candidate=candidate, compared=compared
        ),
    )


def _telling(refused: RejectedCandidate | None, comparison: BundleComparison) -> BundleComparison:
    if refused is None:
        return comparison
    verdict = f"{_refused_before(refused)} {comparison.verdict}"
    return comparison.model_copy(update={"corpora": refused.compared, "verdict": verdict})


def _refused_before(refused: RejectedCandidate) -> str:
    return (
        f"corpora: as for {refused.candidate}, and so not compared again; they were not taken then"
        f" ({refused.compared.verdict.rstrip('.')})."
    )


@contextmanager
def _alone(registry_dir: Path) -> Iterator[None]:
    """Let no other retraining in, and remove what a killed one left.

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


def _place(registry_dir: Path, draft: Manifest, content: dict[str, bytes]) -> None:
    """Write a candidate where nobody looks, then let it appear in the registry."""
    staged = registry_dir / registry.STAGING / draft.name
    place = registry_dir / draft.name
    _demand_free(registry_dir, draft.name)
    try:
        staged.parent.mkdir(mode=0o700, exist_ok=True)
        bundle.write_content(staged, draft, content)
        staged.rename(place)
        sync_folder(registry_dir)
    except OSError as error:
        raise BundleError(f"{place}: cannot be written: {error.strerror}") from error


def _demand_free(registry_dir: Path, name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise TrainingError(
            f"'{name}' cannot name a bundle: at most 64 of a-z, 0-9, '.', '_' and '-', and first "
            "a letter or a digit"
        )
    if (registry_dir / name).exists():
        raise TrainingError(f"{registry_dir / name}: there is a bundle of that name already")


def _demand_alike(manifest: Manifest, annotations: AnnotationArrays) -> None:
    found = annotations.vectors.shape[1]
    if len(annotations) and found != manifest.features:
        raise TrainingError(
            f"annotations: {found} descriptors, but {manifest.name} knows {manifest.features}; "
            "hear the sounds again"
        )


def _next_name(registry_dir: Path) -> str:
    """Return a name that no candidate has had: the latest is never removed."""
    numbers = [
        int(found[1])
        for entry in registry_dir.iterdir()
        if (found := re.fullmatch(rf"{_CANDIDATE}(\d+)(\.refit-\d+)?", entry.name))
    ]
    return f"{_CANDIDATE}{max(numbers, default=0) + 1}"
