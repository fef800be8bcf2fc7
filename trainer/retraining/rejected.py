"""Candidates that were rejected, so that minutes of fitting are not repeated every night.

Fits are seeded: the same corpora compared with the same regression give the same figures again. A
rejection is found by the content of both, whatever the corpora are called. Where the corpora passed
and only the annotations decided against them, the annotations are part of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from trainer.files.atomic_dir import replace_file
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
    """Corpora that were rejected.

    Attributes:
        corpora: hash of them, of the regression they were compared with, and of the seed.
        annotations: hash of those that decided against them; None if the corpora did not pass.
        candidate: name of the rejected bundle, which may have been removed.
        compared: the figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpora: str
    annotations: str | None
    candidate: str
    compared: CorporaCompared


_LIST: Final = TypeAdapter(list[RejectedCandidate])


def corpora_key(fitted: Iterable[bytes], corpora: Iterable[TrainingTable], seed: int) -> str:
    """Return a hash of all that decides the comparison of corpora.

    `fitted` holds the published regression and its table, as bytes of its bundle.
    """
    return _hash([f"{RECIPE} {seed}".encode(), *fitted, *map(_content, corpora)])


def annotations_key(annotations: AnnotationArrays, layer: bytes) -> str:
    """Return a hash of annotations, and of the personal layer that they are compared with."""
    return _hash([layer, _content(annotations)])


def find_rejected(registry_dir: Path, corpora: str, annotations: str) -> RejectedCandidate | None:
    """Return the rejection of corpora, by their key and that of the current annotations, if any."""
    for each in _stored(registry_dir):
        if each.corpora == corpora and each.annotations in {None, annotations}:
            return each
    return None


def store_rejected(
    registry_dir: Path, keys: tuple[str, str], candidate: str, compared: CorporaCompared
) -> None:
    """Store a rejection by the keys of corpora and annotations, and with it the latest others.

    Raises:
        BundleError: it cannot be written.
    """
    key = keys[0], keys[1] if compared.passed else None
    rejected = RejectedCandidate(
        corpora=key[0], annotations=key[1], candidate=candidate, compared=compared
    )
    others = [each for each in _stored(registry_dir) if (each.corpora, each.annotations) != key]
    content = _LIST.dump_json([rejected, *others][:MOST])
    replace_file(registry_dir / FILE, lambda path: path.write_bytes(content))


def forget_rejected(registry_dir: Path) -> None:
    """Remove all rejections, so that the corpora are compared again.

    Raises:
        BundleError: the file cannot be removed.
    """
    try:
        (registry_dir / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(f"{registry_dir / FILE}: {error.strerror}") from error


def _stored(registry_dir: Path) -> list[RejectedCandidate]:
    # The file only saves work: where it is damaged, corpora are compared again.
    try:
        with (registry_dir / FILE).open("rb") as stream:
            return _LIST.validate_json(stream.read(LARGEST_BYTES))
    except (OSError, ValidationError):
        return []


def _content(columns: TrainingTable | AnnotationArrays) -> bytes:
    parts = []
    for field in fields(columns):
        column = np.ascontiguousarray(getattr(columns, field.name))
        parts += [f"{field.name} {column.dtype} {column.shape}".encode(), column.tobytes()]
    return _hash(parts).encode()


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
