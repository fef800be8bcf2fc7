"""A bundle of another installation is fitted here, and nothing of it is ever unpickled."""

from __future__ import annotations

import hashlib
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.bundles.made_bundles import Trap, pristine
from tests.trainer.regression.rated import HEARING, small_table
from trainer.bundles import bundle, registry
from trainer.bundles.adopting import adopt, known_manifests, remove_adopted
from trainer.bundles.bundle import MANIFEST, REGRESSION, TABLE, load, read_bundle
from trainer.bundles.bundle_manifest import decode_manifest
from trainer.trainer_errors import BundleCorrupt

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["pristine"]  # a fixture, which pytest finds by name


@pytest.fixture
def content(pristine: Path) -> dict[str, bytes]:
    """Return the files of a bundle, as another installation shares them."""
    return read_bundle(pristine, HEARING)[1]


def test_it_predicts_as_where_it_comes_from(
    content: dict[str, bytes], pristine: Path, tmp_path: Path
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    adopt(tmp_path / "bundles", "shared-1", content | {REGRESSION: trap})
    assert not (tmp_path / "bundles" / "shared-1" / REGRESSION).exists()
    assert registry.published_name(tmp_path / "bundles") is None
    directory, manifest = registry.prepare(tmp_path / "bundles", "shared-1", feature_key=HEARING)
    assert directory.name == "shared-1.refit-1" == registry.published_name(tmp_path / "bundles")
    assert manifest.files[TABLE] == hashlib.sha256(content[TABLE]).hexdigest()
    vectors = small_table(seed=9).vectors
    here, there = (
        load(each, feature_key=HEARING).predict(vectors) for each in (directory, pristine)
    )
    np.testing.assert_allclose(here.arousal, there.arousal, atol=1e-6)
    assert not (tmp_path / "sprung").exists()


def test_it_is_there_once_however_often_it_is_adopted(
    content: dict[str, bytes], tmp_path: Path
) -> None:
    for _ in range(2):
        adopt(tmp_path, "shared-1", content)
        registry.prepare(tmp_path, "shared-1", feature_key=HEARING)
    assert sorted(each.name for each in tmp_path.glob("shared*")) == [
        "shared-1",
        "shared-1.refit-1",
    ]


def test_this_and_the_previous_one_stay(content: dict[str, bytes], tmp_path: Path) -> None:
    for number in range(5):
        adopt(tmp_path, f"shared-{number}", content)
    for number in range(4):
        registry.prepare(tmp_path, f"shared-{number}", feature_key=HEARING)
    remove_adopted(tmp_path)
    assert {each.name for each in tmp_path.glob("shared*")} == {
        "shared-2",
        "shared-2.refit-1",
        "shared-3",
        "shared-3.refit-1",
    }
    assert registry.published_name(tmp_path) == "shared-3.refit-1"
    (tmp_path / "shared-2" / MANIFEST).write_bytes(b"torn")
    assert {each.name for each in known_manifests(tmp_path)} == {
        bundle.SHIPPED.name,
        "shared-2.refit-1",
        "shared-3",
        "shared-3.refit-1",
    }


def changed(content: dict[str, bytes], old: bytes, new: bytes) -> dict[str, bytes]:
    manifest = content[MANIFEST].replace(b": ", b":")
    assert old in manifest
    return content | {MANIFEST: manifest.replace(old, new)}


@pytest.mark.parametrize(
    "damaged",
    ["nothing", "no manifest", "half a character", "no number", "torn table", "another's table"],
)
def test_what_is_no_bundle_changes_nothing(
    damaged: str, content: dict[str, bytes], tmp_path: Path
) -> None:
    adopt(tmp_path, "shared-1", content)
    registry.prepare(tmp_path, "shared-1", feature_key=HEARING)
    wrong = {
        "nothing": {},
        "no manifest": {TABLE: content[TABLE]},
        "half a character": changed(content, b"It is small.", b"\\ud800"),
        "no number": changed(content, b'"interval_level":0.8', b'"interval_level":NaN'),
        "torn table": content | {TABLE: content[TABLE][:-1]},
        "another's table": content | {TABLE: small_table(seed=3).encoded()},
    }[damaged]
    with pytest.raises(BundleCorrupt):
        adopt(tmp_path, "shared-2", wrong)
    assert registry.published_name(tmp_path) == "shared-1.refit-1"
    assert not (tmp_path / "shared-2").exists()


def test_its_manifest_says_where_it_comes_from(content: dict[str, bytes], tmp_path: Path) -> None:
    adopt(tmp_path, "shared-1", content)
    found = decode_manifest((tmp_path / "shared-1" / MANIFEST).read_bytes(), "here")
    assert found.name == "shared-1"
    assert found.refitted_from == {"name": "small-1"}
