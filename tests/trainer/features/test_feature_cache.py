from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from trainer.features.feature_cache import FeatureCache, cache_key
from trainer.features.packed_vector import VALUES, VALUES_BEFORE_TEXTURE

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = np.ones((3, 40), dtype=np.float32)


def folder_of(feature_key: str, size: int = VALUES) -> str:
    return f"{feature_key}/{size}".replace("/", "_")


def put(folder: Path, sound: str, days_old: float, feature_key: str = "now/1") -> FeatureCache:
    store = FeatureCache(folder, feature_key)
    store.put(sound, ROWS)
    stored_at = (NOW - timedelta(days=days_old)).timestamp()
    os.utime(folder / folder_of(feature_key) / cache_key(sound), (stored_at, stored_at))
    return store


def test_what_is_in_a_corpus_stays_and_what_is_in_none_goes_after_a_month(tmp_path: Path) -> None:
    put(tmp_path, "used", 400)
    put(tmp_path, "broken off", 29)
    store = put(tmp_path, "removed", 31)
    store.prune({cache_key("used")}, NOW)
    found = [store.get(sound) is not None for sound in ("used", "broken off", "removed")]
    assert found == [True, True, False]


def test_features_of_other_settings_are_in_no_corpus(tmp_path: Path) -> None:
    put(tmp_path, "used", 31, feature_key="before/1")
    store = put(tmp_path, "used", 31)
    store.prune({cache_key("used")}, NOW)
    assert store.get("used") is not None
    assert [path.name for path in tmp_path.iterdir()] == [folder_of("now/1")]


def test_vectors_of_another_release_are_extracted_again(tmp_path: Path) -> None:
    before = put(tmp_path, "x", 1)
    (tmp_path / folder_of("now/1")).rename(tmp_path / folder_of("now/1", VALUES_BEFORE_TEXTURE))
    assert before.get("x") is None


def test_of_much_that_is_in_no_corpus_the_latest_stays(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path, "now/1")
    for days_old in range(5):
        put(tmp_path, str(days_old), days_old)
    size = next((tmp_path / folder_of("now/1")).iterdir()).stat().st_size
    store.prune(set(), NOW, most_unused_bytes=3 * size)
    assert [store.get(str(each)) is not None for each in range(5)] == [True] * 3 + [False] * 2


def test_what_cannot_be_removed_is_left(tmp_path: Path) -> None:
    store = put(tmp_path, "x", 31)
    (tmp_path / "stray").write_bytes(b"?")
    (tmp_path / folder_of("now/1") / "folder").mkdir()
    store.prune(set(), NOW)
    assert store.get("x") is None
    assert (tmp_path / "stray").exists()
