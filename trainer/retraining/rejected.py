"""What was compared and not taken, so that minutes of fitting are not repeated every night.

Fits are seeded: the same corpora beside the same regression come to the same figures again. A
refusal is found again by the content of both, whatever the corpora are called. Where the corpora
were worth having and the annotations alone spoke against them, those are part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.files.atomic_dir import sync_folder
from trainer.personal.comparison import CorporaCompared  # noqa: TC001 - pydantic reads it
from trainer.regression.joint import RECIPE
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trainer.personal.annotation_arrays import AnnotationArrays
    from trainer.regression.training_table import TrainingTable

FILE: Final = "refused.json"
MOST: Final = 20
LARGEST_BYTES: Final = 4 << 20


class RejectedCandidate(BaseModel):
    """Corpora that were not taken.

    Attributes:
        corpora: hash of them, of the regression they were compared with, and of the seed.
        annotations: hash of what spoke against them; None if the corpora themselves did.
        candidate: name of the bundle that was refused; it may be gone.
        compared: the figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpora: str
    annotations: str | None
    candidate: str
    compared: CorporaCompared


def corpora_key(in_service: Iterable[bytes], corpora: Iterable[TrainingTable], seed: int) -> str:
    """Return what names a comparison: a hash of all that decides how it comes out.

    Args:
        in_service: the fitted regression in service and its table, as they lie in its bundle.
        corpora: what has come in.
        seed: of folds, draws and tests.
    """
    return _hash([f"{RECIPE} {seed}".encode(), *in_service, *map(_content, corpora)])


def annotations_key(annotations: AnnotationArrays, listener: bytes) -> str:
    """Return a hash of annotations, and of the listener layer that they are compared above."""
    return _hash([listener, _content(annotations)])


def refusal_of(registry_dir: Path, corpora: str, annotations: str) -> RejectedCandidate | None:
    """Return that corpora were refused, or None if that is not known.

    Args:
        registry_dir: the registry.
        corpora: their key.
        annotations: the key of what is annotated now.
    """
    for each in _kept(registry_dir):
        if each.corpora == corpora and each.annotations in {None, annotations}:
            return each
    return None


def remember(registry_dir: Path, refusal: RejectedCandidate) -> None:
    """Keep a refusal, and with it the latest others.

    Raises:
        BundleError: it cannot be written.
    """
    kept = [refusal, *(each for each in _kept(registry_dir) if not _same(each, refusal))][:MOST]
    beside = registry_dir / f".{FILE}.{os.getpid()}"
    try:
        beside.write_text(json.dumps([each.model_dump() for each in kept]), encoding="ascii")
        beside.replace(registry_dir / FILE)
        sync_folder(registry_dir)
    except OSError as error:
        raise BundleError(f"{registry_dir / FILE}: cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


def forget(registry_dir: Path) -> None:
    """Forget all that was refused, so that it is compared again.

    Raises:
        BundleError: it cannot be removed.
    """
    try:
        (registry_dir / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(f"{registry_dir / FILE}: {error.strerror}") from error


def _kept(registry_dir: Path) -> list[RejectedCandidate]:
    # It spares work and nothing else: what cannot be read is not known.
    try:
        with (registry_dir / FILE).open("rb") as stream:
            said = json.loads(stream.read(LARGEST_BYTES))
        return [RejectedCandidate.model_validate(each) for each in said]
    except (OSError, ValueError, TypeError, RecursionError, ValidationError):
        return []


def _same(one: RejectedCandidate, other: RejectedCandidate) -> bool:
    return (one.corpora, one.annotations) == (other.corpora, other.annotations)


def _content(columns: TrainingTable | AnnotationArrays) -> bytes:
    parts = []
    for field in fields(columns):
        column = np.ascontiguousarray(getattr(columns, field.name))
        parts += [f"{field.name} {column.dtype} {column.shape}".encode(), column.tobytes()]
    return _hash(parts).encode()


def _hash(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.hexdigest()
