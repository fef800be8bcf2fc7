"""The store of imported corpora: for each a folder with its training table and a manifest.

Nothing in them is ever unpickled. A corpus is written completely or not at all.
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
from trainer.corpora.rated_clip import CorpusError
from trainer.files.atomic_dir import remove_abandoned, write_files
from trainer.regression.folds import joined_groups
from trainer.regression.training_table import decode_table
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.regression.training_table import TrainingTable

TABLE: Final = "table.npz"
MANIFEST: Final = "manifest.json"
FEATURE_CACHE: Final = ".heard"
"""Folder beside the corpora where a `FeatureCache` stores the vectors of their sounds."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OmittedRow(_Part):
    """An item that was not imported: its name, the kind of fault, and the reason in one line."""

    item: str
    fault: str
    reason: str


class CorpusManifest(_Part):
    """Description of an imported corpus.

    `items` are the names of the clips in the corpus, in the order of the table; `sounds` are their
    keys in the `FeatureCache`; `domains` counts clips; `hearing` is the key of the feature
    settings; `groupings` are columns that divide the clips, with the value of each clip, in the
    same order, "" where there is none.
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
    groupings: dict[str, list[str]] = {}


@dataclass(frozen=True)
class CorpusStore:
    """The folder of the imported corpora; it need not exist yet."""

    folder: Path

    def require_free_name(self, name: str) -> None:
        """Check that a new corpus can have a name.

        Raises:
            CorpusError: the name is not valid, or is taken.
        """
        if not re.fullmatch(NAME, name):
            raise CorpusError(
                f"'{name}' is not a corpus name: at most 64 of a-z, 0-9, '.', '_' and '-', "
                "starting with a letter or a digit"
            )
        if (self.folder / name).exists():
            raise CorpusError(
                f"a corpus named {name} exists; choose another --name, or first: "
                f"valenced corpus remove {name}"
            )

    def add(self, manifest: CorpusManifest, table: TrainingTable) -> None:
        """Store a corpus.

        Raises:
            CorpusError: its name is taken, or the folder cannot be written.
        """
        self.require_free_name(manifest.name)
        document = json.dumps(manifest.model_dump(), indent=1)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # What an interrupted add or remove left behind.
            remove_abandoned(self.folder, ".*.*")
            content = {TABLE: table.encoded(), MANIFEST: document.encode("ascii")}
            write_files(self.folder / manifest.name, content)
        except OSError as error:
            raise CorpusError(f"{self.folder}: {error.strerror}") from error
        except BundleError as error:
            raise CorpusError(str(error)) from error

    def manifests(self) -> dict[str, CorpusManifest | CorpusError]:
        """Return the manifest of each corpus by name, or the error where it cannot be read."""
        found: dict[str, CorpusManifest | CorpusError] = {}
        for name in self._names():
            try:
                found[name] = self._manifest(name)
            except CorpusError as error:
                found[name] = error
        return found

    def tables(self, feature_key: str) -> tuple[list[TrainingTable], list[str]]:
        """Return the tables of corpora with these feature settings, and the problems of others.

        A sound that has the same name in several corpora of a family forms one group.
        """
        usable: list[tuple[CorpusManifest, TrainingTable]] = []
        problems = []
        for name, manifest in self.manifests().items():
            if isinstance(manifest, CorpusError):
                problems.append(str(manifest))
            elif manifest.hearing != feature_key:
                problems.append(
                    f"corpus {name} has features of other settings; remove it and add it again"
                )
            else:
                try:
                    usable.append((manifest, self._table(manifest)))
                except CorpusError as error:
                    problems.append(str(error))
        return _with_joined_groups(usable), problems

    def sounds(self) -> set[str]:
        """Return the keys of the sounds of all corpora that can be read."""
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
                pairs = map(tuple, self._table(manifest).ratings.tolist())
                found |= dict(zip(manifest.items, pairs, strict=True))
        return found

    def remove(self, name: str) -> None:
        """Remove a corpus.

        Raises:
            CorpusError: there is none of that name, or it cannot be removed.
        """
        if name not in self._names():
            raise CorpusError(f"{name}: no such corpus; valenced corpus list shows all")
        # Renaming removes it at once; an interruption leaves a hidden folder that is not listed.
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
        f"corpus {name} is damaged or from another release; remove it and add it again: "
        f"valenced corpus remove {name}"
    )


def _with_joined_groups(
    corpora: Sequence[tuple[CorpusManifest, TrainingTable]],
) -> list[TrainingTable]:
    """Join the groups of clips that have the same name in a family of corpora."""
    keys: list[list[tuple[str, str]]] = []
    names: list[str] = []
    for manifest, table in corpora:
        family = FAMILIES[manifest.kind]
        for item, group in zip(manifest.items, table.group.tolist(), strict=True):
            keys.append([("group", group), *([(family, item)] if family else [])])
            names.append(group)
    joined = np.array([names[first] for first in joined_groups(keys)], dtype=np.str_)
    tables, start = [], 0
    for _, table in corpora:
        tables.append(replace(table, group=joined[start : start + len(table)]))
        start += len(table)
    return tables
