"""The imported corpora: for each a folder with its table and a manifest.

Nothing in them is ever unpickled. A corpus appears whole or not at all.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.bundles.bundle_manifest import NAME
from trainer.corpora.import_request import FAMILIES, KINDS
from trainer.corpora.linked_groups import joined_groups
from trainer.corpora.rated_clip import CorpusError
from trainer.files.atomic_dir import remove_abandoned, write_files
from trainer.regression.training_table import decode_table
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.regression.training_table import TrainingTable

TABLE: Final = "table.npz"
MANIFEST: Final = "manifest.json"
FEATURE_CACHE: Final = ".heard"
"""Beside the corpora: where a `HeardStore` keeps how their sounds were heard."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OmittedRow(_Part):
    """An item that was not taken in, what is wrong with it, and why in one line."""

    item: str
    fault: str
    reason: str


class CorpusManifest(_Part):
    """What is known of an imported corpus.

    `items` are what the corpus calls its clips, in the order of the table; `sounds` are the keys
    under which a `HeardStore` keeps them; `domains` counts clips.
    """

    format: Literal[1] = 1
    name: str
    kind: str
    imported_at: str
    hearing: str
    clips: int
    groups: int
    domains: dict[str, int]
    licence: str
    notes: list[str]
    items: list[str]
    skipped: list[OmittedRow]
    sounds: list[str] = []


@dataclass(frozen=True)
class CorpusStore:
    """The folder of the imported corpora.

    Attributes:
        folder: it; need not be there yet.
    """

    folder: Path

    def require_free_name(self, name: str) -> None:
        """Refuse a name that cannot be given to a corpus.

        Raises:
            CorpusError: it is none, or is taken.
        """
        if not re.fullmatch(NAME, name):
            raise CorpusError(
                f"'{name}' cannot name a corpus: at most 64 of a-z, 0-9, '.', '_' and '-', and "
                "first a letter or a digit"
            )
        if (self.folder / name).exists():
            raise CorpusError(
                f"there is a corpus {name} already; choose another --name, or first: "
                f"valenced corpus remove {name}"
            )

    def add(self, manifest: CorpusManifest, table: TrainingTable) -> None:
        """Put a corpus on the shelf.

        Raises:
            CorpusError: its name is taken, or the place cannot be written.
        """
        self.require_free_name(manifest.name)
        document = json.dumps(manifest.model_dump(), indent=1)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # What a kill left of one that was put or removed.
            remove_abandoned(self.folder, ".*.*")
            content = {TABLE: table.encoded(), MANIFEST: document.encode("ascii")}
            write_files(self.folder / manifest.name, content)
        except OSError as error:
            raise CorpusError(f"{self.folder}: {error.strerror}") from error
        except BundleError as error:
            raise CorpusError(str(error)) from error

    def manifests(self) -> dict[str, CorpusManifest | CorpusError]:
        """Return every corpus by its name; one that cannot be read, by what is wrong with it."""
        found: dict[str, CorpusManifest | CorpusError] = {}
        for name in self._names():
            try:
                found[name] = self._manifest(name)
            except CorpusError as error:
                found[name] = error
        return found

    def tables(self, hearing: str) -> tuple[list[TrainingTable], list[str]]:
        """Return the tables of all corpora that were heard in one way, and why others are not.

        Clips that are one sound under one name in several corpora come into one group.

        Args:
            hearing: key of the hearing.
        """
        kept: list[tuple[CorpusManifest, TrainingTable]] = []
        problems = []
        for name, manifest in self.manifests().items():
            if isinstance(manifest, CorpusError):
                problems.append(str(manifest))
            elif manifest.hearing != hearing:
                problems.append(f"corpus {name} was heard otherwise; remove it and add it again")
            else:
                try:
                    kept.append((manifest, self._table(manifest)))
                except CorpusError as error:
                    problems.append(str(error))
        return _akin(kept), problems

    def sounds(self) -> set[str]:
        """Return the keys of the sounds of all corpora, but for those that cannot be read."""
        listed = self.manifests().values()
        return {key for each in listed if isinstance(each, CorpusManifest) for key in each.sounds}

    def ratings(self, kind: str) -> dict[str, tuple[float, float]]:
        """Return arousal and valence of every item of the corpora of a kind.

        Raises:
            CorpusError: one of them is damaged.
        """
        found: dict[str, tuple[float, float]] = {}
        for manifest in self.manifests().values():
            if isinstance(manifest, CorpusManifest) and manifest.kind == kind:
                pairs = self._table(manifest).ratings.tolist()
                found |= {
                    item: (arousal, valence)
                    for item, (arousal, valence) in zip(manifest.items, pairs, strict=True)
                }
        return found

    def remove(self, name: str) -> None:
        """Take a corpus off the shelf.

        Raises:
            CorpusError: there is none of that name, or it cannot be removed.
        """
        if name not in self._names():
            raise CorpusError(f"{name}: no such corpus; valenced corpus list names those there are")
        # It vanishes at once; what an interruption leaves has a name that nobody lists.
        aside = self.folder / f".{name}.{uuid.uuid4().hex}"
        try:
            (self.folder / name).rename(aside)
        except OSError as error:
            raise CorpusError(f"{self.folder / name}: {error.strerror}") from error
        shutil.rmtree(aside, ignore_errors=True)

    def _names(self) -> list[str]:
        try:
            return sorted(e.name for e in self.folder.iterdir() if re.fullmatch(NAME, e.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CorpusError(f"{self.folder}: {error.strerror}") from error

    def _manifest(self, name: str) -> CorpusManifest:
        try:
            document = json.loads((self.folder / name / MANIFEST).read_bytes())
            manifest = CorpusManifest.model_validate(document)
        except (OSError, ValueError, RecursionError, ValidationError) as error:
            raise _damaged(name) from error
        if manifest.name != name or manifest.kind not in KINDS:
            raise _damaged(name)
        return manifest

    def _table(self, manifest: CorpusManifest) -> TrainingTable:
        try:
            content = (self.folder / manifest.name / TABLE).read_bytes()
            table = decode_table(content, manifest.name)
        except (OSError, BundleError) as error:
            raise _damaged(manifest.name) from error
        if len(table) != len(manifest.items):
            raise _damaged(manifest.name)
        return table


def _damaged(name: str) -> CorpusError:
    return CorpusError(
        f"corpus {name} is damaged or of another release; remove it, and add it again: "
        f"valenced corpus remove {name}"
    )


def _akin(kept: Sequence[tuple[CorpusManifest, TrainingTable]]) -> list[TrainingTable]:
    """Join the groups of clips that one family of corpora calls by one name."""
    ties: list[list[tuple[str, str]]] = []
    names: list[str] = []
    for manifest, table in kept:
        family = FAMILIES.get(manifest.kind)
        for item, group in zip(manifest.items, table.group.tolist(), strict=True):
            ties.append([("group", group), *([(family, item)] if family else [])])
            names.append(group)
    joined = np.array([names[first] for first in joined_groups(ties)], dtype=np.str_)
    tables, start = [], 0
    for _, table in kept:
        tables.append(replace(table, group=joined[start : start + len(table)]))
        start += len(table)
    return tables
