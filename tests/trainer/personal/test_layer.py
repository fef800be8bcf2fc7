from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.trainer.bundles.made_bundles import (
    as_if_fitted_under_another_sklearn,
    pristine,
    replace_file,
    rewrite_manifest,
    small,
)
from tests.trainer.regression.rated import DESCRIPTORS, HEARING, small_table
from trainer.bundles import bundle
from trainer.bundles.bundle import PERSONAL, load, read_bundle, verify, write_content
from trainer.bundles.refitting import refit
from trainer.features.packed_vector import VALUES, VALUES_BEFORE_TEXTURE
from trainer.features.vector_codec import completed
from trainer.personal.annotation_arrays import AnnotationArrays, group_keys, sound_keys
from trainer.personal.gaussian_process import (
    MOST_ROWS,
    RatedSounds,
    ResidualProcess,
    fit_residual_process,
)
from trainer.personal.layer import PersonalLayer, fit_space
from trainer.personal.layer_file import decode_layer, encode_layer
from trainer.regression.quantile_scale import QuantileScale
from trainer.regression.training_table import decode_table
from trainer.retraining.refit import contains_corpus
from trainer.trainer_errors import BundleCorrupt, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["pristine", "small"]  # fixtures, which pytest finds by name


def rated_by(
    feel: Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]],
    count: int = 80,
    seed: int = 0,
) -> RatedSounds:
    """Sounds of two kinds that lie apart, rated as `feel` says of what was said and of the kind."""
    drawing = np.random.default_rng(seed)
    second = np.arange(count) % 2 == 1
    places = drawing.normal(0.0, 0.5, (count, 4)).astype(np.float32)
    places[second, 0] += 4.0
    said = drawing.uniform(-0.5, 0.5, count)
    rating = feel(said, second) + drawing.normal(0.0, 0.03, count)
    return RatedSounds(
        positions=places,
        predicted=said,
        rating=np.clip(rating, -1.0, 1.0),
        raters=np.ones(count),
        sound=np.arange(count, dtype=np.uint64),
        group=np.arange(count, dtype=np.uint64) // np.uint64(2),
    )


def error(
    calibration: ResidualProcess,
    feel: Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]],
) -> float:
    others = rated_by(feel, seed=99)
    return float(
        np.abs(calibration.predict(others.positions, others.predicted) - others.rating).mean()
    )


class TestCalibration:
    @pytest.mark.parametrize(
        "feel",
        [
            lambda said, _: said,
            lambda said, _: said + 0.3,
            lambda said, _: 1.6 * said,
            lambda said, _: 0.4 * said - 0.2,
            lambda said, second: np.where(second, -said, said),
            lambda said, second: np.where(second, said + 0.4, said - 0.2),
        ],
        ids=["the same", "offset", "gain", "both", "one kind inverted", "one kind offset"],
    )
    def test_it_learns_how_a_listener_differs(
        self, feel: Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]]
    ) -> None:
        assert error(fit_residual_process(rated_by(feel), seed=1), feel) < 0.06

    def test_two_annotations_move_little(self) -> None:
        rated = rated_by(lambda said, _: said + 0.3, count=2)
        moved = fit_residual_process(rated, seed=1).predict(rated.positions, np.zeros(2))
        assert (moved > 0).all()
        assert (moved < 0.3).all()

    def test_ratings_by_more_people_weigh_more(self) -> None:
        rated = rated_by(lambda said, _: said, count=40)
        rating = np.where(np.arange(40) % 4 < 2, 0.4, -0.4)
        crowd = np.where(rating > 0, 30.0, 1.0)
        alike = np.zeros_like(rated.positions)
        split = replace(rated, rating=rating, predicted=np.zeros(40), positions=alike)
        even = fit_residual_process(split, seed=1).predict(alike[:1], np.zeros(1))
        moved = fit_residual_process(replace(split, raters=crowd), seed=1).predict(
            alike[:1], np.zeros(1)
        )
        assert abs(even[0]) < 0.05
        assert moved[0] > even[0] + 0.1

    def test_removed_sounds_have_no_influence(self) -> None:
        rated = rated_by(lambda said, _: said + 0.3)
        whole = fit_residual_process(rated, seed=1)
        wrong = rated.rating.copy()
        wrong[:10] = -1.0
        spoilt = replace(whole, rated=replace(rated, rating=wrong))
        nobody = np.array([], dtype=np.uint64)
        by_sound = spoilt.without(rated.sound[:10], nobody)
        by_group = spoilt.without(nobody, rated.group[:10])
        assert by_sound is not None
        assert by_group is not None
        assert len(by_sound.rated) == len(by_group.rated) == 70
        np.testing.assert_array_equal(by_sound.duals, by_group.duals)
        assert error(by_sound, lambda said, _: said + 0.3) < 0.06
        assert spoilt.without(rated.sound, nobody) is None

    def test_very_many_annotations_are_sampled(self) -> None:
        feel = lambda said, _: said + 0.3  # noqa: E731 - as in the other tests
        fitted = fit_residual_process(rated_by(feel, count=MOST_ROWS + 50), seed=1)
        assert len(fitted.rated) == MOST_ROWS
        assert error(fitted, feel) < 0.05

    def test_predictions_stay_on_the_scale(self) -> None:
        fitted = fit_residual_process(rated_by(lambda said, _: 3 * said), seed=1)
        said = fitted.predict(np.full((3, 4), 1e6, dtype=np.float32), np.array([-1.0, 0.0, 1.0]))
        assert (np.abs(said) <= 1).all()


class TestAnnotations:
    def of(self, **changed: Any) -> AnnotationArrays:
        columns: dict[str, Any] = {
            "vectors": np.zeros((2, 3), dtype=np.float32),
            "ratings": np.array([[0.5, np.nan], [-1.0, 1.0]]),
            "raters": np.array([1, 2]),
            "group": np.array(["a", "b"]),
            "folder": np.array(["c", "c"]),
        }
        return AnnotationArrays(**columns | changed)

    def test_a_dimension_may_be_left_unrated(self) -> None:
        assert len(self.of()) == 2

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"ratings": np.array([[0.5, 0.0], [1.5, 0.0]])}, "row 1 is rated .1.5, 0.0."),
            ({"ratings": np.array([[0.5, np.inf], [0.0, 0.0]])}, "outside -1 to 1"),
            ({"ratings": np.zeros((2, 3))}, "two ratings a sound"),
            ({"ratings": np.zeros((3, 2))}, "two ratings a sound"),
            ({"vectors": np.full((2, 3), np.nan, dtype=np.float32)}, "not finite"),
            ({"vectors": np.zeros(3, dtype=np.float32)}, "two ratings a sound"),
            ({"raters": np.array([1])}, "differ in length"),
            ({"raters": np.array([0, 1])}, "fewer than one person"),
            ({"group": np.array(["a"])}, "differ in length"),
        ],
    )
    def test_invalid_annotations_are_refused(self, changed: dict[str, Any], said: str) -> None:
        with pytest.raises(TrainingError, match=said) as caught:
            self.of(**changed)
        assert "\n" not in str(caught.value)

    def test_keys_are_distinct_hashes(self) -> None:
        vectors = small_table().vectors
        assert len(set(sound_keys(vectors).tolist())) == len(vectors)
        np.testing.assert_array_equal(sound_keys(vectors[:3].copy()), sound_keys(vectors)[:3])
        hostile = np.array(["/home/a", "/home/b", "", "\udce4", "/home/a"])
        assert len(set(group_keys(hostile).tolist())) == 4


@pytest.fixture(scope="module")
def layer() -> PersonalLayer:
    """Return a layer above the small bundle, fitted on sounds that are felt .3 higher."""
    table, others = small_table(), small_table(seed=9)
    scale = QuantileScale(table.vectors)
    space = fit_space(scale.scores(table.vectors))
    rated = RatedSounds(
        positions=space.project(scale.scores(others.vectors)),
        predicted=others.ratings[:, 0] - 0.3,
        rating=others.ratings[:, 0],
        raters=np.ones(len(others)),
        sound=sound_keys(others.vectors),
        group=group_keys(others.group),
    )
    fitted = replace(
        fit_residual_process(rated.subset(rated.predicted >= -1), seed=1), widening=1.5
    )
    return PersonalLayer(space, fitted, None)


@pytest.fixture
def taught(small: Path, layer: PersonalLayer, tmp_path: Path) -> Path:
    """Return the small bundle with the layer."""
    _, content = read_bundle(small, HEARING, fitted=True)
    directory = tmp_path / "taught-1"
    draft = verify(small, feature_key=HEARING).model_copy(update={"name": "taught-1"})
    content[PERSONAL] = encode_layer(layer)
    write_content(directory, draft, content, registry=tmp_path)
    return directory


class TestBundleWithLayer:
    def test_it_predicts_the_listeners_ratings(self, taught: Path, small: Path) -> None:
        vectors = small_table(seed=11).vectors
        before = load(small, feature_key=HEARING).predict(vectors)
        after = load(taught, feature_key=HEARING).predict(vectors)
        assert 0.2 < (after.arousal - before.arousal).mean() < 0.4
        np.testing.assert_array_equal(after.valence, before.valence)
        np.testing.assert_array_equal(after.valence_low, before.valence_low)
        np.testing.assert_array_equal(after.novelty, before.novelty)
        wider = (after.arousal_high - after.arousal_low) / (
            before.arousal_high - before.arousal_low
        )
        inside = (after.arousal_high < 1) & (after.arousal_low > -1)
        inside &= (before.arousal_high < 1) & (before.arousal_low > -1)
        np.testing.assert_allclose(wider[inside], 1.5)
        assert (after.arousal_low >= -1).all()
        assert (after.arousal_low <= after.arousal).all()
        assert (after.arousal <= after.arousal_high).all()
        assert (after.arousal_high <= 1).all()

    def test_a_prediction_does_not_depend_on_the_batch(self, taught: Path) -> None:
        vectors = small_table(seed=11).vectors
        taught_bundle = load(taught, feature_key=HEARING)
        together = taught_bundle.predict(vectors).arousal
        alone = [taught_bundle.predict(vector[None]).arousal[0] for vector in vectors[:5]]
        np.testing.assert_allclose(alone, together[:5], atol=1e-5)

    def test_a_refit_keeps_the_personal_layer(self, taught: Path, tmp_path: Path) -> None:
        vectors = small_table(seed=11).vectors
        before = load(taught, feature_key=HEARING).predict(vectors)
        as_if_fitted_under_another_sklearn(taught)
        refit(taught, tmp_path / "taught-1.refit-1", feature_key=HEARING)
        after = load(tmp_path / "taught-1.refit-1", feature_key=HEARING).predict(vectors)
        np.testing.assert_allclose(after.arousal, before.arousal, atol=1e-5)

    def test_a_bundle_from_before_texture_keeps_its_layer_and_what_it_has_learned(
        self, layer: PersonalLayer, tmp_path: Path
    ) -> None:
        shipped, content = read_bundle(bundle.SHIPPED, guarded=False)
        table = decode_table(content[bundle.TABLE], "shipped")
        old = table.with_descriptors(np.arange(VALUES_BEFORE_TEXTURE)).subset(np.arange(0, 1500, 6))
        # The first clip is in no shipped corpus, the second is also in one of ours.
        old = replace(old, corpus=np.where(np.arange(len(old)) < 2, "ours", old.corpus))
        old.vectors[0, 0] *= 2
        basis = np.zeros((VALUES_BEFORE_TEXTURE, len(layer.space.origin)), np.float32)
        basis[: len(layer.space.basis)] = layer.space.basis
        of_listener = replace(layer, space=replace(layer.space, basis=basis))
        draft = shipped.model_copy(update={"name": "old-1", "features": VALUES_BEFORE_TEXTURE})
        content = {bundle.TABLE: old.encoded(), PERSONAL: encode_layer(of_listener)}
        write_content(tmp_path / "old-1", draft, content, registry=tmp_path)
        rewrite_manifest(tmp_path / "old-1", lambda document: document.update(layout=5))

        manifest = refit(tmp_path / "old-1", tmp_path / "old-1.refit-1")
        _, content = read_bundle(tmp_path / "old-1.refit-1", fitted=True)
        again = decode_table(content[bundle.TABLE], "again")
        loaded = load(tmp_path / "old-1.refit-1")
        assert manifest.features == VALUES == again.vectors.shape[1]
        # The texture of shipped clips is known; of others it is estimated.
        np.testing.assert_array_equal(again.vectors[2:], table.vectors[np.arange(12, 1500, 6)])
        np.testing.assert_array_equal(again.vectors[:2], completed(old.vectors[:2]))
        ours = decode_table(old.subset(np.arange(2)).encoded(), "a corpus as it was imported")
        assert contains_corpus(again, ours)
        assert loaded.personal is not None
        scores = loaded.normal_scores(again.vectors[:20])
        expected = of_listener.space.project(scores[:, :VALUES_BEFORE_TEXTURE])
        np.testing.assert_allclose(loaded.personal.space.project(scores), expected, atol=1e-4)

    def test_the_file_contains_only_what_a_prediction_needs(
        self, taught: Path, layer: PersonalLayer
    ) -> None:
        with np.load(taught / PERSONAL, allow_pickle=False) as arrays:
            texts = [name for name in arrays.files if arrays[name].dtype.kind in "USO"]
            widest = max(arrays[name].shape[-1] for name in arrays.files if name != "basis")
        assert texts == []
        assert layer.arousal is not None
        assert widest <= max(DESCRIPTORS, len(layer.arousal.rated))

    def test_a_modified_layer_is_refused(self, taught: Path) -> None:
        content = bytearray((taught / PERSONAL).read_bytes())
        content[len(content) // 2] ^= 1
        (taught / PERSONAL).write_bytes(bytes(content))
        with pytest.raises(BundleCorrupt, match=r"listener\.npz: differs from its checksum"):
            verify(taught, feature_key=HEARING)

    def test_a_missing_layer_is_an_error(self, taught: Path) -> None:
        (taught / PERSONAL).unlink()
        with pytest.raises(BundleCorrupt, match=r"listener\.npz: cannot be opened"):
            verify(taught, feature_key=HEARING)

    def test_a_layer_that_is_not_in_the_manifest_is_ignored(
        self, taught: Path, small: Path
    ) -> None:
        rewrite_manifest(taught, lambda document: document["files"].pop(PERSONAL))
        (taught / PERSONAL).write_bytes(b"rot")
        vectors = small_table(seed=11).vectors
        np.testing.assert_array_equal(
            load(taught, feature_key=HEARING).predict(vectors).arousal,
            load(small, feature_key=HEARING).predict(vectors).arousal,
        )

    def test_a_layer_for_other_descriptors_is_refused(
        self, taught: Path, layer: PersonalLayer
    ) -> None:
        basis = np.zeros((DESCRIPTORS + 1, len(layer.space.origin)), dtype=np.float32)
        other = replace(layer, space=replace(layer.space, basis=basis))
        replace_file(taught, PERSONAL, encode_layer(other))
        with pytest.raises(BundleCorrupt, match="'basis' has a wrong type, shape or value"):
            load(taught, feature_key=HEARING)


class TestLayerFile:
    def test_it_reads_back_equal(self, layer: PersonalLayer) -> None:
        back = decode_layer(encode_layer(layer), "listener.npz", DESCRIPTORS)
        assert back.valence is None
        assert back.arousal is not None
        assert layer.arousal is not None
        np.testing.assert_array_equal(back.space.basis, layer.space.basis)
        np.testing.assert_array_equal(back.arousal.duals, layer.arousal.duals)
        np.testing.assert_array_equal(back.arousal.rated.sound, layer.arousal.rated.sound)
        assert back.arousal.widening == 1.5

    @pytest.mark.parametrize(
        "content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"PK\x05\x06" + bytes(18), b"{}" * 100]
    )
    def test_bytes_that_are_not_an_archive_are_refused(self, content: bytes) -> None:
        with pytest.raises(BundleCorrupt, match=r"listener\.npz: not a personal layer"):
            decode_layer(content, "listener.npz", DESCRIPTORS)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("basis", lambda _: None),
            ("origin", lambda array: array[:0]),
            ("origin", lambda array: array.astype(np.float64)),
            ("arousal_duals", lambda _: None),
            ("arousal_duals", lambda array: array[1:]),
            ("arousal_duals", lambda array: array * np.nan),
            ("arousal_duals", lambda array: array + 1e300),
            ("arousal_said", lambda array: array + 2),
            ("arousal_said", lambda array: array[:0]),
            ("arousal_raters", lambda array: array * 0),
            ("arousal_spreads", lambda array: -array),
            ("arousal_spreads", lambda array: array[:3]),
            ("arousal_widening", lambda array: array * 0),
            ("arousal_widening", lambda array: np.array([array, array])),
            ("arousal_places", lambda array: array[:, :1]),
            ("arousal_places", lambda array: array.astype(object)),
            ("arousal_sound", lambda array: array.astype(np.float64)),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused(
        self, layer: PersonalLayer, name: str, change: Callable[[NDArray[Any]], NDArray[Any] | None]
    ) -> None:
        with np.load(io.BytesIO(encode_layer(layer))) as stored:
            arrays: dict[str, Any] = {key: stored[key] for key in stored.files}
        changed = change(arrays.pop(name))
        stream = io.BytesIO()
        kept = arrays if changed is None else arrays | {name: changed}
        np.savez(stream, allow_pickle=True, **kept)
        with pytest.raises(BundleCorrupt, match=r"listener\.npz") as caught:
            decode_layer(stream.getvalue(), "listener.npz", DESCRIPTORS)
        assert "\n" not in str(caught.value)

    def test_a_zip_bomb_is_not_unpacked(self) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("basis.npy", bytes(80 * 1024 * 1024))
        with pytest.raises(BundleCorrupt, match="more than the 67108864 allowed"):
            decode_layer(stream.getvalue(), "listener.npz", DESCRIPTORS)

    def test_damage_anywhere_is_refused_or_harmless(self, layer: PersonalLayer) -> None:
        content = encode_layer(layer)
        drawing = np.random.default_rng(3)
        for _ in range(200):
            spoilt = bytearray(content)
            for place in drawing.integers(0, len(content), 3):
                spoilt[place] = drawing.integers(0, 256)
            try:
                decode_layer(bytes(spoilt), "listener.npz", DESCRIPTORS)
            except BundleCorrupt:
                continue


def test_the_file_has_one_name() -> None:
    assert bundle.PERSONAL == "listener.npz"
