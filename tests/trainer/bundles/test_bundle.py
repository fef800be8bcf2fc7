from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.trainer.bundles.made_bundles import (
    Trap,
    as_if_fitted_under_another_sklearn,
    pristine,
    replace_file,
    rewrite_manifest,
    small,
)
from tests.trainer.regression.rated import HEARING, small_draft, small_table
from trainer.bundles.bundle import MANIFEST, REGRESSION, TABLE, load, verify, write_bundle
from trainer.bundles.bundle_manifest import LAYOUT, library_versions
from trainer.bundles.refitting import refit
from trainer.files.array_archive import read_arrays
from trainer.regression.interval_widths import IntervalWidths
from trainer.regression.joint import RECIPE, JointRegression
from trainer.regression.kind_kernel import KernelShape, KindKernel
from trainer.regression.quantile_scale import QuantileScale
from trainer.regression.training_table import decode_table
from trainer.trainer_errors import (
    BundleCorrupt,
    BundleError,
    BundleIncompatible,
    BundleMissing,
    BundleOutdated,
    BundleUntrusted,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["pristine", "small"]  # fixtures, which pytest finds by name


class TestRoundTrip:
    def test_a_loaded_bundle_predicts_like_the_regression_it_was_written_from(
        self, pristine: Path
    ) -> None:
        table = small_table()
        vectors = small_table(seed=9).vectors
        expected = JointRegression().fit(table).predict_all(vectors)
        predicted = load(pristine, feature_key=HEARING).predict(vectors)
        np.testing.assert_allclose(predicted.arousal, expected.arousal, atol=1e-6)
        np.testing.assert_allclose(predicted.valence_high, expected.valence_high, atol=1e-6)
        np.testing.assert_allclose(predicted.novelty, expected.novelty, atol=1e-4)

    def test_the_manifest_names_versions_and_checksums(self, pristine: Path) -> None:
        manifest = verify(pristine, feature_key=HEARING)
        assert manifest.versions == library_versions()
        assert set(manifest.files) == {REGRESSION, TABLE}
        assert manifest.created_at.endswith("+00:00")

    def test_the_table_comes_back_as_it_was(self, pristine: Path) -> None:
        table = small_table()
        back = decode_table((pristine / TABLE).read_bytes(), "test")
        np.testing.assert_array_equal(back.vectors, table.vectors)
        np.testing.assert_array_equal(back.ratings, table.ratings)
        assert back.group.tolist() == table.group.tolist()

    def test_files_are_for_the_owner_alone(self, pristine: Path) -> None:
        assert pristine.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in pristine.iterdir()} == {0o600}

    def test_nothing_is_left_beside_a_bundle(self, pristine: Path) -> None:
        assert [entry.name for entry in pristine.parent.iterdir()] == ["small-1"]

    def test_a_place_that_is_taken_is_left_alone(self, small: Path) -> None:
        table = small_table()
        before = (small / MANIFEST).read_bytes()
        with pytest.raises(BundleError, match="exists already"):
            write_bundle(small, small_draft(table), JointRegression().fit(table), table)
        assert (small / MANIFEST).read_bytes() == before

    @pytest.mark.parametrize("shape", [(1, 29), (30,), (2, 3, 5)])
    def test_vectors_of_another_shape_are_refused(
        self, pristine: Path, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(ValueError, match="shape"):
            load(pristine, feature_key=HEARING).predict(np.zeros(shape, dtype=np.float32))

    def test_vectors_that_are_not_finite_are_refused(self, pristine: Path) -> None:
        with pytest.raises(ValueError, match="finite"):
            load(pristine, feature_key=HEARING).predict(np.full((1, 30), np.nan, dtype=np.float32))


class TestDamage:
    def test_no_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(BundleMissing):
            verify(tmp_path / "none", feature_key=HEARING)

    @pytest.mark.parametrize("name", [MANIFEST, TABLE])
    def test_a_missing_file(self, small: Path, name: str) -> None:
        (small / name).unlink()
        with pytest.raises(BundleCorrupt, match=name):
            verify(small, feature_key=HEARING)

    @pytest.mark.parametrize("name", [REGRESSION, TABLE])
    def test_one_flipped_bit(self, small: Path, name: str) -> None:
        content = bytearray((small / name).read_bytes())
        content[len(content) // 2] ^= 1
        (small / name).write_bytes(bytes(content))
        with pytest.raises(BundleCorrupt, match="differs from its checksum"):
            load(small, feature_key=HEARING)

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": "1"}', b"[" * 100_000]
    )
    def test_a_manifest_that_is_none(self, small: Path, content: bytes) -> None:
        (small / MANIFEST).write_bytes(content)
        with pytest.raises(BundleCorrupt, match=r"manifest\.json"):
            verify(small, feature_key=HEARING)

    @pytest.mark.parametrize(
        "change",
        [
            lambda document: document.pop("seed"),
            lambda document: document.update(extra=1),
            lambda document: document.update(name="../../etc"),
            lambda document: document.update(features="many"),
            lambda document: document["files"].clear(),
        ],
    )
    def test_a_manifest_of_another_shape(
        self, small: Path, change: Callable[[dict[str, Any]], None]
    ) -> None:
        rewrite_manifest(small, change)
        with pytest.raises(BundleCorrupt) as caught:
            verify(small, feature_key=HEARING)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY"])
    def test_a_table_that_is_none(self, content: bytes) -> None:
        with pytest.raises(BundleCorrupt, match=r"table\.npz"):
            decode_table(content, "test")

    def test_a_table_of_pickles_is_not_unpickled(self, tmp_path: Path) -> None:
        trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
        np.savez(tmp_path / "trap.npz", code=np.uint8(1), high=trap, low=trap)
        with pytest.raises(BundleCorrupt):
            decode_table((tmp_path / "trap.npz").read_bytes(), "test")
        assert not (tmp_path / "sprung").exists()


class TestCompatibility:
    def test_a_newer_format_is_named_before_anything_else_is_read(self, small: Path) -> None:
        (small / MANIFEST).write_text('{"format": 2, "novelties": []}')
        with pytest.raises(BundleIncompatible, match="bundle format 2"):
            verify(small, feature_key=HEARING)

    def test_another_hearing_is_refused(self, small: Path) -> None:
        with pytest.raises(BundleIncompatible, match="extracts 'other'"):
            verify(small, feature_key="other")

    def test_the_canonical_hearing_is_meant_if_none_is_given(self, small: Path) -> None:
        with pytest.raises(BundleIncompatible, match="ComParE_2016"):
            verify(small)

    def test_another_sklearn_asks_for_a_refit(self, small: Path) -> None:
        as_if_fitted_under_another_sklearn(small)
        with pytest.raises(BundleOutdated, match=r"scikit-learn 1\.0\.2 -> "):
            load(small, feature_key=HEARING)
        assert verify(small, feature_key=HEARING, fitted=False).name == "small-1"


class TestTrust:
    @pytest.mark.parametrize("name", [MANIFEST, REGRESSION, TABLE, "."])
    @pytest.mark.parametrize("bit", [0o020, 0o002])
    def test_what_others_may_write_to_is_refused(self, small: Path, name: str, bit: int) -> None:
        (small / name).chmod((small / name).stat().st_mode | bit)
        with pytest.raises(BundleUntrusted, match="others may write to it"):
            load(small, feature_key=HEARING)

    def test_a_directory_above_that_others_may_write_to_is_refused(self, small: Path) -> None:
        small.parent.chmod(0o777)
        with pytest.raises(BundleUntrusted, match="exchange the bundles"):
            verify(small, feature_key=HEARING)

    def test_a_sticky_directory_above_is_no_danger(self, small: Path) -> None:
        if small.parent.stat().st_uid != 0:
            pytest.skip("only root's sticky directories are believed; this test does not own one")
        small.parent.chmod(0o1777)
        verify(small, feature_key=HEARING)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    @pytest.mark.parametrize("name", [MANIFEST, REGRESSION, "."])
    def test_what_somebody_else_owns_is_refused(self, small: Path, name: str) -> None:
        os.chown(small / name, 12345, -1)
        with pytest.raises(BundleUntrusted, match="12345"):
            load(small, feature_key=HEARING)

    def test_a_link_in_place_of_a_file_is_refused(self, small: Path, tmp_path: Path) -> None:
        (small / REGRESSION).rename(tmp_path / "elsewhere")
        (small / REGRESSION).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(BundleCorrupt, match="cannot be opened"):
            verify(small, feature_key=HEARING)

    def test_a_pipe_in_place_of_a_file_does_not_hang(self, small: Path) -> None:
        (small / TABLE).unlink()
        os.mkfifo(small / TABLE, 0o600)
        with pytest.raises(BundleCorrupt, match="not a regular file"):
            verify(small, feature_key=HEARING)


class TestPickleBomb:
    def test_it_would_go_off(self, tmp_path: Path) -> None:
        pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
        assert (tmp_path / "sprung").exists()

    def test_without_its_checksum_it_does_not(self, small: Path, tmp_path: Path) -> None:
        (small / REGRESSION).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
        with pytest.raises(BundleCorrupt):
            load(small, feature_key=HEARING)
        assert not (tmp_path / "sprung").exists()

    def test_with_its_checksum_but_written_by_others_it_does_not(
        self, small: Path, tmp_path: Path
    ) -> None:
        replace_file(small, REGRESSION, pickle.dumps(Trap(tmp_path / "sprung")))
        (small / REGRESSION).chmod(0o666)
        with pytest.raises(BundleUntrusted):
            load(small, feature_key=HEARING)
        assert not (tmp_path / "sprung").exists()

    def test_verifying_and_fitting_again_do_not_touch_the_pickle(
        self, small: Path, tmp_path: Path
    ) -> None:
        replace_file(small, REGRESSION, pickle.dumps(Trap(tmp_path / "sprung")))
        as_if_fitted_under_another_sklearn(small)
        verify(small, feature_key=HEARING, fitted=False)
        refit(small, tmp_path / "small-1.refit-1", feature_key=HEARING)
        with pytest.raises(BundleOutdated):
            load(small, feature_key=HEARING)
        assert not (tmp_path / "sprung").exists()

    def test_a_pickle_of_something_else_is_refused(self, small: Path) -> None:
        replace_file(small, REGRESSION, pickle.dumps({"arousal": 1}))
        with pytest.raises(BundleCorrupt, match="not hold a regression of ours"):
            load(small, feature_key=HEARING)

    def test_a_pickle_of_a_class_that_is_gone_is_refused(self, small: Path) -> None:
        replace_file(small, REGRESSION, b"cno_such_module\nThing\n.")
        with pytest.raises(BundleCorrupt, match="cannot be unpickled"):
            load(small, feature_key=HEARING)


class TestRefit:
    def test_it_predicts_as_before_and_says_where_it_comes_from(
        self, small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        vectors = small_table(seed=9).vectors
        before = load(small, feature_key=HEARING).predict(vectors)
        as_if_fitted_under_another_sklearn(small)
        with caplog.at_level(logging.WARNING):
            manifest = refit(small, tmp_path / "small-1.refit-1", feature_key=HEARING)
        after = load(tmp_path / "small-1.refit-1", feature_key=HEARING).predict(vectors)
        np.testing.assert_allclose(after.arousal, before.arousal, atol=1e-6)
        assert manifest.refitted_from is not None
        assert manifest.refitted_from["scikit-learn"] == "1.0.2"
        assert "small-1 is fitted again from its table as small-1.refit-1" in caplog.text

    def test_a_bundle_of_an_older_recipe_is_fitted_by_ours_and_keeps_its_space(
        self, small: Path, tmp_path: Path
    ) -> None:
        table = decode_table((small / TABLE).read_bytes(), "test")
        content = read_arrays((small / TABLE).read_bytes(), 1 << 20)
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **content, follows=table.domain)
        replace_file(small, TABLE, stream.getvalue())
        old = {"name": "two-experts-2", "settings": {"music_reach": 1.5, "gate_slope": 8.0}}
        rewrite_manifest(small, lambda document: document.update(recipe=old, layout=2))
        again = refit(small, tmp_path / "again", feature_key=HEARING)
        assert again.recipe.name == RECIPE
        assert again.recipe.settings == JointRegression().get_params()
        loaded = load(tmp_path / "again", feature_key=HEARING)
        # The space of a personal layer is that of the older scale, which music alone had set.
        music = QuantileScale(table.vectors[table.domain == "music"])
        expected = music.scores(table.vectors[:3])
        np.testing.assert_array_equal(loaded.normal_scores(table.vectors[:3]), expected)

    def test_a_recipe_that_is_not_ours_is_refused(self, small: Path, tmp_path: Path) -> None:
        rewrite_manifest(small, lambda document: document["recipe"].update(name="deep-9"))
        with pytest.raises(BundleIncompatible, match="deep-9"):
            refit(small, tmp_path / "new", feature_key=HEARING)
        assert not (tmp_path / "new").exists()


def test_a_process_that_only_verifies_does_not_bring_in_the_learning_libraries(
    pristine: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path; from trainer.bundles import bundle;"
        f"bundle.verify(Path({str(pristine)!r}), feature_key={HEARING!r});"
        "print([n for n in ('sklearn', 'scipy', 'numpy', 'joblib', 'opensmile', 'av')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_process_that_predicts_does_not_bring_in_what_only_the_yardsticks_need(
    pristine: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path; from trainer.bundles import bundle;"
        f"bundle.load(Path({str(pristine)!r}), feature_key={HEARING!r});"
        "print([n for n in ('sklearn', 'scipy', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PICKLED = (KernelShape, KindKernel, IntervalWidths)
FIELDS_OF_LAYOUT = {5: "b4756c38", 6: "b4756c38"}
"""Digests of the fields of these classes: with other ones, older pickles predict nothing.

Pickles of layout 5 are of vectors without texture.
"""


def test_a_layout_has_its_own_fields() -> None:
    names = [f"{each.__name__}.{field.name}" for each in PICKLED for field in fields(each)]
    digest = hashlib.blake2b(" ".join(names).encode(), digest_size=4).hexdigest()
    assert FIELDS_OF_LAYOUT[LAYOUT] == digest, "grow LAYOUT, and keep the former RECIPE as older"
