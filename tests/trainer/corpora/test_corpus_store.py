from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.regression.rated import small_table
from trainer.corpora.corpus_store import MANIFEST, TABLE, CorpusManifest, CorpusStore
from trainer.corpora.rated_clip import CorpusError
from trainer.retraining.refit import contains_corpus

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.regression.training_table import TrainingTable

HEARING = "test-hearing"


def songs(name: str = "ours", *, seed: int = 1, count: int = 6) -> TrainingTable:
    table = small_table(music=count, sounds=0, seed=seed)
    group = np.array([f"{name}:{i}" for i in range(count)])
    return replace(table, corpus=np.full(count, name), group=group)


def described(name: str, table: TrainingTable, **more: object) -> CorpusManifest:
    known: dict[str, object] = {
        "name": name,
        "kind": "manifest",
        "imported_at": "2026-01-01T00:00:00+00:00",
        "hearing": HEARING,
        "clips": len(table),
        "groups": len(table),
        "domains": {"music": len(table)},
        "licence": "-",
        "notes": [],
        "items": [str(i) for i in range(len(table))],
        "skipped": [],
    }
    return CorpusManifest.model_validate(known | more)


@pytest.fixture
def shelf(tmp_path: Path) -> CorpusStore:
    return CorpusStore(tmp_path / "state" / "corpora")


def test_a_stored_corpus_reads_back_equal(shelf: CorpusStore) -> None:
    assert shelf.manifests() == {}
    table, manifest = songs(), described("ours", songs())
    shelf.add(manifest, table)
    assert shelf.manifests() == {"ours": manifest}
    ((kept,), problems) = shelf.tables(HEARING)
    assert problems == []
    assert contains_corpus(kept, table)
    assert kept.group.tolist() == table.group.tolist()
    assert (shelf.folder / "ours").stat().st_mode & 0o077 == 0
    shelf.remove("ours")
    assert list(shelf.folder.iterdir()) == []


def test_a_corpus_with_other_feature_settings_is_listed_but_not_used(shelf: CorpusStore) -> None:
    shelf.add(described("ours", songs(), hearing="another"), songs())
    assert shelf.tables(HEARING) == (
        [], ["corpus ours has features of other settings; remove it and add it again"],
    )  # fmt: skip


def test_clips_with_one_name_in_a_family_form_one_group(shelf: CorpusStore) -> None:
    for name, kind in (("deam", "deam"), ("emomusic", "emomusic"), ("ours", "manifest")):
        shelf.add(described(name, songs(name), kind=kind), songs(name))
    tables, _ = shelf.tables(HEARING)
    deam, emomusic, ours = (table.group.tolist() for table in tables)
    assert deam == emomusic
    assert len(set(deam)) == 6
    assert not set(deam) & set(ours)


@pytest.mark.parametrize("name", ["../elsewhere", ".hidden", "", "a/b", "A", "ours"])
def test_an_invalid_or_taken_name_is_refused(shelf: CorpusStore, name: str) -> None:
    shelf.add(described("ours", songs()), songs())
    with pytest.raises(CorpusError):
        shelf.require_free_name(name)
    if name != "ours":
        with pytest.raises(CorpusError, match="no such corpus"):
            shelf.remove(name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (MANIFEST, b""),
        (MANIFEST, b"[1]"),
        (MANIFEST, b'{"format": 2}'),
        (MANIFEST, b"\xff"),
        (MANIFEST, b"[" * 100_000),
        (TABLE, b""),
        (TABLE, b"PK\x05\x06" + bytes(18)),
    ],
)
def test_a_damaged_corpus_is_named_and_the_others_are_used(
    shelf: CorpusStore, file: str, content: bytes
) -> None:
    for name in ("bad", "good"):
        shelf.add(described(name, songs(name)), songs(name))
    (shelf.folder / "bad" / file).write_bytes(content)
    (tables, (problem,)) = shelf.tables(HEARING)
    assert [table.corpus[0] for table in tables] == ["good"]
    assert problem.startswith("corpus bad is damaged")
    assert "valenced corpus remove bad" in problem
    shelf.remove("bad")
    assert list(shelf.manifests()) == ["good"]


def test_a_changed_corpus_differs_from_the_one_in_a_bundle() -> None:
    table = songs()
    assert contains_corpus(table, table)
    assert not contains_corpus(table, songs(seed=2))
    assert not contains_corpus(table, songs("other"))
    assert not contains_corpus(table, table.subset(np.arange(5)))
